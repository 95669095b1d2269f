"""Our engine, by the code of `owngpt bench engine`.

python -m benchmarks.peers.ours FOLDER DTYPE THREADS
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.peers.turns import serve
from owngpt import __version__
from owngpt.engine.bench import EngineBench


class Ours:
    """See `turns.Engine`. Steps of the whole engine: scheduler, forward, sampler, commit."""

    def __init__(self, folder: str, dtype: str, threads: str) -> None:
        cache = Path(folder).parent / "data" / "cache" / "weights"
        self._bench = EngineBench(Path(folder), dtype=dtype, device="cpu", threads=int(threads), cache_dir=cache)
        self.about = f"owngpt {__version__}, {self._bench.numerics}"

    def prefill(self, tokens: int) -> list[float]:
        return [self._bench.prefill(tokens)]

    def decode(self, streams: int, context: int, steps: int) -> list[float]:
        return self._bench.decode(streams, context, steps)


if __name__ == "__main__":
    serve(lambda: Ours(*sys.argv[1:]))
