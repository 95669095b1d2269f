"""Task: one of the things that the reader learns, as batches of examples and their loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from owngpt.model.encoder import Encoder
from owngpt.model.reader import Reader
from owngpt.training.reader.texts import Ids


class Task(Protocol):
    """Examples are numbered; a batch of them has a loss."""

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens that each example takes."""
        ...

    def loss(self, model: Models, numbers: Sequence[int], random: Random) -> Tensor:
        """A scalar to go down along. `random` decides what is drawn anew each time."""
        ...


@dataclass(frozen=True, slots=True)
class Models:
    """What learns, and the English embedding model that it starts from, which stays as it is.

    The teacher knows no Japanese pieces: in English texts, too, they are `unknown_id` to it.
    """

    reader: Reader
    teacher: Encoder
    unknown_id: int

    def embed(self, texts: Sequence[Ids]) -> Tensor:
        """[B, E] float32 of unit length, with gradients."""
        return unit_vectors(self.reader.encoder, self._wrapped(texts))

    def taught(self, texts: Sequence[Ids]) -> Tensor:
        """What the teacher makes of (English) texts."""
        known = self.teacher.config.vocab_size
        with torch.no_grad():
            plain = [[i if i < known else self.unknown_id for i in ids] for ids in texts]
            return unit_vectors(self.teacher, self._wrapped(plain))

    def _wrapped(self, texts: Sequence[Ids]) -> list[Ids]:
        return [[self.reader.cls_id, *ids, self.reader.sep_id] for ids in texts]


def unit_vectors(encoder: Encoder, texts: Sequence[Ids]) -> Tensor:
    """[B, E] float32: pooled, of unit length. Special tokens are the caller's."""
    lengths_B = torch.tensor([len(ids) for ids in texts])
    ids_BL = torch.nn.utils.rnn.pad_sequence([torch.tensor(ids) for ids in texts], batch_first=True)
    mask_BL = torch.arange(ids_BL.shape[1]) < lengths_B[:, None]
    return F.normalize(encoder.pool(encoder(ids_BL, mask_BL).float(), mask_BL), dim=-1)


def window(length: int, size: int, random: Random, around: tuple[int, int] | None = None) -> tuple[int, int]:
    """[start, end) of at most `size` of `length` tokens, with all of `around` in it if that fits."""
    low, high = 0, max(0, length - size)
    if around is not None:
        low, high = max(low, min(around[1] + 1 - size, around[0])), min(high, around[0])
    start = random.randint(min(low, high), high)
    return start, min(length, start + size)
