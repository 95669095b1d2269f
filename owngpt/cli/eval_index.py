"""A search data set in an index of its own, with the chunks, vectors and ranking that the server would use."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from owngpt.evals.beir import Document, SearchData
from owngpt.evals.retrieval import DEPTH, Search
from owngpt.retrieval.chunk import chunk
from owngpt.retrieval.document import Document as Text
from owngpt.retrieval.index import ChunkIndex
from owngpt.retrieval.rerank import Reranker
from owngpt.retrieval.search import Query, Scope, Searcher
from owngpt.service.embedding_chunks import Vectors, batches, pieces_of, pooled
from owngpt.service.models import ServedEmbedder
from owngpt.service.search import Weights, prepare
from owngpt.store.chunks import ChunkOwner, Chunks
from owngpt.store.db import SQLite
from owngpt.store.projects import Projects
from owngpt.types import Chunk

Mode = Literal["hybrid", "lexical", "dense"]
MODES: tuple[Mode, ...] = ("hybrid", "lexical", "dense")
DENSE_ONLY = Weights(embedding=1.0, text=0.0)
DOCUMENTS_AT_ONCE = 32


class EvalIndex:
    """One database with one vector store per data set; what is in it already is not indexed again."""

    def __init__(self, file: Path, embedder: ServedEmbedder | None, reranker: Reranker | None = None) -> None:
        self._db, self._embedder, self._loop = SQLite(file), embedder, asyncio.Runner()
        self._index, self._searcher = ChunkIndex(self._db), Searcher(self._db, reranker)
        self._project_id = Projects(self._db).ensure().id

    def missing(self, data: SearchData) -> list[Document]:
        """The documents that are not indexed yet."""
        there = {file.owner.file_id for file in Chunks(self._db).files(self._project_id, data.name)}
        return [document for document in data.documents if document.id not in there]

    def fill(self, data: SearchData, step: Callable[[int], object] = lambda count: None) -> None:
        """Index what is missing; `step` is told how many documents are done."""
        missing = sorted(self.missing(data), key=lambda document: len(document.text))
        for start in range(0, len(missing), DOCUMENTS_AT_ONCE):
            some = missing[start : start + DOCUMENTS_AT_ONCE]
            self._add(data.name, some)
            step(len(some))

    def search(self, data: SearchData, mode: Mode) -> Search:
        """Finds ids of documents, by what the server does (hybrid), BM25 alone or cosines alone."""
        scope = Scope(self._project_id, (data.name,))

        def find(text: str) -> Sequence[str]:
            queries = self._queries(text, mode)
            passages = self._searcher.search(scope, queries, 2 * DEPTH, is_reranked=mode == "hybrid")
            return [passage.file_id for passage in passages]

        return find

    def close(self) -> None:
        """Close the database."""
        self._loop.close()
        self._db.close()

    def _queries(self, text: str, mode: Mode) -> list[Query]:
        if mode == "lexical":
            return [Query(text)]
        return self._loop.run(prepare(self._embedder, [text], DENSE_ONLY if mode == "dense" else None))

    def _add(self, store: str, documents: Sequence[Document]) -> None:
        cut = [self._chunks(document) for document in documents]
        vectors = self._loop.run(self._embed([piece for chunks in cut for piece in chunks]))
        name = self._embedder.name if self._embedder else ""
        with self._db.write() as transaction:
            for document, chunks in zip(documents, cut, strict=True):
                owner = ChunkOwner(self._project_id, store, document.id, document.id, embedder=name)
                self._index.add(transaction, owner, chunks, vectors and [vectors.pop(0) for _ in chunks])

    def _chunks(self, document: Document) -> list[Chunk]:
        tokenizer = self._embedder.tokenizer if self._embedder else None
        count = (lambda text: len(tokenizer.encode(text))) if tokenizer else len
        chunks = chunk(Text(document.text), count=count, owner=document.id)
        titles = (document.title,) if document.title else ()
        return [Chunk(one.id, one.index, one.text, one.start, headings=titles) for one in chunks]

    async def _embed(self, chunks: Sequence[Chunk]) -> Vectors | None:
        if self._embedder is None:
            return None
        client = self._embedder.embedder
        pieces = pieces_of(chunks, self._embedder.tokenizer, client.max_input_tokens)
        vectors: Vectors = [array("f")] * len(pieces)
        for batch in batches(pieces):
            embedded = await client.embed([pieces[number].ids for number in batch])
            for number, vector in zip(batch, embedded, strict=True):
                vectors[number] = array("f", vector)
        return pooled(pieces, vectors, len(chunks))
