from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from owngpt.engine.embedder import MAX_BATCH_TOKENS, MAX_PADDING, ThreadEmbedder
from owngpt.errors import EngineFailed, InvalidRequest, ServiceUnavailable
from owngpt.model.encoder import Encoder
from tests.fakes.model import encoder_checkpoint

pytestmark = pytest.mark.anyio


class FakeEncoder:
    """A vector of an input is (its first id, its length), not normalized; it remembers its batches."""

    config = SimpleNamespace(vocab_size=1000)
    dimensions = 2
    max_length = 512

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()

    def encode(self, ids: Sequence[Sequence[int]]) -> torch.Tensor:
        assert self.gate.wait(10)
        if any(999 in each for each in ids):
            raise RuntimeError("it cannot read 999")
        self.batches.append([len(each) for each in ids])
        return torch.tensor([[float(each[0]), float(len(each))] for each in ids])


@contextmanager
def embedder(encoder: Any) -> Iterator[ThreadEmbedder]:
    opened = ThreadEmbedder(encoder)
    try:
        yield opened
    finally:
        opened.close()


def direction(ids: Sequence[int]) -> list[float]:
    norm = (ids[0] ** 2 + len(ids) ** 2) ** 0.5
    return [ids[0] / norm, len(ids) / norm]


async def test_any_number_of_inputs_comes_back_in_order_as_unit_vectors() -> None:
    random.seed(3)
    inputs = [[random.randrange(1, 900)] * random.randrange(1, 512) for _ in range(1000)]
    with embedder(FakeEncoder()) as served:
        vectors = await served.embed(inputs)
        for ids, vector in zip(inputs, vectors, strict=True):
            assert vector == pytest.approx(direction(ids), abs=1e-6)
        assert await served.embed([]) == []


async def test_padding_and_size_of_batches_are_bounded() -> None:
    random.seed(4)
    encoder = FakeEncoder()
    with embedder(encoder) as served:
        await served.embed([[1] * random.randrange(1, 512) for _ in range(500)])
    for lengths in encoder.batches:
        padded = max(lengths) * len(lengths)
        assert padded <= MAX_BATCH_TOKENS
        assert padded - sum(lengths) <= MAX_PADDING * padded
    assert len(encoder.batches) < 120, "texts are not embedded one by one"


async def test_a_small_call_does_not_wait_behind_a_huge_one() -> None:
    encoder = FakeEncoder()
    encoder.gate.clear()
    with embedder(encoder) as served:
        huge = asyncio.create_task(served.embed([[1] * 300] * 5000))
        await asyncio.sleep(0.02)
        small = asyncio.create_task(served.embed([[2]]))
        await asyncio.sleep(0.02)
        encoder.gate.set()
        await small
        assert not huge.done()
        await huge


async def test_a_caller_that_leaves_costs_nothing_more() -> None:
    encoder = FakeEncoder()
    encoder.gate.clear()
    with embedder(encoder) as served:
        leaving = asyncio.create_task(served.embed([[1] * 300] * 5000))
        await asyncio.sleep(0.02)
        leaving.cancel()
        await asyncio.sleep(0.02)
        encoder.gate.set()
        await served.embed([[2]])
    assert sum(map(len, encoder.batches)) < 600


async def test_a_call_that_has_failed_costs_nothing_more() -> None:
    encoder = FakeEncoder()
    with embedder(encoder) as served:
        with pytest.raises(EngineFailed):
            await served.embed([[999] * 300, *([[1] * 300] * 5000)])
        while served._jobs:
            await asyncio.sleep(0.01)
    assert sum(map(len, encoder.batches)) < 600


async def test_a_failure_is_told_to_those_it_concerns() -> None:
    with embedder(FakeEncoder()) as served:
        with pytest.raises(EngineFailed):
            await served.embed([[999], [1] * 500])
        assert len(await served.embed([[1]])) == 1


@pytest.mark.parametrize(
    ("ids", "message"),
    [([], "empty"), ([1] * 513, "513 tokens; this model takes 512"), ([1000], "vocabulary"), ([-1], "vocabulary")],
)
async def test_bad_inputs_are_named(ids: list[int], message: str) -> None:
    with embedder(FakeEncoder()) as served:
        with pytest.raises(InvalidRequest, match=message) as refused:
            await served.embed([[1], ids])
        assert refused.value.param == "input[1]"


async def test_closing_answers_who_waits() -> None:
    encoder = FakeEncoder()
    encoder.gate.clear()
    served = ThreadEmbedder(encoder)  # type: ignore[arg-type]
    waiting = asyncio.create_task(served.embed([[1] * 300] * 1000))
    await asyncio.sleep(0.02)
    closing = asyncio.create_task(asyncio.to_thread(served.close))
    await asyncio.sleep(0.02)
    encoder.gate.set()
    await closing
    served.close()
    with pytest.raises(EngineFailed):
        await waiting
    with pytest.raises(ServiceUnavailable):
        await served.embed([[1]])


async def test_a_real_encoder_gives_the_same_alone_and_in_a_batch(tmp_path: Path) -> None:
    encoder = Encoder.load(encoder_checkpoint(tmp_path, "bert", "mean"))
    inputs = [[i % 90 + 5] * (i % 17 + 1) for i in range(40)]
    with embedder(encoder) as served:
        together = await served.embed(inputs)
        alone = [(await served.embed([ids]))[0] for ids in inputs]
        torch.testing.assert_close(torch.tensor(together), torch.tensor(alone))
        torch.testing.assert_close(torch.tensor(together).norm(dim=-1), torch.ones(40))
        assert (served.dimensions, served.max_input_tokens) == (32, 64)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own elsewhere")
async def test_a_nice_embedder_leaves_the_machine_to_others() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    embedder = ThreadEmbedder(FakeEncoder(), niceness=7)  # type: ignore[arg-type]
    await embedder.embed([[1]])
    assert os.getpriority(os.PRIO_PROCESS, embedder.thread_id) == before + 7
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
    embedder.close()
