"""What a trained reader answers: search with its second look, answers in the words of a passage, support.

The same code that serves: `EvalIndex` ranks as the server does, `PairReader` reads.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from owngpt.cli.eval import bar
from owngpt.cli.eval_index import EvalIndex, Mode
from owngpt.evals.beir import Document, SearchData
from owngpt.evals.run import Contestant
from owngpt.evals.task import Answer, Item
from owngpt.retrieval.reading import ReadingReranker
from owngpt.service.models import ServedEmbedder
from owngpt.text.prompts import NOT_IN_TEXT
from owngpt.trust.language import language_of

if TYPE_CHECKING:
    from owngpt.engine.reading import PairReader

BM25, RERANKED, FUSED = "BM25", "BM25, read again", "BM25 and vectors, read again"


@contextmanager
def searching(
    reader: PairReader, documents: Sequence[Document], embedder: ServedEmbedder | None
) -> Iterator[list[Contestant]]:
    """BM25 alone, BM25 with the reader's second look, and, with an embedder, vectors in the first one, too."""
    data = SearchData("pool", documents, [])
    with tempfile.TemporaryDirectory() as folder:
        reranker = ReadingReranker(reader)
        words = EvalIndex(Path(folder) / "words.db", None, reranker)
        both = EvalIndex(Path(folder) / "both.db", embedder, reranker) if embedder else None
        try:
            for index in filter(None, (words, both)):
                with bar("indexing", len(documents)) as step:
                    index.fill(data, step)
            found = [
                Contestant(BM25, "baseline", _search(words, data, "lexical")),
                Contestant(RERANKED, "product", _search(words, data, "hybrid")),
            ]
            yield [*found, Contestant(FUSED, "product", _search(both, data, "hybrid"))] if both else found
        finally:
            for index in filter(None, (words, both)):
                index.close()


def answering(reader: PairReader) -> Contestant:
    """The likeliest span of the passage, or that there is none."""
    return Contestant("reader", "product", lambda items: [_answer(reader, item) for item in items])


def supporting(reader: PairReader) -> Contestant:
    """How likely the passage bears the statement out."""
    return Contestant("reader", "product", lambda items: _support(reader, items))


def _search(index: EvalIndex, data: SearchData, mode: Mode) -> Callable[[Sequence[Item]], list[Answer]]:
    find = index.search(data, mode)
    return lambda items: [Answer(found=tuple(dict.fromkeys(find(item.fields["question"])))) for item in items]


def _answer(reader: PairReader, item: Item) -> Answer:
    passage, question = item.fields["passage"], item.fields["question"]
    found = reader.answer(question, [passage])
    if found is None or found.logit < 0:
        return Answer(NOT_IN_TEXT[language_of(question)])
    return Answer(passage[found.start : found.end])


def _support(reader: PairReader, items: Sequence[Item]) -> list[Answer]:
    pairs = [(item.fields["statement"], item.fields["passage"]) for item in items]
    return [Answer(scores=(0.0, score)) for score in reader.support(pairs)]
