"""How small general compressors make texts, as a baseline for models of language."""

from __future__ import annotations

import importlib
import lzma
import math
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence

from owngpt.evals.task import Answer, Item

Compress = Callable[[bytes], bytes]


def xz(text: bytes) -> bytes:
    """`xz -9e`, without the container's header and checksums."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    return lzma.compress(text, lzma.FORMAT_RAW, filters=filters)


def find_zstd() -> Compress | None:
    """`zstd --ultra -22`: Python's own (3.14), the package `zstandard`, or the program; None where there is none."""
    for module, name in (("compression.zstd", "compress"), ("zstandard", "compress")):
        try:
            compress = getattr(importlib.import_module(module), name)
        except ImportError:
            continue
        return lambda text: bytes(compress(text, 22))
    program = shutil.which("zstd")
    return (lambda text: _run([program, "--ultra", "-22", "-c"], text)) if program else None


def compressed_by(compress: Compress) -> Callable[[Sequence[Item]], list[Answer]]:
    """A baseline: all texts as one, its bits divided among them by their bytes."""

    def answer(items: Sequence[Item]) -> list[Answer]:
        sizes = [len(item.choices[0].encode()) for item in items]
        whole = "\n".join(item.choices[0] for item in items).encode()
        nats_per_byte = 8 * math.log(2) * len(compress(whole)) / len(whole)
        return [Answer(scores=(-size * nats_per_byte,)) for size in sizes]

    return answer


def compressors() -> Mapping[str, Callable[[Sequence[Item]], list[Answer]]]:
    """Those that are at hand, by name."""
    zstd = find_zstd()
    found = {"xz -9": compressed_by(xz)}
    return found if zstd is None else {**found, "zstd --ultra -22": compressed_by(zstd)}


def _run(command: Sequence[str], text: bytes) -> bytes:
    return subprocess.run(command, input=text, capture_output=True, check=True).stdout
