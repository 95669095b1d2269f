"""Vector stores, their files and batches of files on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import Few, WireModel, required
from owngpt.server.schemas.metadata import Metadata
from owngpt.service.vector_stores import FileOrder, FileText, PageText
from owngpt.store.file_batches import FileBatch
from owngpt.store.vector_store_files import Chunking, VectorStoreFile
from owngpt.store.vector_stores import STATUSES, VectorStore

MAX_FILES = 500  # with a new store
MAX_BATCH = 2_000

Name = Annotated[str, Field(max_length=1_000)]
Attributes = Annotated[dict[str, Any], Few]


class StaticChunking(WireModel):
    """Sizes in tokens."""

    max_chunk_size_tokens: int = Field(ge=100, le=4096)
    chunk_overlap_tokens: int = Field(ge=0)


class ChunkingStrategy(WireModel):
    """How files are cut."""

    type: Literal["auto", "static"]
    static: StaticChunking | None = None

    def sizes(self, param: str) -> Chunking | None:
        """None: auto. Raises `InvalidRequest`."""
        if self.type == "auto":
            return None
        sizes = required(self.static, f"{param}.static")
        if sizes.chunk_overlap_tokens > sizes.max_chunk_size_tokens // 2:
            raise InvalidRequest(
                f"Invalid '{param}.static.chunk_overlap_tokens': {sizes.chunk_overlap_tokens} is more than half of"
                f" max_chunk_size_tokens, which is {sizes.max_chunk_size_tokens}.",
                param=f"{param}.static.chunk_overlap_tokens",
                code="invalid_value",
            )
        return Chunking(sizes.max_chunk_size_tokens, sizes.chunk_overlap_tokens)


class ExpiresAfter(WireModel):
    """When a store that nobody uses expires."""

    anchor: Literal["last_active_at"]
    days: int = Field(ge=1, le=365)


class CreateVectorStoreRequest(WireModel):
    """A store, perhaps with its first files."""

    name: Name | None = None
    description: Name | None = None
    file_ids: Annotated[list[str], Field(max_length=MAX_FILES)] | None = None
    chunking_strategy: ChunkingStrategy | None = None
    expires_after: ExpiresAfter | None = None
    metadata: Metadata | None = None

    def orders(self) -> list[FileOrder]:
        """Its files. Raises `InvalidRequest`."""
        return orders_of(self.file_ids or [], self.chunking_strategy, None)


class UpdateVectorStoreRequest(WireModel):
    """What is given is changed; null takes it away."""

    name: Name | None = None
    expires_after: ExpiresAfter | None = None
    metadata: Metadata | None = None


class AddFileRequest(WireModel):
    """A file for a store."""

    file_id: str
    attributes: Attributes | None = None
    chunking_strategy: ChunkingStrategy | None = None

    def order(self, prefix: str = "") -> FileOrder:
        """Raises `InvalidRequest`."""
        strategy = self.chunking_strategy
        sizes = strategy.sizes(f"{prefix}chunking_strategy") if strategy else None
        return FileOrder(self.file_id, self.attributes, sizes, f"{prefix}file_id")


class AddBatchRequest(WireModel):
    """Files for a store: ids that share their settings, or files with their own."""

    file_ids: Annotated[list[str], Field(min_length=1, max_length=MAX_BATCH)] | None = None
    files: Annotated[list[AddFileRequest], Field(min_length=1, max_length=MAX_BATCH)] | None = None
    attributes: Attributes | None = None
    chunking_strategy: ChunkingStrategy | None = None

    def orders(self) -> list[FileOrder]:
        """Raises `InvalidRequest`."""
        if self.file_ids is not None and self.files is not None:
            raise InvalidRequest("Both 'file_ids' and 'files' are given; send one of them.", param="files")
        if self.files is not None:
            return [file.order(f"files[{i}].") for i, file in enumerate(self.files)]
        return orders_of(required(self.file_ids, "file_ids"), self.chunking_strategy, self.attributes)


class UpdateAttributesRequest(WireModel):
    """Other attributes for a file; null takes all away."""

    attributes: Attributes | None


def orders_of(ids: list[str], strategy: ChunkingStrategy | None, attributes: Attributes | None) -> list[FileOrder]:
    """Files that share their settings."""
    sizes = strategy.sizes("chunking_strategy") if strategy else None
    return [FileOrder(file_id, attributes, sizes, f"file_ids[{i}]") for i, file_id in enumerate(ids)]


def store_document(store: VectorStore) -> dict[str, Any]:
    """A `vector_store`."""
    days = store.expires_after_days
    return {
        "id": store.id,
        "object": "vector_store",
        "created_at": store.created_at,
        "name": store.name,
        "description": store.description,
        "usage_bytes": store.usage_bytes,
        "file_counts": _counts(store),
        "status": store.status,
        "expires_after": None if days is None else {"anchor": "last_active_at", "days": days},
        "expires_at": store.expires_at,
        "last_active_at": store.last_active_at,
        "metadata": store.metadata,
    }


def file_document(file: VectorStoreFile) -> dict[str, Any]:
    """A `vector_store.file`; `progress`, `notes` and `filename` are ours."""
    error = None if file.error_code is None else {"code": file.error_code, "message": file.error_message}
    sizes = {"max_chunk_size_tokens": file.chunking.max_tokens, "chunk_overlap_tokens": file.chunking.overlap}
    return {
        "id": file.id,
        "object": "vector_store.file",
        "usage_bytes": file.usage_bytes,
        "created_at": file.created_at,
        "vector_store_id": file.vector_store_id,
        "status": file.status,
        "last_error": error,
        "chunking_strategy": {"type": "static", "static": sizes},
        "attributes": file.attributes,
        "filename": file.filename,
        "progress": {"stage": file.stage, "done": file.done, "total": file.total},
        "notes": list(file.notes),
    }


def batch_document(batch: FileBatch) -> dict[str, Any]:
    """A `vector_store.files_batch`."""
    return {
        "id": batch.id,
        "object": "vector_store.files_batch",
        "created_at": batch.created_at,
        "vector_store_id": batch.vector_store_id,
        "status": batch.status,
        "file_counts": _counts(batch),
    }


def content_document(text: FileText) -> dict[str, Any]:
    """A file's text: an entry for each page, with its number and place, or one for all where there are none."""
    data = [{"type": "text", **_page(page)} for page in text.pages]
    return {"object": "vector_store.file_content.page", "data": data, "has_more": False, "next_page": None}


def page_document(text: FileText) -> dict[str, Any]:
    """One page: its text, and where it stands in the document."""
    names = {"file_id": text.file.id, "filename": text.file.filename, "num_pages": text.num_pages}
    return {"object": "vector_store.file.page", **names, **_page(text.pages[0])}


def _page(page: PageText) -> dict[str, Any]:
    return {"text": page.text, "start": page.start, "end": page.end, "page": page.page}


def _counts(counted: VectorStore | FileBatch) -> dict[str, int]:
    numbers: dict[str, int] = {status: counted.counts.get(status, 0) for status in STATUSES}
    return {**numbers, "total": sum(numbers.values())}
