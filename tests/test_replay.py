"""`owngpt replay`: the same answer again from its receipt, or what is not the same any more."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from owngpt.cli import main
from owngpt.kernels import library
from owngpt.service.app import App
from owngpt.service.receipts import Output
from owngpt.service.replay import Parting, partings
from owngpt.store.db import database_file
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import FinishReason
from tests.clients.serving import tiny_app, tiny_checkpoint
from tests.fakes.engine import CHATML, KEY, client_of
from tests.fakes.text import byte_tokenizer

MESSAGES = [{"role": "user", "content": "Hi 日本"}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
SHAPE = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}
HAS_KERNELS = library.chosen() is not None  # PyTorch's last bits depend on what else is in a step
CHATS: dict[str, dict[str, Any]] = {
    "sampled": {"temperature": 1.3, "top_p": 0.9, "frequency_penalty": 0.5, "logit_bias": {"65": 3}},
    "greedy with log-probabilities": {"temperature": 0, "logprobs": True, "top_logprobs": 5},
    "several choices": {"n": 3, "seed": 7, "logprobs": HAS_KERNELS},
    "a schema": {"response_format": SHAPE, "reasoning_effort": "none"},
    "a thought": {"reasoning_effort": "minimal", "stop": ["x"]},
    "a stream": {"stream": True},
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint of one's own, to change."""
    return Path(shutil.copytree(checkpoint, tmp_path / "tiny"))


@pytest.fixture
def app(folder: Path, tmp_path: Path) -> Iterator[App]:
    """A server that goes on running while its answers are replayed."""
    opened = tiny_app(folder, tmp_path)
    yield opened
    opened.close()


def stored(app: App, path: str = "/v1/chat/completions", **body: Any) -> str:
    """The id of an answer that left a receipt."""
    body = {"store": True, "max_tokens": 24, **({} if "prompt" in body else {"messages": MESSAGES}), **body}

    async def ask() -> httpx.Response:
        async with client_of(app, KEY) as client:
            return await client.post(path, json=body)

    response = asyncio.run(ask())
    assert response.status_code == 200, response.text
    return response.headers["x-owngpt-receipt"]


def replay(app: App, *arguments: str) -> Result:
    folder = app.settings.models[0]
    given = ["--data-dir", str(app.settings.data_dir), "--model", folder, "--threads", "1"]
    return CliRunner().invoke(main, ["replay", *arguments, *given], env={"OWNGPT_KV_MEMORY": "8MiB"})


@pytest.mark.parametrize("body", CHATS.values(), ids=CHATS.keys())
def test_the_same_answer_again_beside_the_running_server(app: App, body: dict[str, Any]) -> None:
    result = replay(app, stored(app, **body))
    assert result.exit_code == 0, result.output
    assert re.search(r"^identical: \d choices?, \d+ tokens", result.stdout, re.MULTILINE)
    assert "differs" not in result.stdout


def test_several_prompts_with_their_own_seeds(app: App) -> None:
    result = replay(app, stored(app, "/v1/completions", prompt=["ab", "ab", "cd"], n=2))
    assert result.exit_code == 0, result.output
    assert "identical: 6 choices, " in result.stdout


@pytest.mark.parametrize("mode", ["line", "raw"])
def test_code_that_was_completed_is_replayed_as_far_as_it_was_needed(app: App, mode: str) -> None:
    """Also the token that was taken back from the end of the prompt, and chosen again."""
    body = {"prompt": "def f(x):\n    retu", "suffix": "\n", "mode": mode}
    result = replay(app, stored(app, "/v1/fim/completions", **body))
    assert result.exit_code == 0, result.output
    assert "differs" not in result.output


@pytest.mark.skipif(not HAS_KERNELS, reason="the native kernels are not built")
def test_what_was_said_among_others_is_said_again_alone_bit_for_bit(app: App) -> None:
    async def ask_all() -> list[httpx.Response]:
        async with client_of(app, KEY) as client:
            bodies = ({"messages": MESSAGES, "store": True, "max_tokens": 8 + i, "logprobs": True} for i in range(12))
            return await asyncio.gather(*[client.post("/v1/chat/completions", json=body) for body in bodies])

    for response in asyncio.run(ask_all())[::4]:
        result = replay(app, response.headers["x-owngpt-receipt"])
        assert (result.exit_code, "tokens with their log-probabilities" in result.stdout) == (0, True), result.output


def test_what_has_changed_is_named(app: App, folder: Path) -> None:
    """Defaults that a checkpoint recommends, and its template: the tokens are made of what the receipt holds."""
    receipt_id = stored(app, seed=1)
    (folder / "generation_config.json").write_text('{"temperature": 0.25}')
    (folder / "chat_template.jinja").write_text(CHATML.replace("assistant", "robot"))
    result = replay(app, receipt_id)
    assert result.exit_code == 0
    assert "parameter temperature differs\n  then: 1.0\n  now:  0.25" in result.stdout
    assert "template differs" in result.stdout
    assert re.search(r"prompt from token \d+ on differs\n  then: .*'a' .*\n  now:  .*'r' ", result.stdout)
    assert "identical" in result.stdout


