"""The official npm client and Vercel's AI SDK: the scripts in `node/` do the asserting.

The model is scripted where words or the right tool are asked for; a real engine makes the objects of a schema.
"""

from __future__ import annotations

from time import monotonic, sleep

import pytest

from tests.clients.mcp_world import world
from tests.clients.npm import run_script
from tests.clients.serving import Running, Serve
from tests.fakes.engine import engine_of

pytestmark = pytest.mark.usefixtures("npm_clients")
SAID = "Hello 日本! 👋🏽"


def test_openai_chats_streams_parses_and_runs_tools(scripted: Running) -> None:
    result = run_script("openai-chat.mjs", scripted)
    assert result == {"text": SAID, "asked": ["東京"], "tokens": len(SAID.encode())}
    until = monotonic() + 5
    while engine_of(scripted.app).num_running and monotonic() < until:
        sleep(0.01)
    assert engine_of(scripted.app).num_running == 0, "a stream that was left still runs"


def test_openai_does_the_rest(scripted: Running) -> None:
    result = run_script("openai-rest.mjs", scripted)
    assert result["models"] == ["fake", "fake-embed", "gpt-fake"]
    assert result["errors"] == {
        "NotFoundError": {"status": 404, "code": "model_not_found", "param": "model"},
        "BadRequestError": {"status": 400, "code": "array_below_min_length", "param": "messages"},
        "AuthenticationError": {"status": 401, "code": "invalid_api_key", "param": None},
    }


@pytest.mark.parametrize("provider", ["openai", "openai-compatible", "openai-responses"])
def test_ai_sdk(scripted: Running, provider: str) -> None:
    result = run_script("ai-sdk.mjs", scripted, PROVIDER=provider, AI_SDK_LOG_WARNINGS="false")
    assert result == {"text": SAID, "steps": 2, "dimensions": 8}


def test_ai_sdk_gets_its_objects_from_a_real_engine(tiny: Running) -> None:
    """The model is random; the schema says what it may say."""
    assert run_script("ai-sdk-objects.mjs", tiny)["count"] == 4


def test_ai_sdk_uses_an_mcp_server(serve: Serve) -> None:
    with world(serve) as w:
        server = Running(w.app, str(w.client.base_url).rstrip("/"), w.client.api_key)
        run_script("ai-sdk-mcp.mjs", server, MCP_URL=w.tool["server_url"], AI_SDK_LOG_WARNINGS="false")
        assert w.calculator.added == [(1, 2)] * 3
