"""Items in files, so that a set can be carried to machines that lack what it was made of.

FOLDER/NAME.jsonl has the items of a task, one per line; FOLDER/NAME.pool.jsonl what a search task searches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from owngpt.errors import ConfigError
from owngpt.evals.beir import Document
from owngpt.evals.task import Item, Task
from owngpt.evals.tasks.materials import Materials
from owngpt.evals.tasks.search import pool
from owngpt.text.prompts import LANGUAGES


def items_of(task: Task, materials: Materials, frozen: Path | None) -> Sequence[Item] | None:
    """The items of a task: from a folder of them where it has the task, else made; None: it cannot be made here."""
    file = None if frozen is None else frozen / f"{task.name}.jsonl"
    if file is not None and file.is_file():
        return [Item.from_json(fields) for fields in _read(file)]
    return task.build(materials) if materials.has(task.needs) else None


def pool_of(task: Task, materials: Materials, frozen: Path | None) -> Sequence[Document]:
    """The passages of a search task, likewise."""
    file = None if frozen is None else frozen / f"{task.name}.pool.jsonl"
    if file is not None and file.is_file():
        return [Document(**fields) for fields in _read(file)]
    language = next(language for language in LANGUAGES if task.name.endswith(language))
    return pool(materials, language)


def freeze(tasks: Sequence[Task], materials: Materials, folder: Path) -> dict[str, int]:
    """Write what can be made here; task -> how many items."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for task in tasks:
        items = items_of(task, materials, None)
        if items is None:
            continue
        _write(folder / f"{task.name}.jsonl", [item.to_json() for item in items])
        if task.name.startswith("search."):
            _write(folder / f"{task.name}.pool.jsonl", [asdict(one) for one in pool_of(task, materials, None)])
        written[task.name] = len(items)
    return written


def _write(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    file.write_text(text, encoding="utf-8", errors="surrogatepass")


def _read(file: Path) -> Iterator[dict[str, Any]]:
    try:
        for line in file.read_text(encoding="utf-8", errors="surrogatepass").split("\n"):
            if line:
                yield json.loads(line)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {error}; write it with `owngpt eval tasks build`") from error
