"""Checkpoints whose chat template is a hostile program: a clear 400, and the other models' streams go on."""

from __future__ import annotations

import time

import pytest

from tests.hostile.bystander import undisturbed
from tests.hostile.serving import Process
from tests.hostile.shape import check_error

pytestmark = pytest.mark.anyio
WORDS = {
    "loop": "takes too long",
    "bomb": "too big",
    "escape": "unsafe",
    "recursion": "recursion",
}


@pytest.mark.parametrize("model", WORDS)
async def test_a_hostile_template_is_refused_beside_a_stream(process: Process, model: str) -> None:
    """Short chats were rendered on the event loop, so an endless loop in a template stopped every stream for 5 s."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    start = time.monotonic()
    async with undisturbed(process), process.async_client() as client:
        error = check_error(await client.post("/v1/chat/completions", json=body), 400)
        assert WORDS[model] in error["message"]
        assert error["param"] == "messages"
        assert time.monotonic() - start < 45


async def test_variables_of_a_template_cannot_be_taken_over(process: Process) -> None:
    arguments = {"messages": [1], "range": 3, "_budget": 1, "tools": [1], "raise_exception": 0, "x": "y" * 1_000_000}
    body = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
    async with process.async_client() as client:
        plain = (await client.post("/v1/chat/completions", json=body)).json()
        sly = (await client.post("/v1/chat/completions", json={**body, "chat_template_kwargs": arguments})).json()
    assert sly["usage"]["prompt_tokens"] == plain["usage"]["prompt_tokens"]
