"""What `owngpt bench engine` measures: steps of batch, runner and greedy choice, without text and without a server."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from owngpt.engine.batch import ForwardBatch
from owngpt.engine.request import Request
from owngpt.engine.runner import ModelRunner, make_runner
from owngpt.engine.scheduler import Chunk
from owngpt.model.weights import load_model
from owngpt.types import SamplingParams

_BLOCK_SIZE = 16
_CHUNK = 512  # tokens of one prefill step, as EngineConfig.max_batch_tokens
_MAX_STEPS = 32
_MIN_STEPS = 5
_SECONDS = 8.0  # for each number of streams
_DTYPES = {torch.float32: "fp32", torch.bfloat16: "bf16"}


def bench_engine(
    model_folder: Path,
    *,
    random_weights: bool = False,
    dtype: str = "auto",
    prompt: int = 512,
    context: int = 128,
    streams: Sequence[int] = (1, 4, 8, 16),
    threads: int | None = None,
) -> dict[str, Any]:
    """Prefill of one prompt, then decode steps of some streams at `context` tokens each. Progress goes to stderr.

    -> {"prefill_tok_s", "decode": {"1": {"best_ms", "median_ms", "tok_s"}, ...}, "dtype", "threads"}, where `tok_s`
    follows from the median step. Raises `CheckpointError`.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    model = load_model(model_folder, dtype, random_weights=random_weights)
    num_blocks = max(_blocks_for(prompt), max(streams) * _blocks_for(context))
    runner = make_runner(model, num_blocks, _BLOCK_SIZE)
    return {
        "prefill_tok_s": _prefill(runner, prompt),
        "decode": {str(number): _decode(runner, number, context) for number in streams},
        "dtype": _DTYPES.get(model.dtype, str(model.dtype)),
        "threads": torch.get_num_threads(),
    }


def _prefill(runner: ModelRunner, num_tokens: int) -> float:
    """Tokens per second of the best of three."""

    def read() -> None:
        (request,) = _requests(runner, 1, num_tokens)
        for start in range(0, num_tokens, _CHUNK):
            end = min(start + _CHUNK, num_tokens)
            _step(runner, [Chunk(request, start, end, end == num_tokens)])

    times = [_time(read) for _ in range(3)]
    _say(f"prefill {num_tokens}: {num_tokens / min(times):.0f} tok/s")
    return num_tokens / min(times)


def _decode(runner: ModelRunner, number: int, context: int) -> dict[str, float]:
    """Steps of `number` streams. What is in the cache before does not change the speed, so it is not computed."""
    requests = _requests(runner, number, context)

    def decode() -> None:
        chunks = [Chunk(r, len(r.token_ids) - 1, len(r.token_ids), is_last=True) for r in requests]
        for request, token_id in zip(requests, _step(runner, chunks), strict=True):
            request.append(token_id)

    decode()  # warm
    times: list[float] = []
    while len(times) < _MIN_STEPS or (len(times) < _MAX_STEPS and sum(times) < _SECONDS):
        times.append(_time(decode))
    median = statistics.median(times)
    _say(f"decode {number} streams: best {min(times) * 1e3:.1f} ms, median {median * 1e3:.1f} ms")
    return {"best_ms": min(times) * 1e3, "median_ms": median * 1e3, "tok_s": number / median}


def _requests(runner: ModelRunner, number: int, num_tokens: int) -> list[Request]:
    """Each with blocks of its own."""
    num_blocks = _blocks_for(num_tokens)
    vocab_size = runner.config.vocab_size
    return [
        Request(
            token_ids=[(7 * i + 11 * stream) % vocab_size for i in range(num_tokens)],
            num_prompt_tokens=num_tokens,
            max_total_tokens=num_tokens + _MAX_STEPS,
            sampling=SamplingParams(),
            block_table=list(range(stream * num_blocks, (stream + 1) * num_blocks)),
        )
        for stream in range(number)
    ]


def _blocks_for(num_tokens: int) -> int:
    """Room for the tokens and for those that are going to be decoded."""
    return -(-(num_tokens + _MAX_STEPS + 2) // _BLOCK_SIZE)


def _step(runner: ModelRunner, chunks: Sequence[Chunk]) -> list[int]:
    batch = ForwardBatch.build(chunks, _BLOCK_SIZE)
    hidden_TE = runner.forward(batch)
    token_ids: list[int] = runner.logits(hidden_TE[batch.last_rows_N]).argmax(-1).tolist()
    return token_ids


def _time(work: Callable[[], None]) -> float:
    begin = perf_counter()
    work()
    return perf_counter() - begin


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
