"""Receipts are written beside the answers, several in one commit, and none waits or fails for another."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from owngpt.service.recording import ReceiptWriter
from owngpt.store.db import SQLite
from owngpt.store.projects import Projects
from owngpt.store.receipts import Receipt, Receipts


def test_one_that_cannot_be_written_takes_no_other_with_it(tmp_path: Path) -> None:
    database = SQLite(tmp_path / "owngpt.db")
    store, project = Receipts(database), Projects(database).ensure("research")
    writer, all_are_there = ReceiptWriter(store), threading.Event()

    def receipt(number: int) -> Receipt:
        all_are_there.wait()
        return Receipt(f"chatcmpl-{number}", project.id, 100, "chat", "garlic", "d", "{}", "{}", "[]")

    written = [writer.put(lambda number=number: receipt(number)) for number in (1, 2, 2, 3)]
    all_are_there.set()
    writer.close()
    assert [future.exception() is None for future in written] == [True, True, False, True]
    with pytest.raises(Exception, match="UNIQUE constraint failed"):
        written[2].result()
    assert len(store.list()) == 3
