"""Blocks in a folder: what comes back is what was written, or nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owngpt.engine.kv_store import KVStore
from owngpt.errors import ConfigError

SIZE = 100
FILE = SIZE + 32


def name(number: int) -> bytes:
    return bytes([number]) * 32


def data(number: int) -> memoryview:
    return memoryview(bytes([number]) * SIZE)


def opened(folder: Path, num_files: int = 10, *numbers: int) -> KVStore:
    """A store with room for some files, and with these in it."""
    store = KVStore(folder / "kv", num_files * FILE)
    for number in numbers:
        assert store.write(name(number), data(number))
    return store


def only_file(folder: Path) -> Path:
    (path,) = (folder / "kv").glob("*.kv")
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    store = opened(tmp_path, 10, 1)
    assert name(1) in store
    assert store.read(name(1), SIZE) == data(1)
    assert store.read(name(2), SIZE) is None


def test_blocks_outlive_the_process(tmp_path: Path) -> None:
    opened(tmp_path, 10, 1, 2).close()
    store = opened(tmp_path)
    assert (len(store), store.num_bytes) == (2, 2 * FILE)
    assert store.read(name(2), SIZE) == data(2)


@pytest.mark.parametrize("position", [0, 31, 32, FILE - 1])
def test_a_flipped_bit_is_noticed_and_the_file_is_gone(tmp_path: Path, position: int) -> None:
    store = opened(tmp_path, 10, 1)
    content = bytearray(only_file(tmp_path).read_bytes())
    content[position] ^= 0x10
    only_file(tmp_path).write_bytes(content)
    assert store.read(name(1), SIZE) is None
    assert name(1) not in store
    assert store.num_bytes == 0
    assert not list((tmp_path / "kv").glob("*.kv"))


@pytest.mark.parametrize("size", [0, 10, 32, FILE - 1, FILE + 1])
def test_a_file_of_another_length_is_not_believed(tmp_path: Path, size: int) -> None:
    store = opened(tmp_path, 10, 1)
    only_file(tmp_path).write_bytes(only_file(tmp_path).read_bytes().ljust(size, b"\0")[:size])
    assert store.read(name(1), SIZE) is None
    assert name(1) not in store


def test_a_block_under_another_name_is_not_believed(tmp_path: Path) -> None:
    store = opened(tmp_path, 10, 1, 2)
    (tmp_path / "kv" / f"{name(1).hex()}.kv").replace(tmp_path / "kv" / f"{name(2).hex()}.kv")
    assert store.read(name(2), SIZE) is None


def test_a_block_made_with_another_secret_is_not_believed(tmp_path: Path) -> None:
    opened(tmp_path, 10, 1).close()
    (tmp_path / "kv" / "key").unlink()
    assert opened(tmp_path).read(name(1), SIZE) is None


def test_a_file_that_somebody_deleted_is_a_miss(tmp_path: Path) -> None:
    store = opened(tmp_path, 10, 1)
    only_file(tmp_path).unlink()
    assert store.read(name(1), SIZE) is None
    assert store.num_bytes == 0


def test_nobody_else_can_look(tmp_path: Path) -> None:
    opened(tmp_path, 10, 1)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "kv").iterdir()}
    assert set(modes.values()) == {0o600}
    assert (tmp_path / "kv").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_open_to_others_is_refused_unless_it_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "kv"
    folder.mkdir(mode=0o755)
    opened(tmp_path).close()
    folder.chmod(0o755)
    with pytest.raises(ConfigError, match="chmod 700"):
        opened(tmp_path)


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    store = opened(tmp_path).retain().retain()
    with pytest.raises(ConfigError, match="in use"):
        opened(tmp_path)
    store.close()
    with pytest.raises(ConfigError, match="in use"):
        opened(tmp_path)
    store.close()
    opened(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "kv").write_text("a file")
    with pytest.raises(ConfigError, match="kv cannot be used"):
        opened(tmp_path)


def test_the_oldest_block_makes_room(tmp_path: Path) -> None:
    store = opened(tmp_path, 3, 1, 2, 3)
    store.touch([name(1)])
    store.write(name(4), data(4))
    assert [number for number in (1, 2, 3, 4) if name(number) in store] == [1, 3, 4]
    assert store.num_bytes == 3 * FILE
    assert len(list((tmp_path / "kv").glob("*.kv"))) == 3


def test_age_outlives_the_process(tmp_path: Path) -> None:
    store = opened(tmp_path, 3, 1, 2, 3)
    store.touch([name(2), name(3), name(1)])
    store.close()
    store = opened(tmp_path, 2)
    assert [number for number in (1, 2, 3) if name(number) in store] == [1, 3]


def test_a_chain_is_not_cut_to_make_room_for_its_own_end(tmp_path: Path) -> None:
    store = opened(tmp_path, 2, 1, 2)
    assert not store.write(name(3), data(3), keep={name(1), name(2)})
    assert not store.write(name(4), memoryview(bytes(3 * FILE)))
    assert name(3) not in store
    assert store.write(name(5), data(5), keep={name(2)})


def test_a_full_disk_is_no_more_than_a_miss(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = opened(tmp_path)
    for number in (1, 2):
        (tmp_path / "kv" / f"{name(number).hex()}.tmp").mkdir()  # nothing can be written there
        assert not store.write(name(number), data(number))
    assert name(1) not in store
    assert len(caplog.records) == 1


KILLED = """
import sys
from pathlib import Path
from owngpt.engine.kv_store import KVStore
store = KVStore(Path(sys.argv[1]), 2**30)
print("ready", flush=True)
number = 0
while True:
    number += 1
    store.write(number.to_bytes(32), memoryview(bytes([number % 256]) * 200_000))
"""


def test_killed_while_writing_it_leaves_nothing_wrong(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "kv")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    while len(list((tmp_path / "kv").glob("*.kv"))) < 20:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    store = KVStore(tmp_path / "kv", 2**30)
    assert len(store) >= 20
    for path in (tmp_path / "kv").glob("*.kv"):
        number = int(path.stem, 16)
        assert store.read(number.to_bytes(32), 200_000) == memoryview(bytes([number % 256]) * 200_000)
    assert not list((tmp_path / "kv").glob("*.tmp"))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("wrtx"), st.integers(0, 7)), max_size=40))
def test_any_order_of_operations_keeps_the_books_right(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    store = opened(folder, 4)
    for operation, number in operations:
        if operation == "w":
            assert store.write(name(number), data(number))
        elif operation == "r":
            assert store.read(name(number), SIZE) in (None, data(number))
        elif operation == "t":
            store.touch([name(number)])
        else:
            store.close()
            store = opened(folder, 4)
        files = list((folder / "kv").glob("*.kv"))
        assert store.num_bytes == sum(path.stat().st_size for path in files) <= store.max_bytes
        assert len(store) == len(files)
    store.close()
