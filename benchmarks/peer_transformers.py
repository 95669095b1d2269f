"""The same steps with Hugging Face transformers, as JSON in the shape of `owngpt bench engine`.

python -m benchmarks.peer_transformers FOLDER DTYPE PROMPT CONTEXT STREAMS
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

MAX_STEPS, MIN_STEPS, SECONDS = 32, 5, 8.0  # as in owngpt/engine/bench.py


def main(folder: str, dtype: str, prompt: str, context: str, streams: str) -> None:
    """Measure, and print one JSON object."""
    torch.manual_seed(0)
    factory: Any = AutoModelForCausalLM
    config = AutoConfig.from_pretrained(folder)
    model = factory.from_config(config, dtype={"bf16": torch.bfloat16, "fp32": torch.float32}[dtype]).eval()
    with torch.inference_mode():
        result = {
            "prefill_tok_s": int(prompt) / min(_time(lambda: _read(model, 1, int(prompt))) for _ in range(3)),
            "decode": {number: _decode(model, int(number), int(context)) for number in streams.split(",")},
        }
    print(json.dumps(result))


def _read(model: Any, number: int, num_tokens: int) -> DynamicCache:
    """Prefill; logits of the last position only."""
    cache = DynamicCache(config=model.config)
    tokens_BL = torch.randint(model.config.vocab_size, (number, num_tokens))
    model(tokens_BL, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache


def _decode(model: Any, number: int, context: int) -> dict[str, float]:
    """Steps of `number` sequences of `context` tokens, in one batch."""
    cache = _read(model, number, context)
    tokens_B1 = torch.zeros((number, 1), dtype=torch.long)

    def step() -> None:
        model(tokens_B1, past_key_values=cache, use_cache=True).logits.argmax(-1).tolist()

    step()
    times: list[float] = []
    while len(times) < MIN_STEPS or (len(times) < MAX_STEPS and sum(times) < SECONDS):
        times.append(_time(step))
    median = statistics.median(times)
    return {"best_ms": min(times) * 1e3, "median_ms": median * 1e3, "tok_s": number / median}


def _time(work: Callable[[], object]) -> float:
    begin = perf_counter()
    work()
    return perf_counter() - begin


if __name__ == "__main__":
    main(*sys.argv[1:])
