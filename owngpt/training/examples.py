"""Examples in one array, and the batches of a run: whole conversations laid end to end, so that nothing is padding.

Which step reads which examples follows from the seed and the step's number alone.
Shapes: N tokens of all examples, T tokens of a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from owngpt.model.transformer import Transformer
from owngpt.training.attention import RowAttention
from owngpt.training.conversations import Example

T = TypeVar("T")


class Packed(NamedTuple):
    """One pass: examples end to end, each seeing only itself."""

    inputs_T: Tensor
    targets_T: Tensor
    starts_T: Tensor  # where its example begins, for each token
    is_answer_T: Tensor  # whether the target is learned

    def hidden(self, model: Transformer) -> Tensor:
        """hidden_TE: positions count from each example's start, as they do in serving."""
        positions_T = torch.arange(len(self.inputs_T), device=self.inputs_T.device) - self.starts_T
        attention = RowAttention(model.config, 1, self.starts_T)
        return model(self.inputs_T, positions_T, attention)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Examples:
    """Example i is tokens [ends[i - 1], ends[i])."""

    ids_N: npt.NDArray[np.int32]
    is_answer_N: npt.NDArray[np.bool_]
    ends: npt.NDArray[np.int64]

    @classmethod
    def of(cls, examples: Iterable[Example]) -> Examples:
        """All of them, in memory."""
        kept = list(examples)
        ids = np.array([token for example in kept for token in example.ids], dtype=np.int32)
        is_answer = np.array([learned for example in kept for learned in example.is_answer], dtype=np.bool_)
        return cls(ids, is_answer, np.cumsum([len(example.ids) for example in kept], dtype=np.int64))

    @classmethod
    def load(cls, path: Path, digest: str) -> Examples | None:
        """What `save` wrote with the same digest, or None."""
        if not path.exists():
            return None
        with np.load(path) as arrays:
            if str(arrays["digest"]) != digest:
                return None
            return cls(arrays["ids"], arrays["is_answer"], arrays["ends"])

    def save(self, path: Path, digest: str) -> None:
        """`digest` says what they were made from."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"draft.{path.name}")
        np.savez(draft, ids=self.ids_N, is_answer=self.is_answer_N, ends=self.ends, digest=np.array(digest))
        draft.replace(path)

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def num_tokens(self) -> int:
        return len(self.ids_N)

    def size(self, index: int) -> int:
        """Tokens of an example."""
        return int(self.ends[index]) - (int(self.ends[index - 1]) if index else 0)

    def pack(self, indices: Sequence[int], device: torch.device) -> Packed:
        """These examples as one pass."""
        return pack([self[index] for index in indices], device)

    def __getitem__(self, index: int) -> Example:
        end = int(self.ends[index])
        span = slice(end - self.size(index), end)
        return Example(self.ids_N[span].tolist(), self.is_answer_N[span].tolist())

    def batches(self, batch_tokens: int, seed: int) -> Iterator[list[int]]:
        """The examples of every step, endless: about `batch_tokens`, in another order in every epoch."""
        order = self._order(seed)
        ahead = next(order)
        while True:
            batch, size = [ahead], self.size(ahead)
            while size + self.size(ahead := next(order)) <= batch_tokens:
                batch.append(ahead)
                size += self.size(ahead)
            yield batch

    def passes(self, batch: Sequence[int], pass_tokens: int) -> Iterator[list[int]]:
        """A batch in parts of at most `pass_tokens`, or of one example."""
        return parts(batch, self.size, pass_tokens)

    def _order(self, seed: int) -> Iterator[int]:
        epoch = 0
        while True:
            yield from np.random.default_rng((seed, epoch)).permutation(len(self)).tolist()
            epoch += 1


def pack(examples: Sequence[Example], device: torch.device) -> Packed:
    """Examples as one pass; each needs two tokens or more."""
    inputs = [token for example in examples for token in example.ids[:-1]]
    targets = [token for example in examples for token in example.ids[1:]]
    is_answer = [learned for example in examples for learned in example.is_answer[1:]]
    lengths = torch.tensor([len(example.ids) - 1 for example in examples])
    starts_T = torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
    tensors = (torch.tensor(inputs), torch.tensor(targets), starts_T, torch.tensor(is_answer, dtype=torch.bool))
    return Packed(*(tensor.to(device) for tensor in tensors))


def parts(items: Iterable[T], size: Callable[[T], int], limit: int) -> Iterator[list[T]]:
    """The items in order, in lists whose sizes add up to at most `limit`, or of one item."""
    part, total = list[T](), 0
    for item in items:
        if part and total + size(item) > limit:
            yield part
            part, total = [], 0
        part.append(item)
        total += size(item)
    if part:
        yield part
