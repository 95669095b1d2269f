"""Patterns of .gitignore: as git itself reads them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from owngpt.cli.ignore import is_ignored, read_rules

PATHS = [
    "a.log",
    "b.txt",
    "build/x.txt",
    "build/deep/y.log",
    "src/build/z.txt",
    "docs/a.log",
    "docs/b.txt",
    "docs/deep/c.log",
    "docs/deep/very/c.log",
    "x/y/z",
    "file[1].txt",
    "file1.txt",
    "#notes",
    "!keep.md",
    "abc",
    "abd",
    "dir/abc",
    "foo.py",
    "trailing ",
    "with space.txt",
    "a\\b",
]
FILES = [
    "*.log",
    "*.log\n!a.log",
    "/*.log",
    "build/",
    "/build",
    "build",
    "docs/*.log",
    "docs/**/c.log",
    "**/c.log",
    "docs/**",
    "x/**/z",
    "x/*",
    "file[1].txt",
    "file[!1].txt",
    "file\\[1\\].txt",
    "ab[cd]",
    "ab[c-z]",
    "ab[^c]",
    "?.txt",
    "# a comment\n\\#notes",
    "\\!keep.md",
    "with space.txt   ",
    "trailing\\ ",
    "src/build/",
    "*\n!*/\n!*.txt",
    "dir/abc\n!abc",
    "[",
    "",
    "a\\\\b",
    "**",
    "docs/**/",
    "deep/",
    "fo*.p?",
]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("content", FILES)
def test_reads_patterns_as_git_does(content: str, tmp_path: Path) -> None:
    """`check-ignore` is asked about files that exist, so that it knows which are folders."""
    for path in PATHS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / ".gitignore").write_text(content)
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True, env=environment)
    asked = "\0".join(PATHS).encode()
    done = subprocess.run([*git, "check-ignore", "-z", "--stdin"], input=asked, capture_output=True, env=environment)
    assert {path for path in PATHS if is_out(path, content)} == set(done.stdout.decode().split("\0")) - {""}


def is_out(path: str, content: str) -> bool:
    """Whether a walk never comes to a file: it is ignored, or a folder above it is."""
    rules = [read_rules("", content.splitlines())]
    folders = [path[:i] for i, c in enumerate(path) if c == "/"]
    return any(is_ignored(folder, rules, is_folder=True) for folder in folders) or is_ignored(
        path, rules, is_folder=False
    )


def test_an_inner_file_overrules_an_outer_one() -> None:
    rules = [read_rules("", ["*.log"]), read_rules("docs/", ["!a.log", "/b.txt"])]
    assert not is_ignored("docs/a.log", rules, is_folder=False)
    assert is_ignored("docs/b.log", rules, is_folder=False)
    assert is_ignored("docs/b.txt", rules, is_folder=False)
    assert not is_ignored("docs/deep/b.txt", rules, is_folder=False)
