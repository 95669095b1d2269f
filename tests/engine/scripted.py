"""A model that says what the test wants: the engine's parts around it are the real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from tests.fakes.model import tiny_config

NAN = -1  # in a script: logits that are not numbers
FAIL = -2  # in a script: the forward raises
_CERTAIN = 30.0


class ScriptedModel:
    """After a token at position p comes `script[p - first]`, almost surely; after the script, its last token.

    `on_forward` runs in the engine's thread before each forward. Attention is called, so KV memory is really used.
    """

    dtype = torch.float32
    device = torch.device("cpu")

    def __init__(
        self,
        script: Sequence[int] | str,
        vocab_size: int,
        *,
        first: int = 0,
        on_forward: Callable[[], object] = lambda: None,
        max_position: int = 512,
    ) -> None:
        self.config = tiny_config(vocab_size, num_hidden_layers=1, max_position_embeddings=max_position)
        self.script = list(script.encode() if isinstance(script, str) else script)
        self.first = first
        self.on_forward = on_forward

    def __call__(self, tokens_T: Tensor, positions_T: Tensor, attention: Any) -> Tensor:
        self.on_forward()
        said = [self.script[min(max(p - self.first, 0), len(self.script) - 1)] for p in positions_T.tolist()]
        if FAIL in said:
            raise RuntimeError("the script says so")
        heads, kv_heads, dim = self.config.num_heads, self.config.num_kv_heads, self.config.head_dim
        content = tokens_T.float()[:, None, None]
        attention(
            0, content.expand(-1, heads, dim), content.expand(-1, kv_heads, dim), content.expand(-1, kv_heads, dim)
        )
        return torch.tensor(said)[:, None]

    def logits(self, hidden_NE: Tensor) -> Tensor:
        logits = torch.zeros(len(hidden_NE), self.config.vocab_size)
        for row, token_id in enumerate(hidden_NE[:, 0].tolist()):
            if token_id == NAN:
                logits[row] = torch.nan
            else:
                logits[row, token_id] = _CERTAIN
        return logits
