"""Numbers in memory that outlives the process: what was written is there, what was torn is not believed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from owngpt.store.journal import _COPIES, MAX_HEAD_BYTES, SLOT_BYTES, SLOTS_PER_FILE, SUFFIX, Entry, Journal, abandoned


def left_in(folder: Path) -> list[Entry]:
    with abandoned(folder) as entries:
        return entries


def file_of(folder: Path) -> Path:
    [file] = folder.glob(f"*{SUFFIX}")
    return file


def write_and_die(folder: Path) -> None:
    journal = Journal(folder)
    ended = journal.begin(b"ended")
    for number in range(SLOTS_PER_FILE + 1):
        slot = journal.begin(b"%d" % number)
        slot.update(number, 1, 2, 3, -4)
        slot.update(number, 10, 20, 30, -40)
    journal.end(ended)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_leaves_all_that_it_wrote(tmp_path: Path) -> None:
    """Also more entries than one file has slots. Reading them deletes them."""
    process = multiprocessing.get_context("spawn").Process(target=write_and_die, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    expected = {(b"%d" % number, (number, 10, 20, 30, -40)) for number in range(SLOTS_PER_FILE + 1)}
    assert set(left_in(tmp_path)) == expected
    assert list(tmp_path.iterdir()) == []


def test_what_a_living_process_holds_is_left_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    slot = journal.begin(b"running")
    assert left_in(tmp_path) == []
    slot.update(1, 2, 3, 4, 5)
    journal.close()
    assert left_in(tmp_path) == [(b"running", (1, 2, 3, 4, 5))]


def test_a_file_without_open_entries_is_deleted_at_the_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.end(journal.begin(b"a"))
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_what_fails_to_be_kept_is_left_for_the_next_time(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(b"a")
    journal.close()
    with pytest.raises(ZeroDivisionError), abandoned(tmp_path) as entries:
        raise ZeroDivisionError(entries)
    assert left_in(tmp_path) == [(b"a", (0, 0, 0, 0, 0))]


@pytest.mark.parametrize("torn", range(2))
def test_a_torn_update_leaves_the_one_before_it(tmp_path: Path, torn: int) -> None:
    journal = Journal(tmp_path)
    slot = journal.begin(b"a")
    slot.update(7, 0, 0, 0, 0)
    slot.update(8, 0, 0, 0, 0)
    journal.close()
    file = file_of(tmp_path)
    memory = bytearray(file.read_bytes())
    offset = memory.index(b"a", 8) - 8
    memory[offset + _COPIES[torn] + 9] ^= 1
    file.write_bytes(memory)
    assert left_in(tmp_path) == [(b"a", (8 - (torn == 0), 0, 0, 0, 0))]


def test_a_torn_head_is_no_entry(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(b"somebody")
    journal.close()
    file = file_of(tmp_path)
    file.write_bytes(file.read_bytes().replace(b"somebody", b"someb\0dy"))
    assert left_in(tmp_path) == []


def test_numbers_of_an_earlier_entry_never_pass_for_a_later_ones(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    slot = journal.begin(b"first")
    slot.update(9, 9, 9, 9, 9)
    journal.end(slot)
    assert journal.begin(b"other") is slot
    journal.close()
    assert left_in(tmp_path) == [(b"other", (0, 0, 0, 0, 0))]


def test_any_other_bytes_are_no_entry(tmp_path: Path) -> None:
    (tmp_path / f"1-junk{SUFFIX}").write_bytes(os.urandom(SLOT_BYTES * 3 + 17))
    (tmp_path / f"2-empty{SUFFIX}").write_bytes(b"")
    assert left_in(tmp_path) == []


def test_a_head_has_a_longest_size(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(b"x" * MAX_HEAD_BYTES).update(1, 2, 3, 4, 5)
    journal.close()
    assert left_in(tmp_path) == [(b"x" * MAX_HEAD_BYTES, (1, 2, 3, 4, 5))]
