"""Code completion through the clients that editors have: Continue's own adapter, and Mistral's official SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any

import httpx
import pytest

from tests.clients.npm import run_script
from tests.clients.serving import Running, running
from tests.fakes.engine import Submission, engine_of, make_app

BLOCK = "if x:\n        return 1\n    return 2"


def said(submission: Submission) -> str:
    prompt = bytes(i for i in submission.prompt if i < 256).decode()
    if "slow" in prompt:
        return "x" * 20_000
    return "x + 1\n\ndef h():\n" if prompt.endswith("return") else f"{BLOCK}\n\ndef h():\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(make_app(said, delay=0.0005)) as server:
        yield server


@pytest.mark.usefixtures("npm_clients")
def test_continue_streams_and_aborts(server: Running) -> None:
    assert run_script("continue-fim.mjs", server) == {"line": "x + 1", "block": BLOCK, "aborted": ""}
    engine, until = engine_of(server.app), monotonic() + 5
    while engine.num_running and monotonic() < until:
        sleep(0.01)
    assert engine.num_running == 0, "a completion that was aborted still runs"
    assert len(engine.aborted) == len(engine.submissions) == 3, "each was left where it ended, one by its client"


@pytest.fixture
def mistral(server: Running) -> Iterator[Any]:
    client = pytest.importorskip("mistralai.client")
    with client.Mistral(api_key=server.key, server_url=server.url.removesuffix("/v1")) as mistral:
        yield mistral


def test_mistrals_sdk_reads_a_whole_answer(mistral: Any) -> None:
    answer = mistral.fim.complete(
        model="fake",
        prompt="def f(x):\n    return ",
        suffix="\n",
        temperature=0,
        max_tokens=20,
        random_seed=1,
        min_tokens=0,
        stop=["END"],
    )
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("x + 1", "stop")
    assert answer.usage.total_tokens > 0


def test_mistrals_sdk_reads_a_stream(mistral: Any) -> None:
    with mistral.fim.stream(model="fake", prompt="def f(x):\n    ", suffix="\n") as events:
        chunks = [event.data for event in events]
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == BLOCK
    assert (chunks[-1].choices[0].finish_reason, chunks[-1].usage.completion_tokens > 0) == ("stop", True)


def test_the_cache_knows_what_was_there_before_the_next_character(tiny: Running) -> None:
    """A real engine: what is typed only adds to the prompt, and an answer is the same whole, streamed and cached."""
    with httpx.Client(base_url=tiny.url, headers={"authorization": f"Bearer {tiny.key}"}) as client:
        body = {"prompt": "def f(x):\n    ret", "suffix": "\n" + "y = 1\n" * 40, "mode": "raw", "max_tokens": 8}
        first, again = (client.post("fim/completions", json=body).json() for _ in range(2))
        typed = client.post("fim/completions", json={**body, "prompt": body["prompt"] + "u"}).json()
        streamed = client.post("fim/completions", json={**body, "stream": True}).text
    assert again["choices"] == first["choices"]
    assert text_of(streamed) == first["choices"][0]["message"]["content"]
    prompt, cached = (typed["usage"]["prompt_tokens"], typed["usage"]["prompt_tokens_details"]["cached_tokens"])
    assert prompt > 250
    assert prompt - cached <= 16, "a block at most is read anew"


def text_of(stream: str) -> str:
    """What a stream of events says."""
    events = [line.removeprefix("data: ") for line in stream.split("\n\n") if line.startswith("data: {")]
    return "".join(json.loads(event)["choices"][0]["delta"]["content"] for event in events)
