"""Which files of a folder are read."""

from __future__ import annotations

import os
from pathlib import Path

from owngpt.cli.folder import look
from tests.ask.documents import make_documents

MAX = 100 * 1024**2


def seen(folder: Path, max_bytes: int = MAX) -> dict[str, str | None]:
    return {file.name: file.reason for file in look(folder, max_bytes)}


def test_hidden_ignored_and_generated_files_are_left_out(tmp_path: Path) -> None:
    folder = make_documents(tmp_path / "documents")
    (folder / "~$security.docx").write_text("what Word leaves while it is open")
    (folder / "env").mkdir()
    (folder / "env" / "pyvenv.cfg").touch()
    (folder / "env" / "LICENSE.txt").touch()
    names = ["cafeteria.md", "photo.png", "rules/kisoku.txt", "rules/leave.pdf", "scan.pdf", "security.docx"]
    assert list(seen(folder)) == names


def test_what_is_not_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(2 * 1024**2))
    (tmp_path / "big.txt").write_bytes(b"x" * 3 * 1024**2)
    (tmp_path / "link.txt").symlink_to(tmp_path / "big.txt")
    (tmp_path / "round").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt")).touch()
    assert seen(tmp_path, 2 * 1024**2) == {
        "film.mp4": "it has more than 2 MiB; split it",
        "big.txt": "it has more than 2 MiB; split it",
        "link.txt": "it is a link, and links are not followed",
        "round": "it is a link, and links are not followed",
        "?.txt": "its name is not Unicode; rename it",
    }
    assert seen(tmp_path)["film.mp4"] == "it is a film file, which is not read here"
    assert seen(tmp_path)["big.txt"] is None


def test_large_office_files_are_not_judged_by_how_they_begin(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"PK\x03\x04" + bytes(2 * 1024**2))
    assert seen(tmp_path) == {"a.docx": None}
