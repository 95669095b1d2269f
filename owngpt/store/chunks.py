"""Chunks of documents, and what they are searched by: the tables, and nothing of how a search works.

Each change happens inside the caller's transaction, together with the row that says that a file is ready, so a crash
leaves either all of a file here or nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import TypeVar

from owngpt.store.db import Database, Row, Transaction, Value
from owngpt.types import Chunk

Attributes = Mapping[str, str | float | bool]
T = TypeVar("T")

NOBODY = "nobody"  # a principal that no caller has
ROWS_AT_ONCE = 64  # of one INSERT


@dataclass(frozen=True, slots=True)
class ChunkOwner:
    """The file of a vector store whose chunks are indexed. What is here holds for all of them."""

    project_id: str
    vector_store_id: str
    file_id: str
    filename: str
    attributes: Attributes = field(default_factory=dict)
    readers: frozenset[str] = frozenset()  # principals that may read it; empty: the whole project
    created_at: int = 0  # Unix seconds
    embedder: str = ""  # the name of the model that made the vectors; a search compares only those of one model


@dataclass(frozen=True, slots=True)
class Segment:
    """What up to some thousand chunks are searched by, as it is kept."""

    base: int  # the number of its first chunk in the document
    num_chunks: int
    analysis: str  # the version of the rules that made `terms`
    terms: bytes
    dimensions: int = 0
    vectors: bytes = b""  # [num_chunks, dimensions] float16, little-endian; empty: none


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file that can be searched."""

    owner: ChunkOwner
    content: str  # changes whenever its segments do


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A segment with its file. `embedder` is empty where there are no vectors."""

    file: IndexedFile
    embedder: str
    segment: Segment


@dataclass(frozen=True, slots=True)
class ChunkKey:
    """Where a chunk stands, and as of which `content` of its file."""

    vector_store_id: str
    file_id: str
    content: str
    number: int


def narrowed(readers: frozenset[str], by: frozenset[str]) -> frozenset[str]:
    """Who is named in both; either may be empty, which means everybody. Never everybody by accident."""
    if not readers or not by:
        return readers or by
    return readers & by or frozenset({NOBODY})


class Chunks:
    """The four tables. What changes them takes the caller's transaction."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def insert(
        self, transaction: Transaction, owner: ChunkOwner, chunks: Sequence[Chunk], segments: Sequence[Segment]
    ) -> None:
        """A file that is not there yet, or (`delete` first) no more."""
        content = self._revise(transaction, owner.vector_store_id)
        _insert_rows(transaction, "indexed_files", _FILE_COLUMNS, [_file_values(owner, content)])
        key = (owner.vector_store_id, owner.file_id)
        _insert_rows(transaction, "chunks", _CHUNK_COLUMNS, [(*key, *_chunk_values(chunk)) for chunk in chunks])
        for segment in segments:
            values = (*key, content, owner.embedder if segment.vectors else "", *_segment_values(segment))
            _insert_rows(transaction, "index_segments", _SEGMENT_COLUMNS, [values])

    def delete(self, transaction: Transaction, vector_store_id: str, file_id: str | None = None) -> None:
        """One file of a store, or all of it. Nothing happens where nothing is."""
        where, values = "vector_store_id = ?", [vector_store_id]
        if file_id is not None:
            where, values = f"{where} AND file_id = ?", [vector_store_id, file_id]
        for table in ("index_segments", "chunks"):
            transaction.execute(f"DELETE FROM {table} WHERE {where}", values)
        gone = transaction.execute(f"DELETE FROM indexed_files WHERE {where} RETURNING file_id", values)
        if file_id is None:
            transaction.execute("DELETE FROM index_revisions WHERE vector_store_id = ?", values)
        elif gone:
            self._revise(transaction, vector_store_id)

    def update(
        self,
        transaction: Transaction,
        vector_store_id: str,
        file_id: str,
        attributes: Attributes,
        readers: frozenset[str],
    ) -> None:
        """Other attributes and readers; nothing happens where the file is not indexed (yet)."""
        changed = transaction.execute(
            "UPDATE indexed_files SET attributes = ?, readers = ? WHERE vector_store_id = ? AND file_id = ?"
            " RETURNING file_id",
            (_json(dict(attributes)), _json(sorted(readers)), vector_store_id, file_id),
        )
        if changed:
            self._revise(transaction, vector_store_id)

    def list(self, vector_store_id: str, file_id: str) -> list[Chunk]:
        """The chunks of a file, in order."""
        rows = self._db.read(
            "SELECT * FROM chunks WHERE vector_store_id = ? AND file_id = ? ORDER BY number", (vector_store_id, file_id)
        )
        return [_chunk(row) for row in rows]

    def find(self, keys: Sequence[ChunkKey]) -> Mapping[ChunkKey, Chunk]:
        """Those that are (still) there; a file that was indexed anew has others, which may have other readers."""
        found: dict[ChunkKey, Chunk] = {}
        for some in _in_turn(keys, ROWS_AT_ONCE):
            where = " OR ".join(["(vector_store_id = ? AND file_id = ? AND content = ? AND number = ?)"] * len(some))
            values = [value for key in some for value in astuple(key)]
            for row in self._db.read(f"SELECT * FROM {_CHUNKS_OF_FILES} WHERE {where}", values):
                key = ChunkKey(row["vector_store_id"], row["file_id"], row["content"], row["number"])
                found[key] = _chunk(row)
        return found

    def revision(self, vector_store_id: str) -> str:
        """Another text after each change; read it before what it stands for. Empty where nothing is indexed."""
        rows = self._db.read("SELECT revision FROM index_revisions WHERE vector_store_id = ?", (vector_store_id,))
        return str(rows[0]["revision"]) if rows else ""

    def files(self, project_id: str, vector_store_id: str) -> Sequence[IndexedFile]:
        """The searchable files of a store of this project, oldest first."""
        rows = self._db.read(
            "SELECT * FROM indexed_files WHERE project_id = ? AND vector_store_id = ? ORDER BY created_at, file_id",
            (project_id, vector_store_id),
        )
        return [_indexed_file(row) for row in rows]

    def segments(self, files: Sequence[IndexedFile]) -> Sequence[StoredSegment]:
        """Of these files of one store; none of a file that was changed or removed in the meantime."""
        if not files:
            return []
        wanted = {(file.owner.file_id, file.content): file for file in files}
        rows = self._db.read(
            f"SELECT * FROM index_segments WHERE vector_store_id = ? AND file_id IN ({', '.join('?' * len(files))})"
            " ORDER BY file_id, base",
            (files[0].owner.vector_store_id, *(file.owner.file_id for file in files)),
        )
        found = [(row, wanted.get((row["file_id"], row["content"]))) for row in rows]
        return [StoredSegment(file, row["embedder"], _segment(row)) for row, file in found if file is not None]

    def _revise(self, transaction: Transaction, vector_store_id: str) -> str:
        revision = secrets.token_hex(8)
        transaction.execute(
            "INSERT INTO index_revisions (vector_store_id, revision) VALUES (?, ?)"
            " ON CONFLICT (vector_store_id) DO UPDATE SET revision = excluded.revision",
            (vector_store_id, revision),
        )
        return revision


