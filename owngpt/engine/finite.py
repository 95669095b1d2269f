"""Whether what a step computed can be trusted. A NaN anywhere in a token's keys and values reaches its hidden state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from owngpt.engine.scheduler import Chunk


def broken_chunks(chunks: Sequence[Chunk], hidden_TE: Tensor) -> Iterator[Chunk]:
    """Those with a token whose numbers are not finite; guesses that did not come true do not count."""
    is_finite_T = hidden_TE.sum(-1, dtype=torch.float32).isfinite()
    if is_finite_T.all():
        return
    sizes = [chunk.stop - chunk.start for chunk in chunks]
    for chunk, is_finite in zip(chunks, torch.split(is_finite_T, sizes), strict=True):
        if not is_finite[: chunk.end - chunk.start + chunk.num_accepted].all():
            yield chunk
