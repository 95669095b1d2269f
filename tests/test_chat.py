"""`owngpt chat`, against an application in this process whose engine follows a script."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from owngpt.cli import chat
from owngpt.cli.answers import Answers, AppAnswers, ServerAnswers, deltas
from owngpt.cli.remote import AnswerFailed
from owngpt.server.asgi import create_app
from tests.fakes.engine import KEY, FakeEngine, engine_of, make_app


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


def answers_of(portal: BlockingPortal, key: str = KEY, **engine: Any) -> tuple[Answers, FakeEngine]:
    app = make_app("Hello, 世界!", **engine)
    return AppAnswers(create_app(app), portal, key), engine_of(app)


def question(text: str = "hi") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "stream": True}


def test_an_answer_streams(portal: BlockingPortal) -> None:
    answers, _ = answers_of(portal)
    with answers.lines(question()) as lines:
        texts = [delta.text for delta in deltas(lines)]
    assert "".join(texts) == "Hello, 世界!"
    assert len(texts) > 1


def test_leaving_early_stops_the_engine(portal: BlockingPortal) -> None:
    answers, engine = answers_of(portal, delay=0.01)
    with answers.lines(question()) as lines:
        next(deltas(lines))
        assert engine.num_running == 1
    assert engine.num_running == 0
    assert len(engine.aborted) == 1


def test_a_refusal_is_its_message(portal: BlockingPortal) -> None:
    answers, _ = answers_of(portal, key="sk-own-wrong-wrong-wrong")
    with pytest.raises(AnswerFailed, match="Incorrect API key provided"), answers.lines(question()) as lines:
        next(lines)


def test_an_engine_that_dies_is_a_message(portal: BlockingPortal) -> None:
    answers, _ = answers_of(portal, fail_after=2)
    with pytest.raises(AnswerFailed, match="the engine died"), answers.lines(question()) as lines:
        list(deltas(lines))


def test_thinking_is_told_apart() -> None:
    chunks = [{"reasoning_content": "hm"}, {"content": "Yes"}, {}]
    lines = [b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n" for delta in chunks]
    assert list(deltas(iter([*lines, b"\n", b"data: [DONE]\n"]))) == [("hm", True), ("Yes", False)]


class Scripted:
    """Notes what it is asked, and answers with the number of messages so far."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    @contextmanager
    def lines(self, request: dict[str, Any]) -> Iterator[Iterator[bytes]]:
        contents = [message["content"] for message in request["messages"]]
        if contents[-1] == "fail":
            raise AnswerFailed("no")
        self.asked.append(contents)
        yield self._answer(f"answer {len(self.asked)}", "stop" in contents)

    def _answer(self, text: str, is_stopped: bool) -> Iterator[bytes]:
        for piece in text.split():
            yield b"data: " + json.dumps({"choices": [{"delta": {"content": piece}}]}).encode()
            if is_stopped:
                raise KeyboardInterrupt


def talk(*questions: str) -> list[list[str]]:
    scripted, waiting = Scripted(), iter(questions)
    chat.converse(scripted, {}, [{"role": "system", "content": "be kind"}], lambda: next(waiting, None))
    return scripted.asked


def test_a_conversation_is_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    assert talk("one\n", "  \n", "two\n", "/exit\n", "three\n") == [
        ["be kind", "one"],
        ["be kind", "one", "answer1", "two"],
    ]
    assert capsys.readouterr().out == "answer1\nanswer2\n"


def test_a_conversation_can_start_over() -> None:
    assert talk("one\n", "/clear\n", "two\n")[1] == ["be kind", "two"]


def test_a_model_cannot_send_commands_to_the_terminal() -> None:
    assert chat.without_controls("a\x1b]0;title\x07b\x9b31m\r\tc\n日本") == "a]0;titleb31m\tc\n日本"


def test_ctrl_c_stops_an_answer_and_keeps_what_came(capsys: pytest.CaptureFixture[str]) -> None:
    assert talk("stop", "two")[1] == ["be kind", "stop", "answer", "two"]
    assert "[stopped]" in capsys.readouterr().err


def test_a_failed_question_is_taken_back_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", terminal)
    assert talk("fail", "two") == [["be kind", "two"]]


def test_a_failed_question_in_a_script_ends_it() -> None:
    with pytest.raises(AnswerFailed, match="no"):
        talk("fail", "two")


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:9/v1", "nonsense"])
def test_a_server_that_is_not_there_is_a_message(base_url: str) -> None:
    with pytest.raises(AnswerFailed, match="cannot talk to"), ServerAnswers(base_url, KEY).lines(question()) as lines:
        next(lines)
