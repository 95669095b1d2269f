"""Texts that are one long run of something: they take no longer than others of their length."""

from __future__ import annotations

import time

import pytest

from owngpt.retrieval.chunk import chunk
from owngpt.retrieval.document import DocumentError
from owngpt.retrieval.parse import parse

LENGTH = 60_000  # characters: what takes a step for each pair of them takes minutes
RUNS = {
    "dots": "." * LENGTH + "a",
    "marks": "?!" * (LENGTH // 2) + "a",
    "blanks": "a" + " " * LENGTH + "a",
    "lines": "a" + "\n" * LENGTH + " a",
    "blank lines": "a" + " \n" * (LENGTH // 2) + " a",
    "rules": "a|b\n" + "- " * (LENGTH // 2) + "x",
    "dashes": "a|b\n" + "-" * LENGTH + "x",
    "comments": "<!--" + "--><!--" * (LENGTH // 7) + "x",
    "brackets": "。" + "」" * LENGTH + "a",
    "word": "x" * LENGTH,
    "hashes": "# " + "#" * LENGTH,
    "headers": "a: b\n c\n" * (LENGTH // 8),
    "tags": "<html>" + "<p>a" * (LENGTH // 4),
    "commas": "a," * (LENGTH // 2),
}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("ending", ["txt", "md", "html", "py", "csv"])
def test_a_long_run(name: str, ending: str) -> None:
    start = time.process_time()
    try:
        document = parse(f"a.{ending}", RUNS[name].encode())
    except DocumentError:
        return
    finally:
        assert time.process_time() - start < 3
    chunk(document, count=lambda text: len(text) // 4, max_tokens=200, overlap=25)
    assert time.process_time() - start < 6
