"""Decoding in small: prompts in scattered blocks, step by step, through runners or a whole engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from owngpt.config import EngineConfig
from owngpt.engine.batch import ForwardBatch
from owngpt.engine.core import EngineCore
from owngpt.engine.request import Request
from owngpt.engine.runner import TorchRunner, block_bytes
from owngpt.engine.scheduler import Chunk
from owngpt.model.transformer import SelfAttention, Transformer
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import SamplingParams
from tests.engine.makers import complete
from tests.fakes.model import FAMILIES, VOCAB_SIZE, tiny_model

BLOCK_SIZE = 4
LENGTHS = (37, 6, 70, 4, 1)  # of prompts: padded to 8 rows, and to 32 blocks
PROMPTS = [[11 * i % VOCAB_SIZE for i in range(1, n)] for n in (70, 60, 2, 38, 9)]
DENSE = [family for family in FAMILIES if "moe" not in family and "gpt-oss" not in family]


def requests_of(lengths: Sequence[int], num_tokens: int) -> list[Request]:
    """Prompts with `num_tokens` more tokens known, in scattered blocks."""
    generator = torch.Generator().manual_seed(1)
    ids = [torch.randint(1, VOCAB_SIZE, (n + num_tokens,), generator=generator).tolist() for n in lengths]
    counts = [-(-len(own) // BLOCK_SIZE) for own in ids]
    order = torch.split(torch.randperm(sum(counts), generator=generator), counts)
    requests = [Request(own, n, len(own), SamplingParams()) for own, n in zip(ids, lengths, strict=True)]
    for request, table in zip(requests, order, strict=True):
        request.block_table = table.tolist()
    return requests


def forward(runner: TorchRunner, spans: list[tuple[Request, int, int]]) -> Tensor:
    batch = ForwardBatch.build([Chunk(*span, is_last=True) for span in spans], BLOCK_SIZE)
    return runner.forward(batch).cpu()


def assert_as_plain(
    plain: TorchRunner, static: TorchRunner, lengths: Sequence[int] = LENGTHS, tolerance: float = 1e-4
) -> None:
    """Prompts, then 6 steps of one token each, the last of them without the first sequence."""
    requests = requests_of(lengths, num_tokens=6)
    steps = [[(r, 0, r.num_prompt_tokens) for r in requests]]
    steps += [[(r, r.num_prompt_tokens + i, r.num_prompt_tokens + i + 1) for r in requests] for i in range(6)]
    steps[-1] = steps[-1][1:] or steps[-1]
    for spans in steps:
        expected, actual = forward(plain, spans), forward(static, spans)
        assert actual.shape == expected.shape
        assert (actual - expected).abs().max() / expected.abs().max() < tolerance


def runners(model: Transformer) -> tuple[TorchRunner, TorchRunner]:
    """A plain one, and one whose decode steps have the shapes of graphs. What is nobody's must not be seen."""
    plain, static = (TorchRunner(model, 60, BLOCK_SIZE, has_graphs=has_graphs) for has_graphs in (False, True))
    for tensor in (*static.cache.key, *static.cache.value):
        tensor.fill_(1e4)
    return plain, static


def sinking_model() -> Transformer:
    """With a window and attention sinks. All models with sinks are mixtures so far, so this one is made up."""
    model = tiny_model(use_sliding_window=True, sliding_window=6, max_window_layers=1)
    for number, layer in enumerate(model.layers):
        attention = layer.get_submodule("self_attn")
        assert isinstance(attention, SelfAttention)
        attention.sinks = torch.nn.Parameter(torch.arange(4.0) - 2 * number, requires_grad=False)
    return model


def said(model: Transformer, tokenizer: Tokenizer, *, has_graphs: bool) -> list[list[int]]:
    """What an engine with too few blocks for all says: chunks beside streams, shared prefixes, and preemption."""
    config = EngineConfig(block_size=4, max_batch_tokens=32, max_model_len=136)
    few_blocks = 40 * block_bytes(model, config.block_size)
    core = EngineCore(model, tokenizer, replace(config, kv_memory=few_blocks))
    core.runner = TorchRunner(model, 40, config.block_size, has_graphs=has_graphs)
    answers = complete(core, tokenizer, PROMPTS, temperature=0.0, max_tokens=48, ignore_eos=True)
    assert core.stats().preemptions > 0
    assert core.stats().num_free_blocks == 40
    return answers
