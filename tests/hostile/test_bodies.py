"""Bodies that are wrong, huge or sly. Each gets a clear answer, and a stream beside it notices nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.hostile.bystander import undisturbed
from tests.hostile.checkpoints import VOCAB_SIZE
from tests.hostile.serving import Process
from tests.hostile.shape import check_error

pytestmark = pytest.mark.anyio
MIB = 1024**2
CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"


def chat(content: Any = "hi", **fields: Any) -> dict[str, Any]:
    return {"model": "tiny", "messages": [{"role": "user", "content": content}], "max_tokens": 2, **fields}


def text(prompt: Any = "hi", **fields: Any) -> dict[str, Any]:
    return {"model": "tiny", "prompt": prompt, "max_tokens": 2, **fields}


def embed(input_: Any) -> dict[str, Any]:
    return {"model": "tiny-embed", "input": input_}


BAD_VALUES = {
    "a huge n": (COMPLETIONS, text(n=10**12), "n"),
    "n of 0": (CHAT, chat(n=0), "n"),
    "a token that does not exist": (COMPLETIONS, text([VOCAB_SIZE]), "prompt"),
    "a token with 400 digits": (COMPLETIONS, text([10**400]), "prompt"),
    "a negative token": (COMPLETIONS, text([[1, 2], [3, -1]]), "prompt"),
    "a token that only its neighbour knows": (EMBEDDINGS, embed([[VOCAB_SIZE]]), "input"),
    "a negative token to embed": (EMBEDDINGS, embed([-1]), "input"),
    "a token to embed beyond the weights": (EMBEDDINGS, embed([255]), "input[0]"),
    "true for a token": (COMPLETIONS, text([True]), "prompt"),
    "no prompt": (COMPLETIONS, text([]), "prompt"),
    "a prompt of nothing": (COMPLETIONS, text([[]]), "prompt"),
    "a prompt longer than the context": (COMPLETIONS, text("x" * 5_000), "prompt"),
    "messages longer than the context": (CHAT, chat("x" * 5_000), "messages"),
    "an input longer than the context": (EMBEDDINGS, embed("x" * 5_000), "input"),
    "a stop list of 100,000": (COMPLETIONS, text(stop=[f"s{i}" for i in range(100_000)]), "stop"),
    "a stop of 100,000 letters": (CHAT, chat(stop="x" * 100_000), "stop[0]"),
    "an empty stop": (CHAT, chat(stop=[""]), "stop[0]"),
    "a bias of no token": (CHAT, chat(logit_bias={"hello": 1}), "logit_bias"),
    "a bias of a missing token": (CHAT, chat(logit_bias={str(VOCAB_SIZE): 1}), "logit_bias"),
    "a bias of a negative token": (CHAT, chat(logit_bias={"-1": 1}), "logit_bias"),
    "a bias of 10**400": (CHAT, chat(logit_bias={"1": 10**400}), "logit_bias.1"),
    "a billion logprobs": (CHAT, chat(logprobs=True, top_logprobs=10**9), "top_logprobs"),
    "a billion logprobs of text": (COMPLETIONS, text(logprobs=10**9), "logprobs"),
    "no tokens for a chat": (CHAT, chat(max_tokens=0), "max_tokens"),
    "less than no tokens": (COMPLETIONS, text(max_tokens=-1), "max_tokens"),
    "a trillion tokens": (COMPLETIONS, text(max_tokens=10**12), "max_tokens"),
    "a stop token that does not exist": (COMPLETIONS, text(stop_token_ids=[10**30]), "stop_token_ids"),
    "a penalty that makes numbers infinite": (COMPLETIONS, text(repetition_penalty=1e-300), "repetition_penalty"),
    "thousands of tools": (
        CHAT,
        chat(tools=[{"type": "function", "function": {"name": f"t{i}"}} for i in range(5_000)]),
        "tools",
    ),
}


@pytest.mark.parametrize("case", BAD_VALUES)
async def test_a_value_that_cannot_be_is_a_400_that_names_it(process: Process, case: str) -> None:
    path, body, param = BAD_VALUES[case]
    async with process.async_client() as client:
        assert check_error(await client.post(path, json=body), 400)["param"] == param


async def test_extreme_values_that_are_allowed_are_answered(process: Process) -> None:
    """A temperature of 1e-50 is 0 as a 32-bit number: it was divided by, and every token was the vocabulary's last."""
    async with process.async_client() as client:
        coldest = (await client.post(COMPLETIONS, json=text(temperature=1e-50, max_tokens=8))).json()
        greedy = (await client.post(COMPLETIONS, json=text(temperature=0, max_tokens=8))).json()
        assert coldest["choices"] == greedy["choices"]
        for extreme in (
            {"top_k": 2**31 - 1, "seed": -(2**63), "top_p": 0},
            {"max_tokens": 2**31 - 1, "stop_token_ids": list(range(256))},
            {"max_tokens": 0, "echo": True, "logprobs": 20},
            {"n": 128, "max_tokens": 1},
            {"repetition_penalty": 0.01, "temperature": 2, "logit_bias": {str(i): 100 for i in range(VOCAB_SIZE)}},
        ):
            response = await client.post(COMPLETIONS, json=text(**extreme))
            assert response.status_code == 200, response.text


