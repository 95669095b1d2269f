"""Decode steps in the shapes of CUDA graphs equal the plain ones. Here they run eagerly; `tests/gpu` captures them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from owngpt.engine.batch import ForwardBatch
from owngpt.engine.graph_runner import StaticDecoder, is_static
from owngpt.engine.runner import TorchRunner
from owngpt.engine.scheduler import Chunk
from owngpt.model.weights import load_model
from tests.engine.decoding import BLOCK_SIZE, DENSE, assert_as_plain, forward, requests_of, runners, said, sinking_model
from tests.engine.makers import padded_tokenizer
from tests.fakes.model import VOCAB_SIZE, family_checkpoint, tiny_config, tiny_model


@pytest.mark.parametrize("family", DENSE)
def test_every_dense_family(family: str, tmp_path: Path) -> None:
    plain, static = runners(load_model(family_checkpoint(family, tmp_path), "fp32"))
    assert static.decoder is not None
    assert_as_plain(plain, static)


def test_attention_sinks() -> None:
    assert_as_plain(*runners(sinking_model()))


@pytest.mark.parametrize("lengths", [(5,), (5, 9), (1, 2, 3), (3,) * 9])
def test_any_number_of_sequences(lengths: tuple[int, ...]) -> None:
    assert_as_plain(*runners(tiny_model()), lengths)


def test_rows_that_fill_up_touch_nobody() -> None:
    """Three sequences are run as four, and the fourth writes to a block that the engine does not have."""
    runner = TorchRunner(tiny_model(), 60, BLOCK_SIZE, has_graphs=True)
    requests = requests_of((8, 8, 8), num_tokens=1)
    forward(runner, [(r, 0, 8) for r in requests])
    before = [runner.read_block(block) for block in range(60)]
    forward(runner, [(r, 8, 9) for r in requests])
    changed = {block for block in range(60) if not torch.equal(before[block], runner.read_block(block))}
    assert changed == {r.block_table[2] for r in requests}
    assert runner.cache.num_blocks == 61
    assert runner.cache.key[0][60 * BLOCK_SIZE].any()


def test_no_sequence_reads_the_blocks_of_another() -> None:
    """Tables are filled up to a common width, and a mask does not stop a NaN."""
    _, static = runners(tiny_model(use_sliding_window=True, sliding_window=6, max_window_layers=1))
    for tensor in (*static.cache.key, *static.cache.value):
        tensor.fill_(torch.nan)
    requests = requests_of((3, 30, 9), num_tokens=1)
    static.clear([60, *(block for r in requests for block in r.block_table)])
    forward(static, [(r, 0, r.num_prompt_tokens) for r in requests])
    assert forward(static, [(r, r.num_prompt_tokens, r.num_prompt_tokens + 1) for r in requests]).isfinite().all()


def test_few_shapes_serve_all_steps() -> None:
    decoder = StaticDecoder(tiny_model(), TorchRunner(tiny_model(), 600, BLOCK_SIZE).cache, spare_block=599)
    for length in range(1, 60):
        requests = requests_of((length,) * (1 + length % 4), num_tokens=1)
        batch = ForwardBatch.build([Chunk(r, length, length + 1, is_last=True) for r in requests], BLOCK_SIZE)
        decoder.forward(batch)
    assert sorted(decoder._steps) == [(rows, 2 + blocks) for rows in (1, 2, 4) for blocks in (8, 16)]


def test_what_brings_more_than_a_token_goes_the_plain_way() -> None:
    (request,) = requests_of((8,), num_tokens=2)
    one, two = (ForwardBatch.build([Chunk(request, 8, end, is_last=True)], BLOCK_SIZE) for end in (9, 10))
    assert StaticDecoder.takes(one)
    assert not StaticDecoder.takes(two)


def test_a_batch_for_another_device_is_the_same_batch() -> None:
    chunks = [Chunk(r, 2, 2 + n, is_last=True) for n, r in enumerate(requests_of((8, 4, 6), num_tokens=2), start=1)]
    here = ForwardBatch.build(chunks, BLOCK_SIZE)
    moved = here.to(torch.device("cpu"))
    for name in ("tokens_T", "positions_T"):
        assert torch.equal(getattr(moved, name), getattr(here, name))
    assert torch.equal(moved.paged.slots_T, here.paged.slots_T)
    assert list(map(torch.Tensor.tolist, moved.paged.block_tables)) == [chunk.request.block_table for chunk in chunks]
    assert (moved.paged.query_starts, moved.paged.context_lens) == (here.paged.query_starts, here.paged.context_lens)
    assert here.to(torch.device("meta")).tokens_T.device.type == "meta"
    assert here.to(torch.device("meta")).logit_rows_N.device.type == "cpu"


def test_a_mixture_of_experts_goes_the_plain_way(tmp_path: Path) -> None:
    plain, static = runners(load_model(family_checkpoint("qwen3-moe", tmp_path), "fp32"))
    assert static.decoder is None
    assert not is_static(static.config)
    assert is_static(tiny_config())
    assert static.cache.num_blocks == plain.cache.num_blocks


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_an_engine_says_the_same_with_it(family: str, tmp_path: Path) -> None:
    model = load_model(family_checkpoint(family, tmp_path / family), "fp32")
    tokenizer = padded_tokenizer(tmp_path, VOCAB_SIZE)
    assert said(model, tokenizer, has_graphs=True) == said(model, tokenizer, has_graphs=False)
