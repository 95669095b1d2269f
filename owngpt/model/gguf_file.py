"""A GGUF file: its metadata and where its tensors lie. Version 2 and 3 of the format, little-endian.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. What values mean is `gguf.py`'s business, and
how tensors are quantized `gguf_blocks.py`'s.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from owngpt.errors import CheckpointError

_MAGIC = b"GGUF"
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_ALIGNMENT = 32
_MOST_DIMENSIONS = 4  # of ggml's tensors
_LONGEST_HEADER = 2**26  # bytes; vocabularies take about ten million, and as Python values several times as much


def gguf_file(path: Path) -> Path | None:
    """The GGUF file that a path is, or that is all the weights of a folder; None where there is no such file.

    `CheckpointError` for a folder with several.
    """
    if path.is_file():
        return path if path.suffix == ".gguf" else None
    found = sorted(path.glob("*.gguf"))
    if not found or any(path.glob("*.safetensors")):
        return None
    if len(found) > 1:
        raise CheckpointError(f"{path} has {len(found)} GGUF files; name one of them: {found[0]}")
    return found[0]


class GGUFTensor(NamedTuple):
    """Where a tensor lies. Its shape is as in PyTorch: outputs first, inputs (which are contiguous) last."""

    name: str
    shape: tuple[int, ...]
    kind: int  # ggml's number of the format
    start: int  # byte in the file


class GGUFFile(NamedTuple):
    """What a file says, and its bytes, mapped."""

    path: Path
    fields: Mapping[str, Any]  # "general.architecture": "qwen3"; arrays are lists
    tensors: Mapping[str, GGUFTensor]
    content: mmap.mmap

    @classmethod
    def open(cls, path: Path) -> GGUFFile:
        """Reads the header. `CheckpointError` when it is not whole."""
        try:
            with path.open("rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # torch wants what can be written
            return cls(path, *_read_header(content), content)
        except (OSError, struct.error, ValueError, IndexError, OverflowError, MemoryError) as error:
            raise CheckpointError(f"{path} cannot be read as GGUF: {error}; fetch it again") from error


class _Cursor:
    """Reads values one after the other."""

    def __init__(self, content: mmap.mmap) -> None:
        self.content = content
        self.end = min(len(content), _LONGEST_HEADER)
        self.place = 0

    def take(self, form: str) -> Any:
        """One scalar."""
        (value,) = struct.unpack_from(f"<{form}", self.content, self.place)
        self.place += struct.calcsize(f"<{form}")
        return value

    def many(self, form: str, count: int) -> list[Any]:
        whole = f"<{self._possible(count, struct.calcsize(form))}{form}"
        values = struct.unpack_from(whole, self.content, self.place)
        self.place += struct.calcsize(whole)
        return list(values)

    def text(self) -> str:
        size = self._possible(self.take("Q"), 1)
        start, self.place = self.place, self.place + size
        return self.content[start : self.place].decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            return self.take(_form(kind))
        inner, count = self.take("I"), self.take("Q")
        if inner == _STRING:
            return [self.text() for _ in range(self._possible(count, 8))]
        return self.many(_form(inner), count)

    def _possible(self, count: int, size: int) -> int:
        """The count, if the header has room for so many."""
        if count * size > self.end - self.place:
            raise ValueError(f"{count} values at byte {self.place} of its header go beyond byte {self.end}")
        return count


def _form(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError(f"a value has type {kind}")
    return _SCALARS[kind]


def _read_header(content: mmap.mmap) -> tuple[dict[str, Any], dict[str, GGUFTensor]]:
    if content[:4] != _MAGIC:
        raise ValueError("it does not begin with GGUF")
    cursor = _Cursor(content)
    cursor.place = 4
    version = cursor.take("I")
    if version not in (2, 3):
        raise ValueError(f"its version is {version}, not 2 or 3 (or its bytes are in the other order)")
    num_tensors, num_fields = cursor.take("Q"), cursor.take("Q")
    fields: dict[str, Any] = {}
    for _ in range(num_fields):
        name = cursor.text()
        fields[name] = cursor.value(cursor.take("I"))
    tensors = [_read_tensor(cursor) for _ in range(num_tensors)]
    start = _aligned(cursor.place, fields.get("general.alignment", _ALIGNMENT))
    return fields, {tensor.name: tensor._replace(start=start + tensor.start) for tensor in tensors}


def _read_tensor(cursor: _Cursor) -> GGUFTensor:
    name, num_dimensions = cursor.text(), cursor.take("I")
    if not 1 <= num_dimensions <= _MOST_DIMENSIONS:
        raise ValueError(f"tensor {name} has {num_dimensions} dimensions")
    sizes = cursor.many("Q", num_dimensions)
    return GGUFTensor(name, tuple(reversed(sizes)), cursor.take("I"), cursor.take("Q"))


def _aligned(place: int, alignment: Any) -> int:
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError(f"general.alignment is {alignment!r}")
    return place + -place % alignment
