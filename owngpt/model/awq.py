"""AWQ's packing of 4-bit codes (Lin et al. 2024; the layout is AutoAWQ's "gemm").

Shapes: N outputs, K inputs, G groups. `qweight` int32 [K, N/8] and `qzeros` int32 [G, N/8]: eight outputs in a word, in
the order 0, 2, 4, 6, 1, 3, 5, 7 from the low bits. `scales` [G, N].
"""

from __future__ import annotations

from torch import Tensor, unflatten

from owngpt.model.gptq import codes_with_zeros, nibbles
from owngpt.model.weight_source import Codes

_PLACES = [0, 4, 1, 5, 2, 6, 3, 7]  # of outputs 0, 1, 2, ... in a word


def unpack(qweight: Tensor, qzeros: Tensor, scales: Tensor) -> Codes:
    """w_NK."""
    return codes_with_zeros(_outputs(qweight).T.contiguous(), scales.T.float(), _outputs(qzeros).T)


def _outputs(words: Tensor) -> Tensor:
    """[R, N/8] -> uint8 [R, N]."""
    return unflatten(nibbles(words), 1, (-1, 8))[..., _PLACES].flatten(1)
