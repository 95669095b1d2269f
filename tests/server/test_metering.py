"""Usage equals what clients received: random requests, clients that leave, engines that fail, retries, all at once."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from owngpt.server.asgi import create_app
from owngpt.server.metrics import PrometheusMetrics
from owngpt.service.app import App
from owngpt.types import TokenEvent
from tests.fakes.engine import KEY, FakeEngine, Progress, Submission, engine_of, make_app
from tests.server.test_metrics import read

pytestmark = pytest.mark.anyio
FAIL_AFTER = 9  # tokens; a longer answer ends with an engine that dies
CHAT, COMPLETIONS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"


class CountingEngine(FakeEngine):
    """Notes how many tokens it has handed out, request by request."""

    async def _events(self, submission: Submission, progress: Progress) -> AsyncIterator[TokenEvent]:
        async for event in super()._events(submission, progress):
            handed_out[submission.request_id] += len(event.token_ids)
            yield event


handed_out: Counter[str] = Counter()


@dataclass
class Client:
    """One request, driven without a socket, so that what was handed to the connection is known to the token.

    An answer's token is one ASCII character. Having received `patience` of them, the client leaves.
    """

    path: str
    body: dict[str, Any]
    patience: int | None
    key: str = KEY
    status: int = 0
    request_id: str = ""
    num_received: int = 0
    usage: dict[str, Any] | None = None
    is_ended: bool = False
    has_left: asyncio.Event = field(default_factory=asyncio.Event)
    _has_sent: bool = False

    async def run(self, server: Any) -> Client:
        headers = [(b"authorization", b"Bearer " + self.key.encode()), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": self.path, "headers": headers, "query_string": b""}
        if self.patience == 0:
            asyncio.get_running_loop().call_soon(self.has_left.set)
        await server(scope, self.receive, self.send)
        return self

    async def receive(self) -> dict[str, Any]:
        if not self._has_sent:
            self._has_sent = True
            return {"type": "http.request", "body": json.dumps(self.body).encode()}
        await self.has_left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.request_id = dict(message["headers"])[b"x-request-id"].decode()
        elif self.body.get("stream") and self.status == 200:
            for line in message.get("body", b"").split(b"\n"):
                if line.startswith(b"data: "):
                    self.read(line.removeprefix(b"data: "))
        elif self.status == 200:
            self.read(message["body"])
            self.is_ended = True
        if self.patience is not None and self.num_received >= self.patience:
            self.has_left.set()

    def read(self, data: bytes) -> None:
        if data == b"[DONE]":
            self.is_ended = True
            return
        document = json.loads(data)
        if document.get("type") == "response.output_text.delta":
            self.num_received += len(document["delta"])
        document = document.get("response", document)  # the last event of a stream of /v1/responses holds all of it
        self.usage = document.get("usage") or self.usage
        if document.get("object") == "response" and not self.body.get("stream"):
            self.num_received = sum(len(part["text"]) for item in document["output"] for part in item["content"])
        for choice in document.get("choices", ()):
            self.num_received += len(self.text_of(choice))

    def text_of(self, choice: dict[str, Any]) -> str:
        if self.path == CHAT:
            return choice.get("delta", choice.get("message", {})).get("content") or ""
        text: str = choice["text"]
        prompts = self.body["prompt"] if isinstance(self.body["prompt"], list) else [self.body["prompt"]]
        prompt = prompts[choice["index"] // self.body["n"]]
        return text.removeprefix(prompt) if self.body["echo"] else text


def some_request(rng: random.Random) -> Client:
    """What real clients send, and how long they stay."""
    body: dict[str, Any] = {"model": rng.choice(["fake", "gpt-fake"]), "n": rng.randint(1, 3)}
    body |= {"stream": True, "stream_options": {"include_usage": True}} if rng.random() < 0.7 else {}
    body |= {"max_tokens": rng.randint(1, 12)} if rng.random() < 0.5 else {}
    body |= {"service_tier": rng.choice(["auto", "flex", "priority"])}
    patience = rng.choice([None, None, 0, 1, rng.randint(1, 12)])
    if rng.random() < 0.25:
        body = {key: value for key, value in body.items() if key in ("model", "stream", "service_tier")}
        return Client(RESPONSES, {**body, "input": f"Q{rng.randint(0, 99)}", "store": rng.random() < 0.3}, patience)
    if rng.random() < 0.5:
        text = "too long" * 40 if rng.random() < 0.1 else f"Q{rng.randint(0, 99)}"
        return Client(CHAT, {**body, "messages": [{"role": "user", "content": text}]}, patience)
    prompts = [f"P{rng.randint(0, 99)}" for _ in range(rng.randint(1, 3))]
    return Client(COMPLETIONS, {**body, "prompt": prompts, "echo": rng.random() < 0.4}, patience)


def some_app(seed: int) -> App:
    """An engine whose answers have 1 to 14 tokens; the longest ones it does not survive."""
    rng = random.Random(seed)
    app = make_app(lambda _: "x" * rng.randint(1, 14), capacity=400, fail_after=FAIL_AFTER, max_model_len=200)
    engine_of(app).__class__ = CountingEngine
    return app


def rows_of(app: App) -> dict[str, dict[str, Any]]:
    app.meter.flush().result()
    return {row["request_id"]: dict(row) for row in app.database.read("SELECT * FROM usage_events")}


@pytest.mark.parametrize("seed", range(4))
async def test_usage_is_what_was_received(seed: int) -> None:
    rng, app = random.Random(seed), some_app(seed)
    server = create_app(app)
    handed_out.clear()
    clients: list[Client] = []
    keys = {new.secret: new.key for new in (app.keys.create(project=name) for name in ("a", "b", "c"))}

    async def insist(request: Client) -> None:
        """Send it, and send it again where it failed: each time it is another request."""
        await asyncio.sleep(rng.random() * 0.05)
        key = rng.choice(list(keys))
        for _ in range(3):
            client = Client(request.path, request.body, request.patience, key)
            clients.append(client)
            if (await client.run(server)).is_ended:
                break

    await asyncio.gather(*(insist(some_request(rng)) for _ in range(60)))
    rows = rows_of(app)
    answered = [client for client in clients if client.request_id]
    assert len(answered) > 60
    for client in answered:
        row, owner = rows[client.request_id], keys[client.key]
        assert (row["project_id"], row["key_id"]) == (owner.project_id, owner.id)
        check(client, row)
    left_early = {name: row for name, row in rows.items() if name not in {client.request_id for client in answered}}
    assert all(row["output_tokens"] <= handed_out[name] for name, row in left_early.items())
    assert app.limits.room.remaining == app.limits.room.capacity
    assert isinstance(app.metrics, PrometheusMetrics)
    counted = read(app.metrics)
    assert counted["owngpt_completion_tokens_total", "fake"] == sum(row["output_tokens"] for row in rows.values())
    assert counted["owngpt_prompt_tokens_total", "fake"] == sum(row["input_tokens"] for row in rows.values())
    app.close()
    assert list((app.settings.data_dir / "metering").iterdir()) == []


def check(client: Client, row: dict[str, Any]) -> None:
    assert (row["model"], row["num_requests"]) == (client.body["model"], 1)
    if client.status == 400:
        assert (row["outcome"], row["input_tokens"], row["output_tokens"]) == ("rejected", 0, 0)
    elif client.body.get("stream") or client.is_ended:
        assert row["output_tokens"] == client.num_received, row
    else:  # a whole answer that was not sent: what the engine had said of it
        assert row["output_tokens"] <= handed_out[client.request_id]
    if client.is_ended and client.usage is not None:
        failed = ("error",) if client.path == RESPONSES else ()  # whose failed answers tell their usage, too
        assert row["outcome"] in ("stop", "length", "abort", *failed)  # it may leave with its last token
        usage = client.usage
        assert row["output_tokens"] == usage.get("completion_tokens", usage.get("output_tokens"))
        assert row["input_tokens"] == usage.get("prompt_tokens", usage.get("input_tokens"))


async def test_what_is_refused_at_the_door_is_no_usage() -> None:
    app = make_app(capacity=1)
    client = await Client(CHAT, {"messages": [{"role": "user", "content": "Hi"}], "n": 2}, None).run(create_app(app))
    assert (client.status, rows_of(app)) == (400, {})
    app.close()


async def test_a_request_that_is_refused_afterwards_counts_without_tokens() -> None:
    app = make_app(max_model_len=8)
    client = await Client(CHAT, {"messages": [{"role": "user", "content": "Hi"}]}, None).run(create_app(app))
    [row] = rows_of(app).values()
    assert (client.status, row["num_requests"], row["input_tokens"], row["outcome"]) == (400, 1, 0, "rejected")
    app.close()


async def test_embeddings_count_when_their_vectors_are_there() -> None:
    app = make_app()
    for texts in (["abc", "de"], ["x" * 100]):
        await Client("/v1/embeddings", {"input": texts, "model": "fake-embed"}, None).run(create_app(app))
    rows = sorted((row["kind"], row["outcome"], row["input_tokens"]) for row in rows_of(app).values())
    assert rows == [("embeddings", "rejected", 0), ("embeddings", "stop", 5)]
    app.close()
