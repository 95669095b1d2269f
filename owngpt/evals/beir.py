"""Search data sets in the layout of BEIR (Thakur et al., 2021), which the field's benchmarks come in.

FOLDER/corpus.jsonl     {"_id": "d1", "title": "optional", "text": "..."} per line
FOLDER/queries.jsonl    {"_id": "q1", "text": "..."} per line
FOLDER/qrels/*.tsv      query id, document id and grade (1 and up: relevant), with a line of column names
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from owngpt.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Document:
    """What can be found."""

    id: str
    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What is searched for, and the documents that should be found, with their grades."""

    id: str
    text: str
    relevant: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SearchData:
    """Documents, and the questions that have an answer among them."""

    name: str
    documents: Sequence[Document]
    questions: Sequence[Question]


def read_beir(folder: Path) -> SearchData:
    """Raises `ConfigError` that names file and line."""
    documents = [
        Document(_text(line, "_id", where), _text(line, "text", where), str(line.get("title") or ""))
        for where, line in _lines(folder / "corpus.jsonl")
    ]
    known = {document.id for document in documents}
    relevant: dict[str, dict[str, int]] = {}
    files = sorted((folder / "qrels").glob("*.tsv"))
    if not files:
        raise ConfigError(f"{folder / 'qrels'} has no .tsv file; it should say which documents answer which query")
    for file in files:
        for query_id, document_id, grade in _grades(file):
            if document_id not in known:
                raise ConfigError(f"{file}: document {document_id!r} is not in corpus.jsonl")
            if grade > 0:
                relevant.setdefault(query_id, {})[document_id] = grade
    questions = [
        Question(query_id, _text(line, "text", where), relevant[query_id])
        for where, line in _lines(folder / "queries.jsonl")
        if (query_id := _text(line, "_id", where)) in relevant
    ]
    if not questions:
        raise ConfigError(f"{folder}: no query of queries.jsonl has a relevant document in qrels")
    return SearchData(folder.name, documents, questions)


def _lines(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each line stands, and its object."""
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield f"{file}:{number}", json.loads(line)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {error}") from error


def _text(line: dict[str, Any], key: str, where: str) -> str:
    value = line.get(key) if isinstance(line, dict) else None
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where}: needs a text {key!r}")
    return value


def _grades(file: Path) -> Iterator[tuple[str, str, int]]:
    with file.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
            if number == 1 or not row:
                continue
            if len(row) != 3 or not row[2].lstrip("-").isdecimal():
                raise ConfigError(f"{file}:{number}: expected query id, document id and a whole number, with tabs")
            yield row[0], row[1], int(row[2])