_CHUNKS_OF_FILES = "chunks JOIN indexed_files USING (vector_store_id, file_id)"
_FILE_COLUMNS = (
    "vector_store_id",
    "file_id",
    "project_id",
    "filename",
    "attributes",
    "readers",
    "created_at",
    "content",
)
_CHUNK_COLUMNS = ("vector_store_id", "file_id", "number", "id", "body", "begins", "pages", "headings")
_SEGMENT_COLUMNS = (
    "vector_store_id",
    "file_id",
    "content",
    "embedder",
    "base",
    "num_chunks",
    "analysis",
    "terms",
    "dimensions",
    "vectors",
)


def _insert_rows(
    transaction: Transaction, table: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]]
) -> None:
    one = f"({', '.join('?' * len(columns))})"
    for some in _in_turn(rows, ROWS_AT_ONCE):
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([one] * len(some))}"
        transaction.execute(sql, [value for row in some for value in row])


def _in_turn(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _file_values(owner: ChunkOwner, content: str) -> tuple[Value, ...]:
    return (
        owner.vector_store_id,
        owner.file_id,
        owner.project_id,
        owner.filename,
        _json(dict(owner.attributes)),
        _json(sorted(owner.readers)),
        owner.created_at,
        content,
    )


def _chunk_values(chunk: Chunk) -> tuple[Value, ...]:
    return (chunk.index, chunk.id, chunk.text, chunk.start, _json(chunk.pages), _json(chunk.headings))


def _segment_values(segment: Segment) -> tuple[Value, ...]:
    return (
        segment.base,
        segment.num_chunks,
        segment.analysis,
        segment.terms,
        segment.dimensions,
        segment.vectors,
    )


def _chunk(row: Row) -> Chunk:
    return Chunk(
        id=row["id"],
        index=row["number"],
        text=row["body"],
        start=row["begins"],
        pages=tuple((offset, page) for offset, page in json.loads(row["pages"])),
        headings=tuple(json.loads(row["headings"])),
    )


def _indexed_file(row: Row) -> IndexedFile:
    owner = ChunkOwner(
        project_id=row["project_id"],
        vector_store_id=row["vector_store_id"],
        file_id=row["file_id"],
        filename=row["filename"],
        attributes=json.loads(row["attributes"]),
        readers=frozenset(json.loads(row["readers"])),
        created_at=row["created_at"],
    )
    return IndexedFile(owner, row["content"])


def _segment(row: Row) -> Segment:
    return Segment(
        base=row["base"],
        num_chunks=row["num_chunks"],
        analysis=row["analysis"],
        terms=bytes(row["terms"]),
        dimensions=row["dimensions"],
        vectors=bytes(row["vectors"]),
    )
