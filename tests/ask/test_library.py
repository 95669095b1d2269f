"""The index of a folder: what is read, what is read again, and what is forgotten."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from owngpt.cli.folder import look
from owngpt.cli.library import Changes, Library
from owngpt.service.app import App
from owngpt.store.ingest_queue import IngestQueue
from tests.fakes.engine import make_app

pytestmark = pytest.mark.anyio


class Shelf:
    """A folder, and its library in one App after the other, as `owngpt ask` is called again and again."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self._data = folder, data
        self._apps: list[App] = []
        self.told: list[tuple[int, int, str]] = []

    def open(self, **kwargs: bool) -> Library:
        self.close()
        self._apps.append(make_app(folder=self._data, **kwargs))
        return Library(self._apps[-1], self.folder)

    async def refresh(self, library: Library | None = None) -> Changes:
        library = library or self.open()
        return await library.refresh(look(self.folder, 1024**3), lambda *news: self.told.append(news))

    @property
    def app(self) -> App:
        return self._apps[-1]

    def read(self) -> dict[str, str]:
        return {file.filename: file.status for file in self.open().files()}

    def close(self) -> None:
        while self._apps:
            self._apps.pop().close()


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    folder = tmp_path / "folder"
    data = tmp_path / "data"
    folder.mkdir()
    data.mkdir()
    (folder / "a.txt").write_text("Sick leave needs a note.")
    (folder / "b.md").write_text("# Travel\n\nBook it in Concur.")
    shelf = Shelf(folder, data)
    yield shelf
    shelf.close()


async def test_only_what_has_changed_is_read_again(shelf: Shelf) -> None:
    assert await shelf.refresh() == Changes(new=2)
    assert await shelf.refresh() == Changes()
    (shelf.folder / "a.txt").write_text("Sick leave needs no note.")
    (shelf.folder / "sub").mkdir()
    (shelf.folder / "b.md").rename(shelf.folder / "sub" / "c.md")
    assert await shelf.refresh() == Changes(new=1, changed=1, gone=1)
    assert shelf.read() == {"a.txt": "completed", "sub/c.md": "completed"}


async def test_a_file_that_was_only_touched_is_not_read_again(shelf: Shelf) -> None:
    await shelf.refresh()
    before = {file.filename: file.id for file in shelf.open().files()}
    os.utime(shelf.folder / "a.txt", (1, 1))
    assert await shelf.refresh() == Changes()
    after = shelf.open().files()
    assert {file.filename: file.id for file in after} == before
    assert any(str(file.attributes["stamp"]).split("-")[1] == "1000000000" for file in after)


async def test_the_same_length_and_time_with_other_content_is_noticed(shelf: Shelf) -> None:
    await shelf.refresh()
    file = shelf.folder / "a.txt"
    status = file.stat()
    file.write_text("Sick leave needs a NOTE.")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert await shelf.refresh() == Changes(changed=1)


async def test_the_index_keeps_no_bytes_of_files(shelf: Shelf) -> None:
    await shelf.refresh()
    assert [path for path in shelf.app.files.blobs.path("0" * 64).parents[1].rglob("*") if path.is_file()] == []
    (shelf.folder / "copy.txt").write_bytes((shelf.folder / "a.txt").read_bytes())
    assert await shelf.refresh() == Changes(new=1)
    assert set(shelf.read().values()) == {"completed"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_that_cannot_be_opened_is_named_and_forgotten(shelf: Shelf) -> None:
    await shelf.refresh()
    (shelf.folder / "a.txt").chmod(0)
    library = shelf.open()
    assert await shelf.refresh(library) == Changes(gone=1)
    assert library.unread == {"a.txt": "it cannot be opened (Permission denied)"}


async def test_a_file_that_goes_while_it_is_looked_at_is_named(shelf: Shelf) -> None:
    seen = look(shelf.folder, 1024**3)
    (shelf.folder / "a.txt").unlink()
    library = shelf.open()
    assert await library.refresh(seen, lambda *news: None) == Changes(new=1)
    assert library.unread == {"a.txt": "it cannot be opened (No such file or directory)"}


async def test_what_was_interrupted_goes_on(shelf: Shelf) -> None:
    """Killed after the files were queued; and after one was kept, before it was queued."""
    library = shelf.open()
    library._take(look(shelf.folder, 1024**3))
    with shelf.app.database.write() as transaction:
        transaction.execute("DELETE FROM vector_store_files WHERE filename = 'b.md'")
    assert await shelf.refresh() == Changes(new=1)
    assert shelf.read() == {"a.txt": "completed", "b.md": "completed"}


async def test_what_a_killed_process_held_is_taken_up_at_once(shelf: Shelf) -> None:
    """On a server its claim would have to end first; here nobody else can have it."""
    library = shelf.open()
    library._take(look(shelf.folder, 1024**3))
    queue = IngestQueue(shelf.app.database)
    [project_id] = queue.projects()
    held = [queue.take(project_id), queue.take(project_id)]
    assert None not in held
    assert queue.take(project_id) is None
    library._take(look(shelf.folder, 1024**3))
    assert queue.take(project_id) is not None


async def test_our_own_failures_are_tried_again_and_the_files_are_not(shelf: Shelf) -> None:
    (shelf.folder / "empty.txt").touch()
    await shelf.refresh()
    assert shelf.read()["empty.txt"] == "failed"
    with shelf.app.database.write() as transaction:
        transaction.execute(
            "UPDATE vector_store_files SET status = 'failed', error_code = 'server_error' WHERE filename = 'a.txt'"
        )
    assert await shelf.refresh() == Changes(changed=1)
    assert shelf.read() == {"a.txt": "completed", "b.md": "completed", "empty.txt": "failed"}


async def test_an_index_of_another_reader_is_made_anew(shelf: Shelf) -> None:
    await shelf.refresh()
    with shelf.app.database.write() as transaction:
        transaction.execute("UPDATE vector_stores SET metadata = '{}'")
    assert await shelf.refresh() == Changes(new=2)
    assert len(shelf.app.database.read("SELECT id FROM vector_stores")) == 1
    assert len(shelf.app.database.read("SELECT id FROM files")) == 2


async def test_progress_ends_where_it_is_done(shelf: Shelf) -> None:
    await shelf.refresh()
    assert shelf.told[-1] == (2, 2, "")
    assert all(0 <= done <= total for done, total, _ in shelf.told)


async def test_lines_are_told_where_the_text_is_the_files_own(shelf: Shelf) -> None:
    (shelf.folder / "page.html").write_text("<html><body>\n<p>One.</p>\n<p>Two.</p></body></html>")
    library = shelf.open()
    await shelf.refresh(library)
    ids = {file.filename: file.id for file in library.files()}
    text = (shelf.folder / "b.md").read_text()
    assert library.line_of(ids["b.md"], text.index("Book")) == 3
    assert library.line_of(ids["page.html"], 0) is None
    (shelf.folder / "b.md").write_text("something else by now")
    assert library.line_of(ids["b.md"], 5) is None
