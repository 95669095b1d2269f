"""Codex CLI does a task: it reads the model's call, runs the command, and sends back what it printed.

It weighs 400 MB: `OWNGPT_CODEX` names its program, for example after `npm install @openai/codex`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.scripted import call, scripted_app
from tests.clients.serving import Serve

CODEX = os.environ.get("OWNGPT_CODEX", "")
CONFIG = """
model = "fake"
model_provider = "owngpt"
[model_providers.owngpt]
name = "owngpt"
base_url = "{url}"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
"""
RULES = (
    (r"<\|im_start\|>tool\n.*hello from here", "The file says hello."),
    (r'"name": ?"exec_command"', call("exec_command", cmd="cat note.txt")),
)


@pytest.mark.skipif(not CODEX, reason="OWNGPT_CODEX names no program")
def test_a_task_with_a_command(serve: Serve, tmp_path: Path) -> None:
    server = serve(scripted_app(*RULES, otherwise="There is no tool.", max_model_len=200_000))
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (home / "config.toml").write_text(CONFIG.format(url=server.url))
    (work / "note.txt").write_text("hello from here\n")
    command = [CODEX, "exec", "--skip-git-repo-check", "--json", "--dangerously-bypass-approvals-and-sandbox"]
    done = subprocess.run(
        [*command, "What does note.txt say?"],
        cwd=work,
        env={**os.environ, "CODEX_HOME": str(home), "OPENAI_API_KEY": server.key},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    assert [item["aggregated_output"] for item in items if item["type"] == "command_execution"] == ["hello from here\n"]
    assert [item["text"] for item in items if item["type"] == "agent_message"] == ["The file says hello."]
    assert events[-1]["type"] == "turn.completed"