def test_other_weights_say_something_else(app: App, folder: Path) -> None:
    receipt_id = stored(app, temperature=0)
    with (folder / "model.safetensors").open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(size - size // 4)
        file.write(b"\x3e" * (size // 4))
    result = replay(app, receipt_id)
    assert result.exit_code == 1
    assert "weights differs" in result.stdout
    assert re.search(r"choice 0 differs from token 0 on\n  then: '', then '.*' \(id \d+\)\n  now: ", result.stdout)


def test_another_number_format_is_named(app: App) -> None:
    result = replay(app, stored(app, temperature=0), "--dtype", "bf16")
    assert "dtype differs\n  then: fp32\n  now:  bf16" in result.stdout
    assert "numerics differs" in result.stdout


def test_less_room_than_there_was_is_named(app: App) -> None:
    receipt_id = stored(app, max_tokens=None, stop=["\x00"])
    given = ["--data-dir", str(app.settings.data_dir), "--model", app.settings.models[0], "--threads", "1"]
    result = CliRunner().invoke(main, ["replay", receipt_id, *given], env={"OWNGPT_KV_MEMORY": "600KiB"})
    assert re.search(r"max_model_len differs\n  then: \d+\n  now:  \d+", result.stdout)


def test_a_request_that_is_refused_today(app: App, folder: Path) -> None:
    receipt_id = stored(app)
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no') }}")
    result = replay(app, receipt_id)
    assert result.exit_code == 0
    assert "request differs\n  then: taken\n  now:  refused: " in result.stdout


def test_a_receipt_that_was_altered(app: App) -> None:
    receipt_id = stored(app)
    inputs = app.database.read("SELECT inputs FROM receipts")[0]["inputs"]
    with app.database.write() as transaction:
        altered = json.dumps({**json.loads(inputs), "max_model_len": 7})
        transaction.execute("UPDATE receipts SET inputs = ?", (altered,))
    result = replay(app, receipt_id)
    assert result.exit_code == 1
    assert "the receipt has been altered" in result.stdout


@pytest.mark.parametrize("outputs", ["[", '[{"words": 1}]', '[{"finish_reason": "bored"}]', "[1]"])
def test_a_receipt_of_another_version_cannot_be_replayed(app: App, outputs: str) -> None:
    """Exit status 1 would say that the answer is another one."""
    receipt_id = stored(app)
    with app.database.write() as transaction:
        transaction.execute("UPDATE receipts SET outputs = ?", (outputs,))
    result = replay(app, receipt_id)
    assert result.exit_code == 2
    assert f"the receipt of {receipt_id} cannot be read" in result.stderr


def test_an_answer_that_was_cut_is_compared_as_far_as_it_came(app: App) -> None:
    receipt_id = stored(app, logprobs=True)
    [outputs] = app.database.read("SELECT outputs FROM receipts")
    [output] = json.loads(outputs["outputs"])
    cut = {**output, "token_ids": output["token_ids"][:5], "logprobs": output["logprobs"][:5], "finish_reason": None}
    with app.database.write() as transaction:
        transaction.execute("UPDATE receipts SET outputs = ?", (json.dumps([cut]),))
    result = replay(app, receipt_id)
    assert result.exit_code == 0
    assert "identical: 1 choice, 5 tokens with their log-probabilities, as far as they were delivered" in result.stdout


def test_what_cannot_be_replayed_here(app: App, tmp_path: Path) -> None:
    missing = replay(app, "chatcmpl-0")
    assert (missing.exit_code, "there is no receipt of 'chatcmpl-0'" in missing.output) == (2, True)
    receipt_id = stored(app)
    elsewhere = ["replay", receipt_id, "--data-dir"]
    unlisted = CliRunner().invoke(main, [*elsewhere, str(tmp_path)])
    assert (unlisted.exit_code, "'tiny' is not among those of the settings: garlic" in unlisted.output) == (2, True)
    empty = CliRunner().invoke(main, [*elsewhere, str(tmp_path / "nothing")])
    assert (empty.exit_code, "unable to open" in empty.output) == (2, True)


def test_looking_leaves_no_trace(app: App) -> None:
    receipt_id = stored(app)
    with sqlite3.connect(database_file(app.settings.data_dir)) as connection:
        before = connection.execute("PRAGMA data_version").fetchone()
        replay(app, receipt_id)
        assert connection.execute("PRAGMA data_version").fetchone() == before
    connection.close()


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return byte_tokenizer(tmp_path_factory.mktemp("tokenizer"))


END = FinishReason.STOP


@pytest.mark.parametrize(
    ("then", "now", "parting"),
    [
        (Output(b"abc", None, None, END), Output(b"abc", None, None, END), None),
        (
            Output(b"abc", None, None, END),
            Output(b"abd", None, None, END),
            Parting(0, 2, "'ab', then 'c' (id 99)", "'ab', then 'd' (id 100)"),
        ),
        (
            Output(b"ab", None, None, END),
            Output(b"a", None, None, END),
            Parting(0, 1, "'a', then 'b' (id 98)", "'a', then the end"),
        ),
        (
            Output(b"a", [0.5], "x", END),
            Output(b"a", [0.5 + 2**-53], "y", END),
            Parting(0, 0, "log-probability 0x1.0000000000000p-1", "log-probability 0x1.0000000000001p-1"),
        ),
        (
            Output(b"a", [0.5], "x", END),
            Output(b"a", [0.5], "y", END),
            Parting(0, 0, "alternatives or prompt with other log-probabilities", ""),
        ),
        (
            Output(b"a", None, None, END),
            Output(b"a", None, None, FinishReason.LENGTH),
            Parting(0, 1, "finish reason stop", "finish reason length"),
        ),
        (Output(b"a", [0.5], "x", None), Output(b"ab", [0.5, 1.0], "y", END), None),
    ],
)
def test_where_two_answers_part(tokenizer: Tokenizer, then: Output, now: Output, parting: Parting | None) -> None:
    assert partings([then], [now], tokenizer) == ([parting] if parting else [])
