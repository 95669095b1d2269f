"""Weight cache: a packed model as one safetensors file, written while it is packed, and mapped ever after.

Every tensor begins at a multiple of 64 bytes, so that kernels read the mapping as it is. A file appears under its
name only when all of it is on disk. What a crash or a failing disk left behind is found by the file's length and a
digest of its header and of samples of its data, and is worth nothing: the caller packs again.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from owngpt.kernels.packed import Format, PackedWeight

ALIGNMENT = 64
_TENSORS = ("data", "scale_N", "group_scale", "group_min", "bias_N")  # of a PackedWeight
_NUMBERS = ("format", "n", "k", "group", "zero", "lut")
_NAMES = {torch.uint8: "U8", torch.float32: "F32", torch.float16: "F16"}
_HEADER_BYTES = 1024  # room for one weight
_SAMPLES, _SAMPLE_BYTES = 64, 4096
_FORGOTTEN = 3600  # seconds after which a half-written file has no writer any more


class Parts(NamedTuple):
    """What `PackedModel` consists of."""

    weights: dict[str, PackedWeight]
    vectors: dict[str, Tensor]


def write(
    path: Path, weights: Iterable[tuple[str, PackedWeight]], vectors: dict[str, Tensor], num_weights: int
) -> None:
    """Write each of `num_weights` weights as it comes; none is kept. Raises `OSError`; then nothing has changed."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _forget_halves(path.parent)
    half = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")  # process ids are the same in many containers
    try:
        with half.open("w+b") as file:
            writer = _Writer(file, num_weights + len(vectors))
            for name, vector in vectors.items():
                writer.add(name, vector)
            for name, weight in weights:
                writer.add_weight(name, weight)
                del weight  # before the next one is made
            writer.finish()
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def read(path: Path) -> Parts | None:
    """Map what `write` has written; None where there is no file, or one that is damaged."""
    try:
        with path.open("rb") as file:
            header = _checked_header(file)
        if header is None:
            return None
        numbers = json.loads(header["__metadata__"]["weights"])
        with safe_open(path, framework="pt") as tensors:
            weights = {name: _weight(tensors, header, name, values) for name, values in numbers.items()}
            owned = {f"{name}.{part}" for name in weights for part in _TENSORS}
            names = header.keys() - owned - {"__metadata__"}
            vectors = {name: tensors.get_tensor(name) for name in names if not name.startswith("padding.")}
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    return Parts(weights, vectors)


class _Writer:
    """Lays tensors one after the other behind the room for the header, which is written last."""

    def __init__(self, file: BinaryIO, num_weights: int) -> None:
        self.file = file
        self.entries: dict[str, Any] = {}
        self.weights: dict[str, list[Any]] = {}
        self.header_bytes = ALIGNMENT * _HEADER_BYTES + num_weights * _HEADER_BYTES - 8
        self.offset = 0
        file.seek(8 + self.header_bytes)

    def add_weight(self, name: str, weight: PackedWeight) -> None:
        self.weights[name] = [getattr(weight, number) for number in _NUMBERS]
        for part in _TENSORS:
            tensor = getattr(weight, part)
            if tensor is not None:
                self.add(f"{name}.{part}", tensor)

    def add(self, name: str, tensor: Tensor) -> None:
        self._put(name, _NAMES[tensor.dtype], list(tensor.shape), _bytes(tensor))
        padding = -self.offset % ALIGNMENT
        if padding:  # safetensors allows no holes
            self._put(f"padding.{len(self.entries)}", "U8", [padding], memoryview(bytes(padding)))

    def finish(self) -> None:
        """Write the header."""
        metadata = {"weights": json.dumps(self.weights, separators=(",", ":"))}
        header = {"__metadata__": metadata, **self.entries}
        self.file.flush()
        start = 8 + self.header_bytes
        metadata["check"] = _check(self.file, header, start, start + self.offset)
        text = json.dumps(header, separators=(",", ":")).encode()
        assert len(text) <= self.header_bytes, f"a header of {len(text)} bytes; {self.header_bytes} are free"
        self.file.seek(0)
        self.file.write(self.header_bytes.to_bytes(8, "little") + text.ljust(self.header_bytes))

    def _put(self, name: str, dtype: str, shape: list[int], content: memoryview) -> None:
        end = self.offset + content.nbytes
        self.entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [self.offset, end]}
        self.file.write(content)
        self.offset = end


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.contiguous().view(-1).view(torch.uint8).numpy().data


def _weight(tensors: Any, header: dict[str, Any], name: str, values: list[Any]) -> PackedWeight:
    fields: dict[str, Any] = dict(zip(_NUMBERS, values, strict=True))
    fields["format"] = Format(fields["format"])
    fields["lut"] = None if fields["lut"] is None else tuple(fields["lut"])
    for part in _TENSORS:
        fields[part] = tensors.get_tensor(f"{name}.{part}") if f"{name}.{part}" in header else None
    return PackedWeight(**fields)


def _checked_header(file: BinaryIO) -> dict[str, Any] | None:
    """The header of a whole and undamaged file."""
    length = int.from_bytes(file.read(8), "little")
    size = os.fstat(file.fileno()).st_size
    if not 0 < length <= size - 8:
        return None
    header: dict[str, Any] = json.loads(file.read(length))
    check = header["__metadata__"].pop("check")
    end = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    if size != 8 + length + end or _check(file, header, 8 + length, size) != check:
        return None
    return header


def _check(file: BinaryIO, header: dict[str, Any], start: int, end: int) -> str:
    """Digest of the header, and of pieces all over the data: a hole or a lost end changes it."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for piece in range(_SAMPLES):
        file.seek(start + (end - start) * piece // _SAMPLES)
        digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def _forget_halves(folder: Path) -> None:
    for half in folder.glob("*.part"):
        with suppress(FileNotFoundError):  # its writer has finished it
            if half.stat().st_mtime < time.time() - _FORGOTTEN:
                half.unlink()
