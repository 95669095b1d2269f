"""`llm` on the command line, with the server in its extra-openai-models.yaml. The model is scripted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("llm")

from tests.clients.serving import Running

SAID = "Hello 日本! 👋🏽"
WEATHER = 'def get_weather(city: str) -> str:\n    "The weather of a city."\n    return f"sunny in {city}"\n'
Run = Callable[..., str]


def models_file(url: str) -> str:
    """A chat model and a plain completion model; the key is `llm`'s key of the name `owngpt`."""
    common = f"  api_base: {url}\n  api_key_name: owngpt\n  model_name: fake\n"
    chat = f"- model_id: own\n{common}  supports_schema: true\n  supports_tools: true\n"
    return f"{chat}- model_id: own-text\n{common}  completion: true\n"


@pytest.fixture
def llm(scripted: Running, tmp_path: Path) -> Run:
    """Run `llm ARGUMENTS`; -> what it prints."""
    (tmp_path / "extra-openai-models.yaml").write_text(models_file(scripted.url))
    (tmp_path / "keys.json").write_text(json.dumps({"owngpt": scripted.key}))
    environment = {**os.environ, "LLM_USER_PATH": str(tmp_path), "PYTHONUTF8": "1"}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "llm", *arguments]
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_a_conversation(llm: Run) -> None:
    assert llm("-m", "own", "-s", "Be kind.", "Hi") == SAID
    assert llm("-c", "--no-stream", "And?", "-u") == SAID


def test_a_plain_completion(llm: Run) -> None:
    assert llm("-m", "own-text", "-o", "max_tokens", "5", "Say: ") == "Hello"


def test_a_schema(llm: Run) -> None:
    answer = llm("-m", "own", "--schema", "title, year int", "Who wrote it?")
    assert json.loads(answer) == {"title": "三四郎", "year": 1908}


def test_a_tool_of_the_users_own(llm: Run) -> None:
    assert llm("-m", "own", "--functions", WEATHER, "What is the weather?") == "It is sunny in 東京."
    logged = json.loads(llm("logs", "-n", "2", "--json"))
    assert "sunny in 東京" in json.dumps(logged, ensure_ascii=False)