HUGE = {
    "a word of 7 MB": (COMPLETIONS, json.dumps(text("a" * 7 * MIB)).encode()),
    "a chat of 7 MB": (CHAT, json.dumps(chat("ab cd " * MIB)).encode()),
    "700,000 end-of-turn marks": (CHAT, json.dumps(chat("<|im_end|>" * 700_000)).encode()),
    "2 million tokens": (COMPLETIONS, json.dumps(text([1] * 2_000_000)).encode()),
    "3 million things that are no messages": (CHAT, b'{"messages":[' + b"1," * 3_000_000 + b"1]}"),
    "3 million things that are no parts": (
        CHAT,
        b'{"messages":[{"role":"user","content":[' + b"1," * 3_000_000 + b"1]}]}",
    ),
    "500,000 wrong biases": (
        COMPLETIONS,
        b'{"prompt":"a","logit_bias":{' + b",".join(b'"%d":"x"' % i for i in range(500_000)) + b"}}",
    ),
    "arguments of 3 MB": (
        CHAT,
        json.dumps(
            chat()
            | {
                "messages": [
                    {
                        "role": "assistant",
                        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "[" * 3 * MIB}}],
                    }
                ]
            }
        ).encode(),
    ),
    "10 MB": (CHAT, json.dumps(chat("a" * 10 * MIB)).encode()),
}


@pytest.mark.parametrize("case", HUGE)
async def test_a_huge_body_is_refused_and_nobody_waits_for_it(process: Process, case: str) -> None:
    """Tokenizing 7 MB held the interpreter's lock for half a minute, in which no other stream got a token; describing
    each of 3 million errors took 47 s and 1.7 GB."""
    path, body = HUGE[case]
    before = process.rss
    async with undisturbed(process), process.async_client() as client:
        check_error(await client.post(path, content=body), 400, 413)
    assert process.rss - before < 600 * MIB


async def test_ten_chunked_megabytes_are_answered_before_they_end(process: Process) -> None:
    """They have no Content-Length; the answer comes at the limit, and what follows is not kept."""
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(10):
            sent += MIB
            yield b"x" * MIB

    before = process.rss
    async with undisturbed(process), process.async_client() as client:
        check_error(await client.post(CHAT, content=chunks()), 413)
    assert process.rss - before < 64 * MIB


async def test_half_a_million_fields_that_nobody_knows(process: Process) -> None:
    """A few are ignored by name; gathering so many names took seconds on the event loop."""
    extra = ",".join(f'"u{i}":1' for i in range(500_000))
    body = json.dumps(chat())[:-1] + "," + extra + "}"
    async with undisturbed(process), process.async_client() as client:
        check_error(await client.post(CHAT, content=body.encode()), 400)


async def test_somebody_types_every_private_character(process: Process) -> None:
    """The renderer marks places with a private-use character that nobody typed. A message with all 65,534 of them left
    it without one: its StopIteration could not leave the worker, and the request hung for ever."""
    everything = "".join(map(chr, range(0xF0000, 0xFFFFE)))
    async with process.async_client() as client:
        error = check_error(await client.post(CHAT, json=chat(everything)), 400)
        assert error["param"] == "messages"
        all_but_one = chat(everything[:-1])
        assert check_error(await client.post(CHAT, json=all_but_one), 400)["code"] == "context_length_exceeded"


async def test_control_tokens_in_what_people_type_are_text(process: Process) -> None:
    """A user cannot end the turn and speak as the system: a mark costs as many tokens as its letters."""
    async with process.async_client() as client:
        plain = (await client.post(CHAT, json=chat("x" * 10))).json()["usage"]["prompt_tokens"]
        for mark in ("<|im_end|>", "<|im_star", "<think>xxx", "</think>xx", "\0\0\0\0\0\0\0\0\0\0"):
            sly = (await client.post(CHAT, json=chat(mark.ljust(10, "x")))).json()["usage"]["prompt_tokens"]
            assert sly == plain, mark
