"""What the product answers by itself, without a model of language: search, and whether a text bears out a statement.

The same code that serves: `EvalIndex` ranks as `service/search.py` does, `CombinedScorer` weighs answers.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from owngpt.cli.eval import bar
from owngpt.cli.eval_index import EvalIndex, Mode
from owngpt.evals.beir import Document, SearchData
from owngpt.evals.run import Contestant
from owngpt.evals.task import Answer, Item
from owngpt.service.evidence import embed_with, reads
from owngpt.service.models import ServedEmbedder
from owngpt.service.workers import Workers
from owngpt.trust.support import CombinedScorer, Statement

SEARCH, SUPPORT, BM25 = "owngpt search", "owngpt support", "BM25"


@contextmanager
def searches(name: str, documents: Sequence[Document], embedder: ServedEmbedder) -> Iterator[list[Contestant]]:
    """Hybrid search with the embedding model, and BM25 alone, over the same chunks of these documents."""
    data = SearchData(name, documents, [])
    with tempfile.TemporaryDirectory() as folder:
        index = EvalIndex(Path(folder) / "index.db", embedder)
        try:
            with bar(f"indexing {name}", len(documents)) as step:
                index.fill(data, step)
            hybrid, lexical = _answer(index, data, "hybrid"), _answer(index, data, "lexical")
            yield [Contestant(SEARCH, "product", hybrid), Contestant(BM25, "baseline", lexical)]
        finally:
            index.close()


def supporter(embedder: ServedEmbedder) -> Contestant:
    """What weighs the sentences of answers; with vectors where the embedding model reads the language."""
    return Contestant(SUPPORT, "product", lambda items: asyncio.run(_supported(items, embedder)))


def _answer(index: EvalIndex, data: SearchData, mode: Mode) -> Callable[[Sequence[Item]], list[Answer]]:
    find = index.search(data, mode)
    return lambda items: [Answer(found=tuple(dict.fromkeys(find(item.fields["question"])))) for item in items]


async def _supported(items: Sequence[Item], embedder: ServedEmbedder) -> list[Answer]:
    embed, found = embed_with(embedder, Workers()), []
    for item in items:
        statement = item.fields["statement"]
        scorer = CombinedScorer(embed if reads(embedder, statement) else None)
        (score,) = await scorer.score([Statement(statement, [item.fields["passage"]])])
        found.append(Answer(scores=(0.0, score)))
    return found
