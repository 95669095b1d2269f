"""Searches with the official Python SDK, which validates every field."""

from __future__ import annotations

from openai import OpenAI

from tests.clients.serving import Serve
from tests.server.test_search import open_shop


def test_search(serve: Serve) -> None:
    shop = open_shop(embedder=True)
    server = serve(shop.app)
    with OpenAI(base_url=server.url, api_key=server.key, _strict_response_validation=True, max_retries=0) as client:
        page = client.vector_stores.search(
            shop.store,
            query=["How is sick leave taken?", "travel"],
            rewrite_query=True,
            max_num_results=2,
            filters={"type": "or", "filters": [{"type": "in", "key": "year", "value": [2020, 2026]}]},
            ranking_options={"ranker": "default-2024-11-15", "score_threshold": 0.01},
        )
    assert [(result.file_id, result.content[0].text) for result in page] == [
        ("file-travel", "Book travel, also during leave, in Concur."),
        ("file-leave", "Sick leave needs a note."),
    ]
