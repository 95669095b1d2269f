"""What runs in each engine's process: it does one turn when a line comes in, and waits.

Only the standard library: this is imported in environments that have nothing else of ours. A turn comes as a JSON
object on standard input, `{"do": "decode", "streams": 4, ...}`, and the seconds it took go back as a JSON list. What
libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol


class Engine(Protocol):
    """What an engine must be able to do. `about` says in words what is timed, for the report."""

    about: str

    def prefill(self, tokens: int) -> list[float]:
        """Seconds from a prompt of so many tokens to the logits of its last."""
        ...

    def decode(self, streams: int, context: int, steps: int) -> list[float]:
        """Seconds of each of `steps` steps of so many sequences, from `context` tokens each."""
        ...


def serve(make: Callable[[], Engine]) -> None:
    """Build the engine, say what it is, and do turns until standard input ends."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        engine = make()
        print(json.dumps(engine.about), file=answers, flush=True)
        for line in sys.stdin:
            turn = json.loads(line)
            seconds = getattr(engine, turn.pop("do"))(**turn)
            print(json.dumps(seconds), file=answers, flush=True)


def timed(work: Callable[..., object], *arguments: Any) -> float:
    """Seconds that it took."""
    begin = perf_counter()
    work(*arguments)
    return perf_counter() - begin
