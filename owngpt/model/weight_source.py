"""What weights can be read from: parameters by the decoder's own names, as numbers or as 4-bit codes.

A source reads one parameter at a time and keeps none, so that nobody needs a second copy of a model. Shapes: N outputs,
K inputs, G = K / group groups of each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, unflatten

from owngpt.model.config import ModelConfig


@dataclass(frozen=True, slots=True)
class Codes:
    """A matrix as a file has quantized it: w[n, k] = scale * (lut[code] - zero) - minimum, per `group` values of k.

    It is `Rows`, too, whose numbers are made when they are asked for.
    """

    codes_NK: Tensor  # uint8, 0..15
    scale_NG: Tensor  # float32
    minimum_NG: Tensor | None = None  # float32
    zero: int = 0
    lut: tuple[int, ...] | None = None  # what the 16 codes stand for, 0..255; None: themselves

    @property
    def shape(self) -> torch.Size:
        return self.codes_NK.shape

    @property
    def group(self) -> int:
        return self.codes_NK.shape[1] // self.scale_NG.shape[1]

    def __len__(self) -> int:
        """N."""
        return len(self.codes_NK)

    def __getitem__(self, rows: slice) -> Tensor:
        """See `Rows`."""
        return self.part(rows).dequantize()

    def part(self, rows: slice) -> Codes:
        """Some rows."""
        minimum_NG = None if self.minimum_NG is None else self.minimum_NG[rows]
        return replace(self, codes_NK=self.codes_NK[rows], scale_NG=self.scale_NG[rows], minimum_NG=minimum_NG)

    def dequantize(self) -> Tensor:
        """w_NK, float32."""
        values_NK = self.codes_NK if self.lut is None else torch.tensor(self.lut)[self.codes_NK.int()]
        w_NGg = (unflatten(values_NK, 1, (-1, self.group)).float() - self.zero) * self.scale_NG[..., None]
        if self.minimum_NG is not None:
            w_NGg -= self.minimum_NG[..., None]
        return w_NGg.flatten(1)


class Rows(Protocol):
    """A matrix that makes its rows when they are asked for; a `Tensor` is one, too."""

    @property
    def shape(self) -> torch.Size:
        """[N, K]."""
        ...

    def __len__(self) -> int:
        """N."""
        ...

    def __getitem__(self, rows: slice, /) -> Tensor:
        """Some rows, in any float dtype."""
        ...


@dataclass(frozen=True, slots=True)
class Stacked:
    """The rows of several matrices, one matrix after the other."""

    parts: Sequence[Rows]

    @property
    def shape(self) -> torch.Size:
        """See `Rows`."""
        return torch.Size((sum(part.shape[0] for part in self.parts), self.parts[0].shape[1]))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> Tensor:
        """See `Rows`."""
        start, stop, _ = rows.indices(self.shape[0])
        found = []
        for part in self.parts:
            if start < part.shape[0] and stop > 0:
                found.append(part[max(0, start) : stop])
            start, stop = start - part.shape[0], stop - part.shape[0]
        return found[0] if len(found) == 1 else torch.cat([rows_.float() for rows_ in found])


class WeightSource(Protocol):
    """The parameters of a decoder, by their names in `Transformer`."""

    config: ModelConfig
    dtype: str  # what its matrices are: fp32, bf16, int8; or int4, where any of them is codes

    @property
    def num_bytes(self) -> int:
        """Of all parameters, as they lie in the files."""
        ...

    def size(self, name: str) -> int:
        """The part of `num_bytes` that a parameter takes."""
        ...

    def read(self, name: str) -> Rows | Codes:
        """A vector as a `Tensor`, a matrix as rows or codes. What is returned may be a view of a mapped file."""
        ...


class TensorSource(WeightSource, Protocol):
    """One whose parameters are plain tensors, of any number of dimensions."""

    def read(self, name: str) -> Tensor:
        """See `WeightSource`."""
        ...
