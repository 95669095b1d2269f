"""Python: the standard library in pieces, its functions as requests for code, and small programming tasks."""

from __future__ import annotations

import ast
import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from random import Random

from owngpt.training.documents import Document
from owngpt.training.sources.archives import lines_of
from owngpt.training.sources.prose import PIECE_CHARS
from owngpt.training.sources.talk import exchange, with_system

SKIPPED_FOLDERS = {"test", "tests", "idlelib", "lib2to3", "pydoc_data", "encodings", "site-packages", "turtledemo"}
MBPP_TRAIN = range(601, 975)  # the official training split, by task id
FUNCTION_REQUESTS = (
    "Write a Python function `{name}`: {summary}",
    "Write a function in Python called `{name}`. {summary}",
    "Pythonで関数 `{name}` を書いてください。{summary}",
)


def standard_library() -> Path:
    """Where this machine's Python keeps its library."""
    return Path(sysconfig.get_path("stdlib"))


def library_files(folder: Path) -> Iterator[Path]:
    """Source files of the library, sorted, without tests and data tables."""
    for path in sorted(folder.rglob("*.py")):
        folders = path.relative_to(folder).parts[:-1]
        if not SKIPPED_FOLDERS.intersection(folders) and not path.name.startswith("_sysconfigdata"):
            yield path


def read_library(folder: Path) -> Iterator[Document]:
    """The library's source, cut between top-level statements."""
    for path in library_files(folder):
        for piece in code_pieces(path.read_text(encoding="utf-8", errors="ignore")):
            yield Document("python", str(path.relative_to(folder)), piece)


def code_pieces(source: str, limit: int = PIECE_CHARS) -> Iterator[str]:
    """Whole top-level statements, together about `limit` characters; a longer class is cut between its methods."""
    piece = ""
    for block in _blocks(source):
        if piece and len(piece) + len(block) > limit:
            yield piece.strip("\n") + "\n"
            piece = ""
        piece += block
    if len(piece.strip()) >= 80:
        yield piece.strip("\n") + "\n"


def _blocks(source: str) -> Iterator[str]:
    block = ""
    for line in source.splitlines(keepends=True):
        if block and line.startswith(("def ", "class ", "@", "async def ", "    def ", "    @", "if __name__")):
            yield block
            block = ""
        block += line
    yield block


def read_functions(folder: Path) -> Iterator[Document]:
    """Short documented functions of the library, each as a request and its code."""
    for path in library_files(folder):
        source = path.read_text(encoding="utf-8", errors="ignore")
        rng, lines = Random(path.name), source.splitlines()
        for node in ast.walk(_parsed(source)):
            if isinstance(node, ast.FunctionDef) and (summary := _summary(node)):
                code = "\n".join(lines[node.lineno - 1 : node.end_lineno])
                if 60 < len(code) < 1200 and node.col_offset == 0:
                    request = rng.choice(FUNCTION_REQUESTS).format(name=node.name, summary=summary)
                    messages = with_system(exchange(request, f"```python\n{code}\n```"), rng)
                    yield Document("functions", str(path.relative_to(folder)), messages=messages)


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:  # lib2to3's and the tests' deliberately broken files
        return ast.Module([], [])


def _summary(node: ast.FunctionDef) -> str:
    lines = (ast.get_docstring(node) or "").splitlines()
    return lines[0].strip() if lines else ""


def read_mbpp(path: Path) -> Iterator[Document]:
    """Mostly Basic Python Problems, training split: a task in words, its code."""
    for line in lines_of(path):
        task = json.loads(line)
        if task["task_id"] in MBPP_TRAIN:
            rng = Random(task["task_id"])
            code = task["code"].replace("\r\n", "\n").replace("\t", "    ").strip()
            request = task["text"] if rng.random() < 0.5 else f"{task['text']} It must pass: {task['test_list'][0]}"
            messages = with_system(exchange(request, f"```python\n{code}\n```"), rng)
            yield Document("mbpp", str(task["task_id"]), messages=messages)
