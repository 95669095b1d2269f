"""The threads between memory and disk: fair, bounded, and not to be killed by what they carry."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest

from owngpt.engine.block_io import BlockReader, BlockWriter, Reading
from owngpt.engine.kv_store import KVStore

SIZE = 10


def name(number: int) -> bytes:
    return bytes([number]) * 32


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KVStore]:
    """Blocks 0 to 29; block n is full of n."""
    opened = KVStore(tmp_path / "kv", 2**20)
    for number in range(30):
        opened.write(name(number), memoryview(bytes([number]) * SIZE))
    yield opened
    opened.close()


def reading(*numbers: int, is_wanted: bool = True) -> Reading:
    return Reading([name(number) for number in numbers], lambda: is_wanted)


def read(reader: BlockReader, count: int) -> list[int | None]:
    """The first byte of so many blocks."""
    found: list[int | None] = []
    while len(found) < count:
        blocks = reader.take(5)
        assert blocks, "nothing comes"
        found += [None if data is None else data[0] for _, data in blocks]
    return found


def test_readings_take_turns(store: KVStore) -> None:
    """Nobody waits for the whole of somebody else's conversation."""
    gate = threading.Event()
    reader = BlockReader(GatedStore(store, gate), SIZE)  # type: ignore[arg-type]
    reader.add(reading(0, 1, 2))
    reader.add(reading(10, 11, 12))
    gate.set()
    assert sorted(read(reader, 6)[:4], key=str) == [0, 1, 10, 11]
    reader.close()


class GatedStore:
    """Reads once the gate is open."""

    def __init__(self, store: KVStore, gate: threading.Event) -> None:
        self._store, self._gate = store, gate

    def read(self, name: bytes, num_bytes: int) -> memoryview | None:
        assert self._gate.wait(5)
        return self._store.read(name, num_bytes)


def test_no_more_is_read_ahead_than_fits_beside_the_engine(store: KVStore) -> None:
    reader = BlockReader(store, SIZE)
    job = reading(*range(30))
    reader.add(job)
    assert read(reader, 30) == list(range(30))
    again = reading(*range(30))
    reader.add(again)
    while again.num_read < 8:
        sleep(0.001)
    sleep(0.02)
    assert again.num_read == 8
    reader.close()


def test_a_miss_ends_a_reading(store: KVStore) -> None:
    reader = BlockReader(store, SIZE)
    reader.add(reading(0, 99, 1))
    assert read(reader, 2) == [0, None]
    assert reader.take(0.05) == []
    reader.close()


def test_what_nobody_wants_is_not_read(store: KVStore) -> None:
    reader = BlockReader(store, SIZE)
    reader.add(reading(0, 1, is_wanted=False))
    reader.add(reading(2))
    assert read(reader, 1) == [2]
    reader.close()


def test_a_failure_is_a_miss_and_the_thread_goes_on(store: KVStore) -> None:
    class Broken:
        def read(self, name: bytes, num_bytes: int) -> memoryview | None:
            if name == bytes(32):
                raise MemoryError
            return store.read(name, num_bytes)

    reader = BlockReader(Broken(), SIZE)  # type: ignore[arg-type]
    reader.add(reading(0))
    assert read(reader, 1) == [None]
    reader.add(reading(1))
    assert read(reader, 1) == [1]
    reader.close()


def test_a_writer_keeps_the_order_survives_failures_and_says_when_it_is_full() -> None:
    done: list[int] = []
    gate, writer = threading.Event(), BlockWriter()
    writer.add(gate.wait)
    writer.add(lambda: [][1])
    count = 0
    while not writer.is_full:
        writer.add(lambda number=count: done.append(number))  # type: ignore[misc]
        count += 1
    assert count <= 8
    gate.set()
    writer.close()
    assert done == list(range(count))
