"""A small library for tests: files of chunks in vector stores, with vectors that say what they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from owngpt.retrieval.index import ChunkIndex
from owngpt.store.chunks import ChunkOwner
from owngpt.store.db import Database
from owngpt.store.projects import Projects
from owngpt.types import Chunk

EMBEDDER = "eight topics"


def direction(*topics: int) -> NDArray[np.float32]:
    """A unit vector between these of eight topics."""
    vector = np.zeros(8, np.float32)
    vector[list(topics)] = 1
    return vector / np.linalg.norm(vector)


class Library:
    """Puts files of one project into stores."""

    def __init__(self, db: Database, project: str = "default") -> None:
        self.db, self.index = db, ChunkIndex(db)
        self.project_id = Projects(db).ensure(project).id

    def put(
        self,
        file_id: str,
        texts: Sequence[str],
        *,
        store: str = "vs_1",
        vectors: Sequence[NDArray[np.float32]] | None = None,
        readers: frozenset[str] = frozenset(),
        attributes: Mapping[str, str | float | bool] | None = None,
    ) -> None:
        """Index a file, one chunk per text."""
        owner = ChunkOwner(
            self.project_id, store, file_id, f"{file_id}.txt", attributes or {}, readers, 0, EMBEDDER if vectors else ""
        )
        chunks = [Chunk(f"{store}/{file_id}#{i}", i, text, 100 * i) for i, text in enumerate(texts)]
        rows = None if vectors is None else [vector.tolist() for vector in vectors]
        with self.db.write() as transaction:
            self.index.add(transaction, owner, chunks, rows)

    def drop(self, file_id: str | None, *, store: str = "vs_1") -> None:
        """Take a file out of its store, or empty the store."""
        with self.db.write() as transaction:
            self.index.remove(transaction, store, file_id)
