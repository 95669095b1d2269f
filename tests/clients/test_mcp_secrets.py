"""What MCP servers are told, and what stays here: secrets, personal data, and what has run."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import openai
import pytest

from owngpt.service.privacy import Policy
from tests.clients.mcp_world import ADD, World, kinds, world
from tests.clients.scripted import call
from tests.clients.serving import Serve
from tests.fakes.engine import engine_of
from tests.fakes.mcp_server import allow

SECRET = "top-secret-7431"


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("policy", [None, Policy("mask"), Policy("block")])
def test_secrets_reach_the_server_and_nothing_else(
    serve: Serve, policy: Policy | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = f"{SECRET}-alice@example.com"
    with world(serve, policy=policy) as w:
        url = f"{w.tool['server_url']}?key={SECRET}"
        tool = {"server_url": url, "authorization": token, "headers": {"X-Key": SECRET}}
        answers = [w.ask(tool=tool), *w.ask(tool=tool, stream=True)]
        queued = w.ask(tool=tool, background=True)
        while (ended := w.client.responses.retrieve(queued.id)).status in ("queued", "in_progress"):
            time.sleep(0.01)
        assert kinds(ended) == ["mcp_list_tools", "mcp_call", "message"]
        assert w.calculator.added == [(1, 2)] * 3
        heard = [headers for headers in w.heard.headers if "x-key" in headers]
        assert len(heard) == len(w.heard.headers)
        assert {(headers["authorization"], headers["x-key"]) for headers in heard} == {(f"Bearer {token}", SECRET)}
        shown = "".join(answer.model_dump_json() for answer in [*answers, queued, ended])
        assert SECRET not in shown
        assert f"{url.partition('/mcp')[0]}/<redacted>" in shown
        assert SECRET.encode() not in on_disk(w.app.settings.data_dir)
        assert SECRET not in "".join(record.getMessage() for record in caplog.records if "openai" not in record.name)


def test_what_waits_in_the_queue_is_sealed(serve: Serve) -> None:
    with world(serve) as w:
        engine_of(w.app).delay = 0.05
        queued = w.ask(tool={"authorization": SECRET}, background=True)
        assert SECRET.encode() not in on_disk(w.app.settings.data_dir)
        w.client.responses.cancel(queued.id)


MAIL = "zq-canary@example.com"


def mailing(w: World) -> list[str]:
    """Give the server a tool that takes and gives an address; -> what it was sent."""
    sent: list[str] = []

    def mail(address: str) -> str:
        sent.append(address)
        return f"Sent to {address}, copy to boss@example.org."

    w.calculator.server.tool()(mail)
    return sent


@pytest.mark.parametrize("restores", [True, False])
def test_the_model_reads_placeholders_of_what_servers_say(serve: Serve, restores: bool) -> None:
    rules = ((r"tool\n", "Mail went to <EMAIL_1> and <EMAIL_2>."), (".", call("calc__mail", address="<EMAIL_1>")))
    with world(serve, *rules, policy=Policy("mask", restore=restores)) as w:
        sent = mailing(w)
        response = w.ask(input=f"Write to {MAIL}")
        address, boss = (MAIL, "boss@example.org") if restores else ("<EMAIL_1>", "<EMAIL_2>")
        assert sent == [address]
        assert response.output[1].output == f"Sent to {address}, copy to {boss}."
        assert json.loads(response.output[1].arguments) == {"address": address}
        assert response.output_text == f"Mail went to {address} and {boss}."
        for prompt in w.prompts():
            assert "example" not in prompt.conversation, "the model reads none of it"
        assert "<EMAIL_2>" in w.prompts()[1].conversation
        stored = on_disk(w.app.settings.data_dir)
        assert MAIL.encode() not in stored
        assert b"boss@example.org" not in stored
        again = w.client.responses.retrieve(response.id)
        assert again.output[1] == response.output[1]


def test_a_policy_that_blocks_does_not_let_it_in(serve: Serve) -> None:
    rules = ((r"Error: The privacy policy of this project blocks", "I may not see it."), (".", call("calc__mail")))
    with world(serve, *rules, policy=Policy("block")) as w:
        w.calculator.server.tool(name="mail")(lambda: f"From {MAIL}")
        response = w.ask()
        assert response.output[1].status == "failed"
        assert "EMAIL" in response.output[1].error.message
        assert MAIL not in response.model_dump_json()
        assert response.output_text == "I may not see it."


def test_what_has_run_is_told_and_not_run_again(serve: Serve) -> None:
    """The official client sends a request again after a 500; the tool would then run again, too."""
    with world(serve) as w:
        engine = engine_of(w.app)
        engine.fail_after = len(engine.tokenizer.encode(ADD))
        engine.script = lambda submission: ADD if len(engine.submissions) == 1 else "word " * 100
        client = w.client.with_options(max_retries=2)
        response: Any = client.responses.create(model="fake", input="1 + 2?", tools=[w.tool])  # type: ignore[list-item]
        assert (response.status, response.error.code) == ("failed", "server_error")
        assert kinds(response)[:2] == ["mcp_list_tools", "mcp_call"]
        assert w.calculator.added == [(1, 2)]


def test_only_servers_that_the_operator_has_listed(serve: Serve) -> None:
    with world(serve) as w:
        allow(w.app)
        with pytest.raises(openai.BadRequestError, match=r"OWNGPT_MCP_SERVERS=http://127\.0\.0\.1:") as caught:
            w.ask()
        assert (caught.value.code, caught.value.param) == ("mcp_server_not_allowed", "tools[0].server_url")
        allow(w.app, "*")
        with pytest.raises(openai.BadRequestError, match="may not be reached from here"):
            w.ask()
        with pytest.raises(openai.APIStatusError, match="private address") as late:
            w.ask(tool={"server_url": "https://localhost:1/mcp"})
        assert late.value.status_code == 424
        assert w.heard.headers == []
