"""What `owngpt bench engine` measures: whole steps of the engine, greedy, without text, threads or a server around it.

A step is all of `EngineCore.step`: schedule, forward, sample, commit. Speculation is off, so that a step is one token
of each stream.
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import tokenizers
import torch

from owngpt.config import EngineConfig
from owngpt.engine.core import EngineCore
from owngpt.engine.device import check_device
from owngpt.engine.precision import dtype_here
from owngpt.engine.request import Request
from owngpt.model.config import ModelConfig
from owngpt.model.load import load_decoder
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import SamplingParams

_STEPS = 32
_MIN_STEPS = 5
_SECONDS = 8.0  # for each number of streams


class EngineBench:
    """An engine to be timed, as often as one likes. Raises `SetupError`s. What is quantized is kept in `cache_dir`."""

    def __init__(
        self,
        model_folder: Path,
        *,
        random_weights: bool = False,
        dtype: str = "auto",
        device: str = "cpu",
        threads: int | None = None,
        max_streams: int = 16,
        cache_dir: Path | None = None,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        check_device(device, dtype)
        self.device = device
        self.dtype, _ = dtype_here(model_folder, dtype, self.device, random_weights=random_weights)
        model = load_decoder(
            model_folder, self.dtype, device=self.device, random_weights=random_weights, cache_dir=cache_dir
        )
        config = EngineConfig(
            threads=threads,
            max_running=max_streams,
            max_batch_tokens=max(512, max_streams + 1),
            speculation="off",
            stream_slowdown=math.inf,  # else slow steps read so little of many long prompts that the first answers end
        )
        self._core = EngineCore(model, _tokenizer(model_folder, model.config), config)
        self._vocab_size = model.config.vocab_size
        self._number = itertools.count()

    @property
    def numerics(self) -> str:
        """See `ModelRunner.numerics`."""
        return self._core.runner.numerics

    def prefill(self, num_tokens: int) -> float:
        """Seconds from the arrival of a prompt that nobody has seen before to its first token."""
        request = self._request(f"prefill {next(self._number)}", num_tokens)
        request.namespace = None  # nothing is kept, so each prompt gets the same blocks: memory that is in place
        return _time(lambda: self._first_tokens([request]))

    def decode(self, streams: int, context: int, steps: int = _STEPS, seconds: float = _SECONDS) -> list[float]:
        """Seconds of each of `steps` steps, fewer when they take too long, of streams that begin at `context` tokens.

        Their prompts are the same each time, so the engine reads them once.
        """
        requests = [self._request(f"stream {number}", context) for number in range(streams)]
        self._first_tokens(requests, and_stay=True)
        self._step(streams)
        times: list[float] = []
        while len(times) < _MIN_STEPS or (len(times) < steps and sum(times) < seconds):
            times.append(_time(lambda: self._step(streams)))
        for request in requests:
            self._core.abort(request)
        return times

    def close(self) -> None:
        """Free the KV memory."""
        self._core.close()

    def _first_tokens(self, requests: Sequence[Request], *, and_stay: bool = False) -> None:
        for request in requests:
            self._core.add(request)
        while any(request.num_output_tokens == 0 for request in requests):
            self._core.step()
        for request in () if and_stay else requests:
            self._core.abort(request)

    def _step(self, streams: int) -> None:
        outcomes = self._core.step()
        assert len(outcomes) == streams, f"{len(outcomes)} of {streams} streams went on"

    def _request(self, seed: str, num_tokens: int) -> Request:
        """A prompt of arbitrary tokens, the same for the same seed; its answer ends only when it is aborted."""
        chance = random.Random(seed)
        return Request(
            token_ids=[chance.randrange(self._vocab_size) for _ in range(num_tokens)],
            num_prompt_tokens=num_tokens,
            max_total_tokens=num_tokens + 4 * _STEPS,
            sampling=SamplingParams(temperature=0),
            namespace="bench",
        )


def bench_engine(
    model_folder: Path,
    *,
    random_weights: bool = False,
    dtype: str = "auto",
    device: str = "cpu",
    prompt: int = 512,
    context: int = 128,
    streams: Sequence[int] = (1, 4, 8, 16),
    threads: int | None = None,
) -> dict[str, Any]:
    """Prefill of one prompt, then decode steps of some streams from `context` tokens each. Progress goes to stderr.

    -> {"prefill_tok_s", "decode": {"1": {"best_ms", "median_ms", "tok_s"}, ...}, "dtype", "threads", "numerics"},
    where `tok_s` follows from the median step, and `prefill_tok_s` from the best of three. Raises `SetupError`s.
    """
    engine = EngineBench(
        model_folder,
        random_weights=random_weights,
        dtype=dtype,
        device=device,
        threads=threads,
        max_streams=max(streams),
    )
    result = {
        "prefill_tok_s": _prefill(engine, prompt),
        "decode": {str(number): _decode(engine, number, context) for number in streams},
        "dtype": engine.dtype,
        "threads": torch.get_num_threads(),
        "numerics": engine.numerics,
    }
    engine.close()
    return result


def _prefill(engine: EngineBench, num_tokens: int) -> float:
    """Tokens per second of the best of three."""
    speed = num_tokens / min(engine.prefill(num_tokens) for _ in range(3))
    _say(f"prefill {num_tokens}: {speed:.0f} tok/s")
    return speed


def _decode(engine: EngineBench, number: int, context: int) -> dict[str, float]:
    times = engine.decode(number, context)
    median = statistics.median(times)
    _say(f"decode {number} streams: best {min(times) * 1e3:.1f} ms, median {median * 1e3:.1f} ms")
    return {"best_ms": min(times) * 1e3, "median_ms": median * 1e3, "tok_s": number / median}


def _tokenizer(model_folder: Path, config: ModelConfig) -> Tokenizer:
    """The checkpoint's own, or one that only knows how many tokens there are: random weights need config.json only."""
    if (model_folder / "tokenizer.json").exists():
        return Tokenizer.load(model_folder)
    vocab = {f"<t{number}>": number for number in range(config.vocab_size)}
    return Tokenizer(tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab, unk_token="<t0>")))


def _time(work: Callable[[], None]) -> float:
    begin = perf_counter()
    work()
    return perf_counter() - begin


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
