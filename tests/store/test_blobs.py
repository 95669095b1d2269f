"""Bytes come and go with the rows that name them, whoever is at it at the same time."""

from __future__ import annotations

import errno
import os
import random
import threading
from pathlib import Path

import pytest

from owngpt.errors import NotFound, PayloadTooLarge, ServiceUnavailable
from owngpt.store import blobs
from owngpt.store.blobs import Blobs
from owngpt.store.db import Database
from owngpt.store.files import File, Files, NewFile
from owngpt.store.projects import Projects


@pytest.fixture
def files(database: Database, tmp_path: Path) -> Files:
    return Files(database, Blobs(tmp_path / "data" / "files"))


@pytest.fixture
def project(database: Database) -> str:
    return Projects(database).ensure().id


def add(files: Files, project: str, content: bytes, readers: frozenset[str] = frozenset()) -> File:
    with files.blobs.writer(2**20) as writer:
        writer.write(content)
        return files.add(NewFile(project, "a", "assistants", readers), writer.end())


def on_disk(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "data" / "files").rglob("*") if path.is_file()}


def test_bytes_lie_under_their_hash_for_their_owner_alone(files: Files, project: str, tmp_path: Path) -> None:
    file = add(files, project, b"hello")
    assert file.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    place = tmp_path / "data" / "files" / "2c" / file.sha256
    assert place.read_bytes() == b"hello"
    modes = {path.stat().st_mode & 0o777 for path in (place, place.parent, place.parent.parent)}
    assert modes == {0o600, 0o700}
    assert on_disk(tmp_path) == {file.sha256}


def test_what_is_not_kept_is_gone(files: Files, tmp_path: Path) -> None:
    with pytest.raises(PayloadTooLarge, match="over 10 bytes"), files.blobs.writer(10) as writer:
        writer.write(b"x" * 11)
    assert on_disk(tmp_path) == set()


def test_a_full_disk_is_said_and_leaves_nothing(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(ServiceUnavailable, match="disk is full; nothing was kept"), files.blobs.writer(10) as writer:
        writer.write(b"x")
    assert on_disk(tmp_path) == set()


def test_a_row_that_cannot_be_written_leaves_a_blob_that_the_next_start_collects(
    files: Files, database: Database, tmp_path: Path
) -> None:
    with pytest.raises(Exception, match=r"FOREIGN KEY|foreign key"):
        add(files, "proj_none", b"hello")
    assert len(on_disk(tmp_path)) == 1
    assert files.blobs.collect(database) == 1
    assert on_disk(tmp_path) == set()


def test_a_name_counts_when_it_is_synced_also_where_somebody_was_killed_before_that(
    files: Files, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(folder: Path) -> None:
        raise SystemExit

    synced: list[Path] = []
    monkeypatch.setattr(blobs, "_sync_folder", die)
    with pytest.raises(SystemExit):
        add(files, project, b"hello")
    monkeypatch.setattr(blobs, "_sync_folder", synced.append)
    place = files.blobs.path(add(files, project, b"hello").sha256)
    assert synced == [place.parent, place.parent.parent]


def test_an_open_file_stays_readable_when_it_is_deleted(files: Files, project: str) -> None:
    file = add(files, project, b"hello")
    with files.open(file) as content:
        files.delete(project, file.id)
        assert content.read() == b"hello"
    with pytest.raises(NotFound):
        files.open(file)


def test_temporary_files_are_collected_unless_somebody_is_at_them(
    files: Files, project: str, database: Database, tmp_path: Path
) -> None:
    incoming = tmp_path / "data" / "files" / "incoming"
    (incoming / "left").write_bytes(b"by a process that is dead")
    with files.blobs.writer(10) as writer:
        writer.write(b"hello")
        files.blobs.collect(database)
        staged = writer.end()
        files.blobs.collect(database)
        assert list(incoming.iterdir()) == [staged.path]
        file = files.add(NewFile(project, "f", "assistants"), staged)
    assert list(incoming.iterdir()) == []
    with files.open(file) as stored:
        assert stored.read() == b"hello"


def test_equal_bytes_come_and_go_at_the_same_time(files: Files, project: str, database: Database) -> None:
    """Four threads add and delete files of the same three contents, and a fifth collects: whoever has a file has its
    bytes, and at the end nothing is left."""
    failures: list[str] = []
    is_over = threading.Event()

    def work(seed: int) -> None:
        choice = random.Random(seed)
        for _ in range(25):
            content = b"abc"[choice.randrange(3) :][:1]
            file = add(files, project, content)
            try:
                with files.open(file) as stored:
                    assert stored.read() == content
            except Exception as error:
                failures.append(repr(error))
            files.delete(project, file.id)

    def collect() -> None:
        while not is_over.is_set():
            files.blobs.collect(database)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    collector = threading.Thread(target=collect)
    for thread in (*threads, collector):
        thread.start()
    for thread in threads:
        thread.join()
    is_over.set()
    collector.join()
    assert failures == []
    assert files.blobs.collect(database) == 0


def test_what_depends_on_a_file_goes_with_it(files: Files, project: str) -> None:
    gone: list[str] = []
    files.on_removal(lambda transaction, file_id: gone.append(file_id))
    file = add(files, project, b"hello")
    with pytest.raises(NotFound):
        files.delete("proj_other", file.id)
    assert gone == []
    files.delete(project, file.id)
    assert gone == [file.id]


def test_readers_are_asked_in_every_query(files: Files, project: str) -> None:
    file = add(files, project, b"hello", frozenset({"user:1", "group:hr"}))
    assert files.find(project, file.id, {"group:hr", "key:9"}).readers == {"user:1", "group:hr"}
    assert files.find(project, file.id).id == file.id  # the server's own work
    for principals in ({"user:2"}, {"user:1 "}, set[str]()):
        with pytest.raises(NotFound):
            files.find(project, file.id, principals)
        with pytest.raises(NotFound):
            files.delete(project, file.id, principals)
