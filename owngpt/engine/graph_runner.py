"""StaticDecoder: steps that bring one token of each sequence, in a few shapes, which a GPU replays as CUDA graphs.

A decode step of a small model is hundreds of kernels that take less time than it takes to launch them. A CUDA graph
launches them all at once, but always with the same shapes and the same addresses: so a step is padded to the next power
of two of sequences and of blocks, and all that differs between two steps is one tensor of whole numbers.

On a CPU the same steps run eagerly, which is how they are tested; only `_captured` needs a GPU.

Shapes: S sequences of a step, R rows that it is padded to, B blocks of a table, E hidden size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from owngpt.engine.batch import ForwardBatch
from owngpt.model.attention import KVCache, PagedBatch
from owngpt.model.config import ModelConfig
from owngpt.model.static_attention import StaticAttention
from owngpt.model.transformer import Transformer

_LEAST_BLOCKS = 8  # of a table: fewer shapes, and as good as free
_TABLE = 2  # the first column of the table; before it are token and position


class _Step(NamedTuple):
    """One shape. `run` reads the numbers, and says hidden_RE, which the next run of any shape overwrites."""

    numbers_RC: Tensor  # int64; columns: token, position, B blocks
    run: Callable[[], Tensor]


class StaticDecoder:
    """Runs decode steps of `model` over `cache`. Nobody owns `spare_block`: padded rows write there.

    A shape is captured when it is first met, which takes a moment, and kept.
    """

    def __init__(self, model: Transformer, cache: KVCache, spare_block: int) -> None:
        assert is_static(model.config), "a mixture of experts has other shapes in every step"
        self._model = model
        self._cache = cache
        self._spare_block = spare_block
        self._steps: dict[tuple[int, ...], _Step] = {}  # by the shape of the numbers
        self._pool = torch.cuda.graph_pool_handle() if model.device.type == "cuda" else None

    @staticmethod
    def takes(batch: ForwardBatch) -> bool:
        """Whether each sequence of this step brings one token."""
        return len(batch.tokens_T) == len(batch.paged.context_lens)

    def forward(self, batch: ForwardBatch) -> Tensor:
        """hidden_SE of a batch that it `takes`, whose tensors are on the CPU."""
        tables_SB = _tables(batch.paged, self._cache.block_size)
        numbers_RC = self._numbers(batch, tables_SB)
        step = self._steps.get(tuple(numbers_RC.shape)) or self._step(numbers_RC)
        step.numbers_RC.copy_(numbers_RC)
        return step.run()[: len(batch.tokens_T)].clone()

    def close(self) -> None:
        """Free the graphs and what they compute in."""
        self._steps.clear()

    def _numbers(self, batch: ForwardBatch, tables_SB: Tensor) -> Tensor:
        """The rows of the sequences, then those that only fill up: token 0 at position 0 of the spare block."""
        num_rows, num_sequences = _power_of_two(len(tables_SB)), len(tables_SB)
        numbers_RC = torch.full((num_rows, _TABLE + tables_SB.shape[1]), self._spare_block)
        numbers_RC[:, :_TABLE] = 0
        numbers_RC[:num_sequences, 0] = batch.tokens_T
        numbers_RC[:num_sequences, 1] = batch.positions_T
        numbers_RC[:num_sequences, _TABLE:] = tables_SB
        return numbers_RC

    def _step(self, example_RC: Tensor) -> _Step:
        """A new shape. A capture needs a run before it: with the numbers of a real step, that is done twice."""
        numbers_RC = example_RC.to(self._model.device, copy=True)

        def run() -> Tensor:
            tokens_R, positions_R = numbers_RC[:, 0], numbers_RC[:, 1]
            attention = StaticAttention(self._model.config, self._cache, positions_R, numbers_RC[:, _TABLE:])
            hidden_RE: Tensor = self._model(tokens_R, positions_R, attention)
            return hidden_RE

        step = _Step(numbers_RC, run if self._pool is None else _captured(run, self._pool))
        self._steps[tuple(example_RC.shape)] = step
        return step


def is_static(config: ModelConfig) -> bool:
    """Whether all shapes of a step follow from how many tokens it has. Experts get as many as choose them."""
    return not any(layer.is_moe for layer in config.layers)


def _tables(paged: PagedBatch, block_size: int) -> Tensor:
    """The block tables as int64 [S, a power of two], filled up with each sequence's own first block."""
    needed = [
        table[: -(-length // block_size)] for table, length in zip(paged.block_tables, paged.context_lens, strict=True)
    ]
    tables_SB = pad_sequence(needed, batch_first=True, padding_value=-1)
    width = max(_LEAST_BLOCKS, _power_of_two(tables_SB.shape[1]))
    tables_SB = F.pad(tables_SB, (0, width - tables_SB.shape[1]), value=-1)
    return torch.where(tables_SB < 0, tables_SB[:, :1], tables_SB)


def _power_of_two(number: int) -> int:
    """The least that is not smaller."""
    return 1 << (number - 1).bit_length()


def _captured(run: Callable[[], Tensor], pool: Any) -> Callable[[], Tensor]:
    """The same as one CUDA graph. All graphs of a `pool` compute in the same memory, one after the other."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()  # what is made once, such as rotation frequencies and workspaces, must not be made in the graph
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        output = run()

    def replay() -> Tensor:
        graph.replay()
        return output

    return replay
