"""A model behind the OpenAI API is measured like one that is loaded here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from owngpt.cli.eval_local import LocalCompleter
from owngpt.cli.eval_remote import RemoteCompleter, remote_completer
from owngpt.errors import ConfigError
from owngpt.evals.completer import Completer, Unable, answer_all
from owngpt.evals.task import Answer, Item, Task, mean
from owngpt.types import Message
from tests.clients.serving import running, tiny_app, tiny_checkpoint

TASK = Task("any", "", "", (mean("-", lambda item, answer: 0.0),), {}, lambda _: (), max_tokens=8, stop=("\n",))
ASKED = [
    Item("chat", (Message("user", "Say something."),)),
    Item("text", text="def f(x):\n    return"),
    Item("pair", choices=("The cat sleeps.", "猫が寝る。")),
    Item("continued", text="Once upon", choices=(" a time", " the")),
]


def answers(completer: Completer) -> list[Answer]:
    return asyncio.run(answer_all(completer, TASK, ASKED))


def test_our_server_answers_as_the_model_does_in_process(tmp_path: Path) -> None:
    app = tiny_app(tiny_checkpoint(tmp_path / "tiny"), tmp_path / "data")
    with running(app) as server:
        local = answers(LocalCompleter(app.models.generator("tiny")))
        remote = answers(RemoteCompleter("tiny", server.url, server.key))
    assert [one.text for one in remote] == [one.text for one in local]
    for mine, theirs in zip(local, remote, strict=True):
        assert theirs.scores == pytest.approx(mine.scores, abs=1e-3)


@pytest.fixture
def upstream() -> Iterator[tuple[str, dict[str, Any]]]:
    """A server that says what the test puts into its table, by path."""
    table: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            table["asked"] = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, body = table[self.path]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", table
    server.shutdown()
    thread.join()
    server.server_close()


def test_choices_of_a_chat_are_weighed_by_the_first_token(upstream: tuple[str, dict[str, Any]]) -> None:
    url, table = upstream
    top = [{"token": "Yes", "logprob": -0.1}, {"token": " No", "logprob": -2.0}, {"token": "Well", "logprob": -5.0}]
    table["/chat/completions"] = 200, {"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]}
    item = Item("1", (Message("user", "Is it?"),), choices=("No", "Yes", "Never"))
    (answer,) = asyncio.run(answer_all(RemoteCompleter("gpt", url), TASK, [item]))
    assert answer.scores == (-2.0, -0.1, -5.0)
    assert table["asked"]["model"] == "gpt"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, {"choices": [{"text": "x", "logprobs": None}]}, "no log-probabilities of a prompt"),
        (404, {"error": {"message": "This is a chat model."}}, "This is a chat model"),
    ],
)
def test_what_an_upstream_cannot_do_is_said(
    upstream: tuple[str, dict[str, Any]], status: int, body: dict[str, Any], said: str
) -> None:
    url, table = upstream
    table["/completions"] = status, body
    with pytest.raises(Unable, match=said):
        asyncio.run(answer_all(RemoteCompleter("gpt", url), TASK, [Item("1", choices=("a",))]))


def test_a_server_needs_the_name_of_a_model() -> None:
    with pytest.raises(ConfigError, match="--base-url needs --model"):
        remote_completer(None, "http://localhost/v1", "")
