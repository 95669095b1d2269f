"""Pages of buckets, as usage and costs are told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from owngpt.server.schemas.organization.usage_query import UsageQuery
from owngpt.service.prices import NANO
from owngpt.store.usage_totals import Total

Document = dict[str, Any]
CURRENCY = "usd"
GIBIBYTE = 2**30


def page_document(query: UsageQuery, results: Iterable[tuple[int, Document]]) -> Document:
    """Results by the bucket that they belong to -> OpenAI's `page`; a bucket may be empty."""
    by_bucket: defaultdict[int, list[Document]] = defaultdict(list)
    for bucket, document in results:
        by_bucket[bucket].append(document)
    ends = [*query.starts[1:], query.end]
    return {
        "object": "page",
        "data": [
            {
                "object": "bucket",
                "start_time": start,
                "end_time": end,
                "results": by_bucket[start - start % query.width],
            }
            for start, end in zip(query.starts, ends, strict=True)
        ],
        "has_more": query.next_page is not None,
        "next_page": query.next_page,
    }


def group_fields(query: UsageQuery, names: Sequence[str], group: Sequence[Any]) -> Document:
    """The fields that tell groups apart; null where the query does not group by them."""
    found = dict(zip(query.group_by, group, strict=True))
    fields = {name: found.get(name) for name in names}
    if fields.get("batch") is not None:
        fields["batch"] = bool(fields["batch"])
    return fields


def completions_result(sums: Mapping[str, int]) -> Document:
    """Text only: this server hears and sees nothing."""
    cached, written = sums["cached_tokens"], sums["cache_write_tokens"]
    uncached = sums["input_tokens"] - cached - written
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": sums["input_tokens"],
        "input_cached_tokens": cached,
        "input_cache_write_tokens": written,
        "input_uncached_tokens": uncached,
        "output_tokens": sums["output_tokens"],
        "input_text_tokens": uncached,
        "output_text_tokens": sums["output_tokens"],
        "input_cached_text_tokens": cached,
        "input_audio_tokens": 0,
        "input_cached_audio_tokens": 0,
        "output_audio_tokens": 0,
        "input_image_tokens": 0,
        "input_cached_image_tokens": 0,
        "output_image_tokens": 0,
        "num_model_requests": sums["num_requests"],
    }


def embeddings_result(sums: Mapping[str, int]) -> Document:
    return {
        "object": "organization.usage.embeddings.result",
        "input_tokens": sums["input_tokens"],
        "num_model_requests": sums["num_requests"],
    }


def file_searches_result(sums: Mapping[str, int]) -> Document:
    return {"object": "organization.usage.file_searches.result", "num_requests": sums["num_requests"]}


def vector_stores_result(sums: Mapping[str, int]) -> Document:
    return {"object": "organization.usage.vector_stores.result", "usage_bytes": sums["bytes"]}


def costs_results(query: UsageQuery, totals: Iterable[Total]) -> Iterator[tuple[int, Document]]:
    """Where line items are asked for, each total (which is by kind and model, too) is one to three of them."""
    by_line = "line_item" in query.group_by
    for total in totals:
        named = dict(zip([name for name in query.group_by if name != "line_item"], total.group, strict=False))
        fields = {name: named.get(name) for name in ("project_id", "api_key_id")}
        fields["api_key_id"] = fields["api_key_id"] or None  # storage is nobody's key's
        if by_line:
            kind, model = total.group[-2:]
            for line in _lines(kind, model, total.sums):
                yield total.bucket, {**line, **fields}
        else:
            costs = sum(total.sums[name] for name in ("input_cost", "cached_cost", "output_cost"))
            yield total.bucket, {**_cost(costs, None, None, None), **fields}


def _lines(kind: str, model: str | None, sums: Mapping[str, int]) -> Iterator[Document]:
    if kind == "file_search_calls":
        yield _cost(sums["input_cost"], "file search calls", sums["num_requests"], None)
    elif kind == "vector_store_storage":
        hours = sums["bytes"] * 24 / GIBIBYTE
        yield _cost(sums["input_cost"], "vector store storage", hours, "gibibyte_hours")
    else:
        uncached = sums["input_tokens"] - sums["cached_tokens"]
        parts = ((uncached, "input"), (sums["cached_tokens"], "cached input"), (sums["output_tokens"], "output"))
        costs = (sums["input_cost"], sums["cached_cost"], sums["output_cost"])
        for (quantity, part), cost in zip(parts, costs, strict=True):
            if quantity or cost:
                yield _cost(cost, f"{model}, {part}", quantity, "tokens")


def _cost(cost: int, line_item: str | None, quantity: float | None, unit: str | None) -> Document:
    """Whole 1e-9 parts become the nearest number that JSON's readers know only here, on the wire."""
    return {
        "object": "organization.costs.result",
        "amount": {"value": cost / NANO, "currency": CURRENCY},
        "line_item": line_item,
        "quantity": quantity,
        "quantity_unit": unit,
    }
