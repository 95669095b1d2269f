"""openai-agents, in a Python of its own: it wants another release of the official client than the rest of the tests.

`OWNGPT_AGENTS_PYTHON` names one in which `pip install openai-agents` was run.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.mcp_world import ADD, SAID, world
from tests.clients.scripted import WORLD, call, scripted_app
from tests.clients.serving import Serve

PYTHON = os.environ.get("OWNGPT_AGENTS_PYTHON", "")
SCRIPT = Path(__file__).parent / "python" / "agents_sdk.py"
RULES = (
    (r"<\|im_start\|>tool\n\{?.*assistant.*weather", "It is sunny."),
    (r"Please transfer me", call("transfer_to_weather")),
    (r"My name is Ann.*What is my name", "Ann."),
)


@pytest.mark.skipif(not PYTHON, reason="OWNGPT_AGENTS_PYTHON names no Python")
def test_agents(serve: Serve) -> None:
    server = serve(scripted_app(*RULES, *WORLD, otherwise="Hello!"))
    environment = {**os.environ, "OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": server.key}
    done = subprocess.run([PYTHON, SCRIPT], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "tool": "It is sunny in 東京.",
        "streamed": "It is sunny in 東京.",
        "kinds": ["agent_updated_stream_event", "raw_response_event", "run_item_stream_event"],
        "handed": ["weather", "It is sunny."],
        "book": {"title": "三四郎", "year": 1908},
        "thought": ["ReasoningItem", "MessageOutputItem"],
        "names": ["Ann.", "Ann.", "Ann."],
        "unstored": "It is sunny in 東京.",
    }


@pytest.mark.skipif(not PYTHON, reason="OWNGPT_AGENTS_PYTHON names no Python")
def test_mcp_servers(serve: Serve) -> None:
    script = SCRIPT.with_name("agents_mcp.py")
    with world(serve, SAID, ("here", call("add", a=1, b=2)), (".", ADD)) as w:
        environment = {
            **os.environ,
            "OPENAI_BASE_URL": str(w.client.base_url),
            "OPENAI_API_KEY": w.client.api_key,
            "MCP_URL": w.tool["server_url"],
        }
        done = subprocess.run([PYTHON, script], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == {
            "hosted": ["It is 3.", ["MCPListToolsItem", "ToolCallItem", "MessageOutputItem"]],
            "streamed": ["It is 3.", ["mcp_list_tools", "message_output_created", "tool_called"]],
            "approved": ["It is 3.", [["add", {"a": 1, "b": 2}]]],
            "own": "It is 3.",
        }
        assert w.calculator.added == [(1, 2)] * 4
