"""Hugging Face transformers with PyTorch's attention (SDPA) and its growing cache.

python -m benchmarks.peers.transformers FOLDER DTYPE THREADS
"""

from __future__ import annotations

import sys
from typing import Any

import torch
import transformers

from benchmarks.peers.turns import serve, timed

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


class Transformers:
    """See `turns.Engine`. Logits of the last position only, as `generate` asks for them; greedy."""

    def __init__(self, folder: str, dtype: str, threads: str) -> None:
        torch.set_num_threads(int(threads))
        factory: Any = transformers.AutoModelForCausalLM
        self._model = factory.from_pretrained(folder, dtype=DTYPES[dtype]).eval()
        self._caches: dict[int, Any] = {}  # of so many sequences, cut back to their context before each turn
        self.about = f"transformers {transformers.__version__}, PyTorch {torch.__version__}, SDPA"

    @torch.inference_mode()
    def prefill(self, tokens: int) -> list[float]:
        return [timed(self._read, 1, tokens)]

    @torch.inference_mode()
    def decode(self, streams: int, context: int, steps: int) -> list[float]:
        if streams not in self._caches:
            self._caches[streams] = self._read(streams, context)
        cache = self._caches[streams]
        if extra := cache.get_seq_length() - context:
            cache.crop(-extra)
        tokens_B1 = torch.zeros((streams, 1), dtype=torch.long)

        def step() -> None:
            self._model(tokens_B1, past_key_values=cache, use_cache=True).logits.argmax(-1).tolist()

        step()
        return [timed(step) for _ in range(steps)]

    def _read(self, number: int, num_tokens: int) -> Any:
        cache = transformers.DynamicCache(config=self._model.config)
        tokens_BL = torch.randint(self._model.config.vocab_size, (number, num_tokens))
        self._model(tokens_BL, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return cache


if __name__ == "__main__":
    serve(lambda: Transformers(*sys.argv[1:]))
