"""An answer whose request says `store` leaves a receipt of all that it followed from; others do where it is so set."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from owngpt.service.app import App
from owngpt.service.receipts import Inputs, read_outputs
from owngpt.store.receipts import Receipt, Receipts
from owngpt.types import FinishReason
from tests.fakes.engine import FINGERPRINT, client_of, engine_of, make_app

pytestmark = pytest.mark.anyio

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}
CHATS, COMPLETIONS = "/v1/chat/completions", "/v1/completions"


async def post(app: App, path: str = CHATS, key: str | None = None, **body: Any) -> httpx.Response:
    async with client_of(app, key) if key else client_of(app) as client:
        return await client.post(path, json=({} if path == COMPLETIONS else CHAT) | body)


def kept(app: App) -> list[Receipt]:
    return Receipts(app.database).list()


def only(app: App) -> Receipt:
    [receipt] = kept(app)
    return receipt


async def test_a_receipt_says_what_the_answer_followed_from() -> None:
    app, sent = make_app("Hello!"), {"store": True, "temperature": 0.5, "stop": "x", "metadata": {"a": "b"}}
    response = await post(app, **sent)
    receipt, answer = only(app), response.json()
    assert response.headers["x-owngpt-receipt"] == receipt.id == answer["id"]
    assert (receipt.created_at, receipt.operation, receipt.model) == (answer["created"], "chat", "fake")
    assert json.loads(receipt.request) == CHAT | sent
    inputs, asked = Inputs.read(receipt.inputs), engine_of(app).submissions[-1]
    assert inputs.fingerprint == FINGERPRINT
    assert inputs.prompts == [asked.prompt]
    assert replace(inputs.sampling, seed=inputs.seeds[0]) == asked.sampling
    assert inputs.max_model_len == 4096
    assert inputs.write() == receipt.inputs
    assert hashlib.sha256(receipt.inputs.encode()).hexdigest() == receipt.digest
    [output] = read_outputs(receipt.outputs)
    assert (bytes(output.token_ids), output.logprobs, output.finish_reason) == (b"Hello!", None, FinishReason.STOP)


@pytest.mark.parametrize("stream", [False, True])
async def test_equal_inputs_have_equal_digests_whole_or_streamed(stream: bool) -> None:
    app = make_app()
    for seed in (1, 1, 2):
        await post(app, store=True, seed=seed, stream=stream)
    first, second, third = sorted(kept(app), key=lambda receipt: json.loads(receipt.request)["seed"])
    assert first.digest == second.digest != third.digest
    assert first.outputs == second.outputs


async def test_a_seed_is_drawn_where_none_is_named_one_for_each_prompt() -> None:
    app = make_app()
    await post(app, COMPLETIONS, prompt=["a", "a"], store=True)
    seeds = Inputs.read(only(app).inputs).seeds
    assert len(set(seeds)) == 2
    assert {submission.sampling.seed for submission in engine_of(app).submissions} == set(seeds)


async def test_nothing_is_kept_unless_asked() -> None:
    app = make_app()
    for body in ({}, {"store": False}, {"store": None}):
        response = await post(app, **body)
        assert "x-owngpt-receipt" not in response.headers
    assert kept(app) == []
    assert engine_of(app).submissions[-1].sampling.seed is None


@pytest.mark.parametrize("path", [CHATS, COMPLETIONS])
async def test_a_server_may_keep_all_or_nothing(path: str) -> None:
    app, prompt = make_app(), {"prompt": "a"} if path == COMPLETIONS else {}
    app.settings = replace(app.settings, store="all")
    await post(app, path, store=False, **prompt)
    assert len(kept(app)) == 1
    app.settings = replace(app.settings, store="never")
    await post(app, path, **prompt)
    refused = await post(app, path, store=True, **prompt)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "store")
    assert len(kept(app)) == 1


async def test_every_bit_of_every_log_probability_counts() -> None:
    app = make_app("ab")
    for top in (1, 1, 2):
        await post(app, COMPLETIONS, prompt="xy", store=True, logprobs=top, echo=True, n=2)
    outputs = sorted((read_outputs(receipt.outputs) for receipt in kept(app)), key=lambda o: o[0].logprobs_digest or "")
    assert all(len(choices) == 2 and choices[0].logprobs == [-0.5, -0.5] for choices in outputs)
    assert len({choices[0].logprobs_digest for choices in outputs}) == 2


async def test_a_client_that_leaves_has_a_receipt_of_what_it_got() -> None:
    app = make_app("0123456789" * 100, delay=0.001)
    async with client_of(app) as client:
        task = asyncio.create_task(client.post(CHATS, json=CHAT | {"store": True, "stream": True}))
        while not engine_of(app).num_running:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    app.receipts.close()
    [output] = read_outputs(only(app).outputs)
    assert 0 < len(output.token_ids) < 1000
    assert output.finish_reason is None


async def test_a_request_that_is_refused_leaves_nothing() -> None:
    app = make_app(max_model_len=4)
    assert (await post(app, store=True)).status_code == 400
    app.receipts.close()
    assert kept(app) == []


async def test_a_failure_is_kept_as_far_as_it_came() -> None:
    app = make_app("Hello!", fail_after=3)
    assert (await post(app, store=True)).status_code == 500
    app.receipts.close()
    assert len(read_outputs(only(app).outputs)[0].token_ids) == 3


@contextmanager
def full_disk(app: App) -> Iterator[None]:
    """Nothing can be inserted any more."""
    with app.database.write() as transaction:
        transaction.execute("CREATE TRIGGER full BEFORE INSERT ON receipts BEGIN SELECT RAISE(ABORT, 'full'); END")
    yield


async def test_what_cannot_be_kept_is_not_acknowledged() -> None:
    app = make_app("Hello!")
    with full_disk(app):
        assert (await post(app, store=True)).status_code == 503
        streamed = await post(app, store=True, stream=True)
    assert "[DONE]" not in streamed.text
    assert "receipt could not be written" in streamed.text
    assert (await post(app)).status_code == 200


async def test_those_that_wait_together_share_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    app, commits = make_app(), list[list[Receipt]]()
    add = Receipts.add

    def counted(self: Receipts, receipts: Any) -> None:
        commits.append(list(receipts))
        add(self, commits[-1])

    monkeypatch.setattr(Receipts, "add", counted)
    with app.database.write():  # the writer has to wait
        answers = [asyncio.create_task(post(app, store=True)) for _ in range(20)]
        while sum(map(len, commits)) + app.receipts.num_waiting < 20:
            await asyncio.sleep(0.01)
    assert {answer.status_code for answer in await asyncio.gather(*answers)} == {200}
    assert len(commits) == 2, "those of the writer's first look, and the rest"
    assert len(kept(app)) == 20


async def test_old_receipts_go_at_the_start_and_while_others_come() -> None:
    app = make_app()
    await post(app, store=True)
    young, old = only(app), replace(only(app), id="chatcmpl-old", created_at=1)
    Receipts(app.database).add([old])
    app = replace(app, settings=replace(app.settings, store_days=30))
    assert kept(app) == [young]
    Receipts(app.database).add([old])
    await post(app, store=True)
    app.receipts.close()
    assert old not in kept(app)


async def test_projects_do_not_share_receipts() -> None:
    app = make_app()
    for project in ("one", "two"):
        await post(app, key=app.keys.create("k", project=project).secret, store=True)
    one, two = kept(app)
    assert one.project_id != two.project_id
    assert Receipts(app.database).list(one.project_id) == [one]
