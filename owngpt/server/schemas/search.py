"""POST /v1/vector_stores/{id}/search: the body, and the answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import WireModel
from owngpt.service.search import SearchResult, Weights
from owngpt.types import Passage


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class HybridSearch(WireModel):
    """How much meaning and words count; only their ratio matters."""

    embedding_weight: float = Field(ge=0)
    text_weight: float = Field(ge=0)

    def weights(self, param: str) -> Weights:
        """Raises `InvalidRequest` where neither counts."""
        if self.embedding_weight + self.text_weight == 0:
            raise InvalidRequest(
                f"Invalid {param!r}: one of the weights must be above 0.", param=param, code="invalid_value"
            )
        return Weights(self.embedding_weight, self.text_weight)


class RankingOptions(WireModel):
    """How results are ranked, and which are good enough."""

    ranker: Literal["none", "auto", "default-2024-11-15"] = "auto"
    score_threshold: float = Field(default=0.0, ge=0, le=1)
    hybrid_search: HybridSearch | None = None


class VectorStoreSearchRequest(WireModel):
    """What to look for in a vector store."""

    query: Annotated[list[str], BeforeValidator(_several)]
    filters: dict[str, Any] | None = None
    max_num_results: int = Field(10, ge=1, le=50)
    ranking_options: RankingOptions = RankingOptions()
    rewrite_query: bool = False


def search_document(result: SearchResult) -> dict[str, Any]:
    """All results on one page, as OpenAI sends them."""
    return {
        "object": "vector_store.search_results.page",
        "search_query": result.queries,
        "data": [_result(passage) for passage in result.passages],
        "has_more": False,
        "next_page": None,
    }


def _result(passage: Passage) -> dict[str, Any]:
    """OpenAI's fields, and where the text stands in the document: characters from 0, pages from 1."""
    content = {
        "type": "text",
        "text": passage.text,
        "start": passage.start,
        "end": passage.start + len(passage.text),
        "page": passage.page_at(passage.start),
    }
    return {
        "file_id": passage.file_id,
        "filename": passage.filename,
        "score": round(passage.score, 6),
        "attributes": dict(passage.attributes),
        "content": [content],
    }
