"""Steps through what a project has: answers, files, batches, documents, conversations."""

from __future__ import annotations

from typing import Any

from tests.conformance.walk import Step

MESSAGES = [{"role": "user", "content": "Hi"}]
TAGS = {"topic": "greetings"}
LINE = b'{"custom_id":"a","method":"POST","url":"/v1/completions","body":{"model":"fake","prompt":"Hi"}}\n'
TEXT = b"Annual leave is 20 days. " * 40
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}

CHATS = (
    Step("GET /models", saves={"model": "data.0.id"}),
    Step("GET /models/{model}"),
    Step("DELETE /models/{model}", status=403),
    Step(
        "POST /chat/completions",
        {"model": "fake", "messages": MESSAGES, "store": True, "metadata": TAGS, "logprobs": True, "top_logprobs": 2},
        saves={"completion_id": "id"},
    ),
    Step("GET /chat/completions", params={"model": "fake", "metadata[topic]": "greetings", "limit": 5}),
    Step("GET /chat/completions/{completion_id}"),
    Step("GET /chat/completions/{completion_id}/messages"),
    Step("POST /chat/completions/{completion_id}", {"metadata": {"a": "b"}}),
    Step("DELETE /chat/completions/{completion_id}"),
    Step("POST /completions", {"model": "fake", "prompt": "Hi", "logprobs": 2, "n": 2}),
    Step(
        "POST /fim/completions",
        {
            "model": "fake",
            "prompt": "a = ",
            "suffix": "\n",
            "path": "a.py",
            "context": [{"path": "b.py", "text": "b"}],
            "mode": "line",
            "stop": ["x"],
            "max_tokens": 9,
        },
    ),
    Step("POST /embeddings", {"model": "fake-embed", "input": ["Hi", "you"], "dimensions": 4}),
)
FILES = (
    Step("POST /files", form={"purpose": "user_data"}, file=TEXT, saves={"file_id": "id"}),
    Step("POST /files", form={"purpose": "batch"}, file=LINE, saves={"input_file_id": "id"}),
    Step("GET /files", params={"purpose": "batch", "order": "asc"}),
    Step("GET /files/{file_id}"),
    Step("GET /files/{file_id}/content"),
    Step(
        "POST /uploads",
        {"filename": "a.txt", "purpose": "user_data", "bytes": len(TEXT), "mime_type": "text/plain"},
        saves={"upload_id": "id"},
    ),
    Step("POST /uploads/{upload_id}/parts", form={}, file=TEXT, saves={"part_id": "id"}),
    Step("POST /uploads/{upload_id}/complete", {"part_ids": ["{part_id}"]}, saves={"other_file_id": "file.id"}),
    Step(
        "POST /uploads",
        {"filename": "b.txt", "purpose": "batch", "bytes": 1, "mime_type": "text/plain"},
        saves={"upload_id": "id"},
    ),
    Step("POST /uploads/{upload_id}/cancel"),
)
BATCHES = (
    Step(
        "POST /batches",
        {
            "input_file_id": "{input_file_id}",
            "endpoint": "/v1/completions",
            "completion_window": "24h",
            "metadata": TAGS,
        },
        saves={"batch_id": "id"},
    ),
    Step("GET /batches", params={"limit": 1}),
    Step("GET /batches/{batch_id}", until=("status", "completed")),
    Step(
        "POST /batches",
        {"input_file_id": "{input_file_id}", "endpoint": "/v1/completions", "completion_window": "24h"},
        saves={"batch_id": "id"},
    ),
    Step("POST /batches/{batch_id}/cancel", or_status=400),
)
CHUNKING = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}}
SEARCH: dict[str, Any] = {
    "query": "annual leave",
    "max_num_results": 3,
    "rewrite_query": True,
    "filters": {"type": "eq", "key": "kind", "value": "rules"},
    "ranking_options": {"ranker": "auto", "score_threshold": 0.0},
}
VECTOR_STORES = (
    Step("POST /vector_stores", {"name": "Handbook", "metadata": TAGS}, saves={"vector_store_id": "id"}),
    Step("GET /vector_stores", params={"order": "asc"}),
    Step("GET /vector_stores/{vector_store_id}"),
    Step("POST /vector_stores/{vector_store_id}", {"name": "Rules", "metadata": {"a": "b"}}),
    Step(
        "POST /vector_stores/{vector_store_id}/files",
        {"file_id": "{file_id}", "attributes": {"kind": "rules", "year": 2026}, "chunking_strategy": CHUNKING},
    ),
    Step("GET /vector_stores/{vector_store_id}/files", params={"limit": 1}),
    Step("GET /vector_stores/{vector_store_id}/files/{file_id}", until=("status", "completed")),
    Step("GET /vector_stores/{vector_store_id}/files/{file_id}/content"),
    Step("POST /vector_stores/{vector_store_id}/files/{file_id}", {"attributes": {"kind": "rules", "draft": False}}),
    Step("POST /vector_stores/{vector_store_id}/search", SEARCH),
    Step(
        "POST /vector_stores/{vector_store_id}/file_batches",
        {"file_ids": ["{other_file_id}"], "attributes": {"kind": "other"}},
        saves={"batch_id": "id"},
    ),
    Step("GET /vector_stores/{vector_store_id}/file_batches/{batch_id}", until=("status", "completed")),
    Step("GET /vector_stores/{vector_store_id}/file_batches/{batch_id}/files", params={"filter": "completed"}),
    Step("POST /vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel"),
)
RESPONSES = (
    Step(
        "POST /responses",
        {
            "model": "fake",
            "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
            "instructions": "Be kind.",
            "metadata": TAGS,
            "tools": [TOOL],
            "tool_choice": "none",
            "text": {"format": {"type": "text"}},
            "temperature": 0.5,
        },
        saves={"response_id": "id"},
    ),
    Step(
        "POST /responses",
        {"input": "leave?", "tools": [{"type": "file_search", "vector_store_ids": ["{vector_store_id}"]}]},
    ),
    Step("GET /responses/{response_id}"),
    Step("GET /responses/{response_id}/input_items"),
    Step("POST /responses/input_tokens", {"model": "fake", "input": "Hi"}),
    Step("POST /responses/compact", {"model": "fake", "input": "Hi"}),
    Step("DELETE /responses/{response_id}"),
    Step("POST /responses", {"input": "Hi", "background": True}, saves={"response_id": "id"}),
    Step("POST /responses/{response_id}/cancel"),
    Step("POST /conversations", {"metadata": TAGS, "items": MESSAGES}, saves={"conversation_id": "id"}),
    Step("GET /conversations/{conversation_id}"),
    Step("POST /conversations/{conversation_id}", {"metadata": {"a": "b"}}),
    Step("POST /conversations/{conversation_id}/items", {"items": MESSAGES}, saves={"item_id": "data.0.id"}),
    Step("GET /conversations/{conversation_id}/items", params={"limit": 1}),
    Step("GET /conversations/{conversation_id}/items/{item_id}"),
    Step("DELETE /conversations/{conversation_id}/items/{item_id}"),
    Step("DELETE /conversations/{conversation_id}"),
)
DELETIONS = (
    Step("DELETE /vector_stores/{vector_store_id}/files/{file_id}"),
    Step("DELETE /vector_stores/{vector_store_id}"),
    Step("DELETE /files/{file_id}"),
)
IDS: dict[str, str] = {}
STEPS = (*CHATS, *FILES, *BATCHES, *VECTOR_STORES, *RESPONSES, *DELETIONS)
