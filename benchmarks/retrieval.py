"""How well and how fast searches find what they should, on public data in two languages.

    python -m benchmarks.retrieval [--shared ../shared] [--keep FOLDER] [--chunks 100000] [--questions N] [--write]

Three sets (`retrieval_data.py`): SQuAD's and JaQuAD's paragraphs, 2,000 questions each that were never looked at while
the ranking was made, and a staff handbook with questions of our own. Then the time of a search among many chunks, the
embedding of the query included: real texts and questions, vectors made up (they change no time). `--keep` holds the
indexes for the next time; to embed the paragraphs takes a quarter of an hour.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import click
import numpy as np

from benchmarks.machine import hardware, keep
from benchmarks.retrieval_data import handbook, jaquad, squad, texts
from owngpt.cli.eval import bar, loaded_embedder, measure
from owngpt.cli.eval_index import EvalIndex, Mode
from owngpt.evals.beir import SearchData
from owngpt.evals.retrieval import Report, difference
from owngpt.retrieval.index import ChunkIndex
from owngpt.retrieval.search import Scope, Searcher
from owngpt.service.models import ServedEmbedder
from owngpt.service.search import prepare
from owngpt.store.chunks import ChunkOwner
from owngpt.store.db import SQLite
from owngpt.store.projects import Projects
from owngpt.types import Chunk

NAMES: dict[Mode, str] = {"hybrid": "hybrid", "lexical": "BM25 alone", "dense": "vectors alone"}
CHUNKS_OF_A_FILE = 100


@click.command()
@click.option("--shared", default="../shared", type=click.Path(path_type=Path), help="Where the folder `data` lies.")
@click.option("--keep", "folder", type=click.Path(file_okay=False, path_type=Path), help="Keep the indexes here.")
@click.option("--chunks", default=100_000, show_default=True, help="Of the index whose speed is measured; 0: none.")
@click.option("--questions", default=2_000, show_default=True, help="Of each set.")
@click.option("--write", is_flag=True, help="Keep the table in benchmarks/results.")
def main(shared: Path, folder: Path | None, chunks: int, questions: int, write: bool) -> None:
    """Print the tables."""
    if not (shared / "data/qa").is_dir():
        raise click.ClickException(f"{shared / 'data/qa'} is not there; --shared names the folder that has it")
    with tempfile.TemporaryDirectory() as temporary, loaded_embedder(None) as embedder:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        parts = [f"# Retrieval\n\n{hardware()}; embedder {embedder.name}"]
        sections = handbook(shared, lambda text: len(embedder.tokenizer.encode(text)))
        for data in (sections, squad(shared), jaquad(shared)):
            some = replace(data, questions=data.questions[:questions])
            parts.append(quality(some, evaluated(place / "quality.db", some, embedder)))
        if chunks:
            parts.append(speed(place / f"speed-{chunks}.db", shared, chunks, embedder))
    text = "\n\n".join(parts)
    click.echo(text)
    if write:
        keep("retrieval", text)


def evaluated(file: Path, data: SearchData, embedder: ServedEmbedder) -> dict[Mode, Report]:
    """Each kind of search on the whole set."""
    index = EvalIndex(file, embedder)
    try:
        return measure(index, data)
    finally:
        index.close()


def quality(data: SearchData, reports: dict[Mode, Report]) -> str:
    """The table of one set, and by how much the hybrid search is ahead."""
    lines = [
        f"## {data.name}: {len(data.documents):,} documents, {len(data.questions):,} questions",
        "",
        "| search | nDCG@10 | recall@10 | MRR@10 | hybrid is ahead by (nDCG) | p50 ms |",
        "|---|---|---|---|---|---|",
    ]
    for mode, report in reports.items():
        ahead = "" if mode == "hybrid" else str(difference(reports["hybrid"], report))
        figures = f"{report.ndcg} | {report.recall} | {report.mrr} | {ahead} | {report.latency(0.5):.1f}"
        lines.append(f"| {NAMES[mode]} | {figures} |")
    return "\n".join(lines)


def speed(file: Path, shared: Path, num_chunks: int, embedder: ServedEmbedder) -> str:
    """Times of whole searches, and of their parts."""
    db = SQLite(file)
    project_id = Projects(db).ensure().id
    fill(db, project_id, shared, num_chunks, embedder)
    searcher, scope = Searcher(db), Scope(project_id, ("speed",))
    lines = [
        f"## Time of a search among {num_chunks:,} chunks",
        "",
        "| | p50 ms | p90 ms | p99 ms |",
        "|---|---|---|---|",
    ]
    with asyncio.Runner() as loop:
        start = time.perf_counter()
        searcher.search(scope, loop.run(prepare(embedder, ["the first search loads the index"])))
        loaded = time.perf_counter() - start
        for name, data in (("English", squad(shared)), ("Japanese", jaquad(shared))):
            embedding, searching = [], []
            for question in data.questions[:500]:
                begin = time.perf_counter()
                queries = loop.run(prepare(embedder, [question.text]))
                middle = time.perf_counter()
                searcher.search(scope, queries)
                embedding.append(middle - begin)
                searching.append(time.perf_counter() - middle)
            whole = [a + b for a, b in zip(embedding, searching, strict=True)]
            for part, seconds in (("whole", whole), ("embedding the query", embedding), ("search", searching)):
                lines.append(f"| {name}, {part} | {_quantiles(seconds)} |")
    db.close()
    lines += ["", f"The first search of all, which loads the index from the database: {loaded:.1f} s."]
    return "\n".join(lines)


def fill(db: SQLite, project_id: str, shared: Path, num_chunks: int, embedder: ServedEmbedder) -> None:
    """Once: different texts, vectors in random directions."""
    if db.read("SELECT file_id FROM indexed_files LIMIT 1"):
        return
    index, random = ChunkIndex(db), np.random.default_rng(0)
    pieces = islice(texts(shared), num_chunks)
    with bar("indexing for speed", num_chunks) as step:
        number = 0
        while some := list(islice(pieces, CHUNKS_OF_A_FILE)):
            vectors = random.standard_normal((len(some), embedder.embedder.dimensions))
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            owner = ChunkOwner(project_id, "speed", f"file-{number}", f"{number}.txt", embedder=embedder.name)
            chunks = [Chunk(f"{number}#{i}", i, text, 0) for i, text in enumerate(some)]
            with db.write() as transaction:
                index.add(transaction, owner, chunks, vectors.tolist())
            number += 1
            step(len(some))
    click.echo(f"indexed {num_chunks:,} chunks", err=True)


def _quantiles(seconds: Sequence[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return " | ".join(f"{1e3 * cuts[percent - 1]:.1f}" for percent in (50, 90, 99))


if __name__ == "__main__":
    main()
