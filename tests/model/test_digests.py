"""What a file holds is read once, and again as soon as anything about it has changed."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest

from owngpt.errors import CheckpointError
from owngpt.model.digests import Digests, combined


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that was written long ago, as far as the clock can tell."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"a" * 1000)
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 10**10)
    return file


def reads(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is hashed from now on."""
    seen: list[object] = []
    digest = hashlib.file_digest

    def counted(file: Any, name: str) -> Any:
        seen.append(file)
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    return seen


def test_it_is_what_sha256sum_prints(weights: Path, tmp_path: Path) -> None:
    assert Digests().of([weights, weights]) == [hashlib.sha256(b"a" * 1000).hexdigest()] * 2
    assert Digests(tmp_path / "memory.json").of([]) == []


def test_an_untouched_file_is_read_once(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, seen = tmp_path / "data" / "digests.json", reads(monkeypatch)
    [first] = Digests(memory).of([weights])
    assert Digests(memory).of([weights]) == [first]
    assert len(seen) == 1


def test_an_edit_in_the_middle_is_seen_even_if_its_time_is_put_back(weights: Path, tmp_path: Path) -> None:
    digests, before = Digests(tmp_path / "memory.json"), weights.stat()
    [first] = digests.of([weights])
    with weights.open("r+b") as file:
        file.seek(500)
        file.write(b"b")
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert weights.stat().st_mtime_ns == before.st_mtime_ns
    assert digests.of([weights]) != [first]


def test_a_file_that_was_just_written_is_not_trusted_to_its_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, digests, seen = tmp_path / "new", Digests(tmp_path / "memory.json"), reads(monkeypatch)
    file.write_bytes(b"a")
    digests.of([file])
    digests.of([file])
    assert len(seen) == 2


def test_a_link_is_what_it_points_to(weights: Path, tmp_path: Path) -> None:
    link = tmp_path / "snapshot.safetensors"
    link.symlink_to(weights)
    assert Digests().of([link]) == Digests().of([weights])


@pytest.mark.parametrize("broken", ["", "[]", '{"x": 3}', "\x00"])
def test_a_broken_memory_only_costs_time(weights: Path, tmp_path: Path, broken: str) -> None:
    memory = tmp_path / "memory.json"
    memory.write_text(broken)
    assert Digests(memory).of([weights]) == Digests().of([weights])


def test_a_memory_that_cannot_be_written_only_costs_time(weights: Path, tmp_path: Path) -> None:
    assert Digests(weights / "no folder" / "memory.json").of([weights]) == Digests().of([weights])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors cannot be read"):
        Digests().of([tmp_path / "nothing.safetensors"])


def test_shards_may_come_in_any_order() -> None:
    assert combined(["a", "b"]) == combined(["b", "a"])
    assert combined(["a", "b"]) != combined(["a"])
