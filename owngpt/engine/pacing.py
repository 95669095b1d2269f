"""How long steps take, learned while they run: how much of a prompt a step may read, and how fast the queue moves."""

from __future__ import annotations

import math

_MIN_TOKENS = 8  # of prompts in a step: they move on, however slow the machine is
_FASTER, _SLOWER = 0.3, 0.03  # share of a new quiet step in its average: others on the machine make steps slower
_TOKEN_SHARE, _SURE_TOKENS = 0.3, 16  # share of a new step with prompts, less where it has few of their tokens
_MEMORY_SECONDS = 30.0
_LEARNING_SECONDS = 1.0


class Pace:
    """Keeps a step that reads prompts beside running streams under `slowdown` times a step of the streams alone."""

    def __init__(self, slowdown: float) -> None:
        self._slowdown = slowdown
        self._quiet: dict[int, float] = {}  # seconds of a step without prompts, by the size of its number of rows
        self._token: float | None = None  # seconds that one more prompt token takes

    def limit(self, num_rows: int, budget: int) -> int:
        """Prompt tokens, at most `budget`, beside so many rows of streams. All of it where nothing is measured yet."""
        quiet = self._quiet_seconds(num_rows)
        if not num_rows or quiet is None or not self._token:
            return budget
        bearable = (self._slowdown - 1) * quiet / self._token  # may be infinite
        return int(min(budget, max(_MIN_TOKENS, bearable)))

    def observe(self, num_rows: int, num_prompt_tokens: int, seconds: float) -> None:
        """A step is done."""
        if not num_prompt_tokens:
            size = num_rows.bit_length()
            old = self._quiet.get(size, seconds)
            self._quiet[size] = old + (_FASTER if seconds < old else _SLOWER) * (seconds - old)
            return
        each = max(0.0, seconds - (self._quiet_seconds(num_rows) or 0.0)) / num_prompt_tokens
        share = _TOKEN_SHARE * min(1.0, num_prompt_tokens / _SURE_TOKENS)
        self._token = each if self._token is None else self._token + share * (each - self._token)

    def _quiet_seconds(self, num_rows: int) -> float | None:
        """Of about so many rows, or of the next fewer that were measured: rather too little than too much."""
        sizes = [size for size in self._quiet if 0 < size <= num_rows.bit_length()]
        return self._quiet[max(sizes)] if sizes else None


class DrainRate:
    """Prompt tokens that leave the queue in a second, cached ones included, while requests wait in it."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._seconds = 0.0

    @property
    def tokens_per_second(self) -> float | None:
        """Over the last half minute of waiting; None until there is enough to go by."""
        return self._tokens / self._seconds if self._seconds >= _LEARNING_SECONDS and self._tokens else None

    def observe(self, num_tokens: int, seconds: float) -> None:
        """In a step of so many seconds, prompts of so many tokens were read to their end."""
        past = math.exp(-seconds / _MEMORY_SECONDS)
        self._tokens = self._tokens * past + num_tokens
        self._seconds = self._seconds * past + seconds
