"""Builds the corpus: reads every source, drops exact duplicates, splits off the held-out part, writes a manifest.

The result is a folder with `SOURCE.train.jsonl` and `SOURCE.held_out.jsonl` per source and `manifest.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path
from random import Random

from owngpt.errors import SetupError
from owngpt.training.documents import Document, is_held_out, write_documents
from owngpt.training.sources import PYTHON_LIBRARY, SOURCES, Kind, Source
from owngpt.training.sources.python import standard_library

MANIFEST = "manifest.json"
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What the manifest says of one source. Sizes are characters of text (a conversation's messages)."""

    name: str
    kind: Kind
    stable: float  # shares of the phases, as in `sources`
    decay: float
    file: str
    sha256: str | None  # of the file that was read; None where there is no single file
    licence: str
    credit: str
    num_train: int
    num_held_out: int
    num_duplicates: int
    num_characters: int


def build_corpus(
    data: Path, out: Path, *, sources: Iterable[Source] = SOURCES, seed: int = 0, progress: Progress = print
) -> list[SourceReport]:
    """Read `sources` from the folder `data` into `out`; `SetupError` names a file that is missing."""
    out.mkdir(parents=True, exist_ok=True)
    reports, seen = [], set[bytes]()
    for source in sources:
        report = _build_source(source, data, out, seen, seed)
        progress(f"{report.name:15} {report.num_train:7} documents, {report.num_characters / 1e6:6.2f} M characters")
        reports.append(report)
    manifest = {"seed": seed, "sources": [asdict(report) for report in reports]}
    (out / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return reports


def read_manifest(corpus: Path) -> list[SourceReport]:
    """What `build_corpus` reported; `SetupError` if the folder holds no corpus."""
    path = corpus / MANIFEST
    try:
        return [SourceReport(**fields) for fields in json.loads(path.read_text(encoding="utf-8"))["sources"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetupError(f"{path} cannot be read: {error}; build a corpus with `owngpt train corpus`") from error


def train_file(corpus: Path, source: str) -> Path:
    """The documents of a source to train on."""
    return corpus / f"{source}.train.jsonl"


def held_out_file(corpus: Path, source: str) -> Path:
    """The documents of a source to measure with."""
    return corpus / f"{source}.held_out.jsonl"


def _build_source(source: Source, data: Path, out: Path, seen: set[bytes], seed: int) -> SourceReport:
    path = standard_library() if source.file == PYTHON_LIBRARY else data / source.file
    if not path.exists():
        raise SetupError(f"source {source.name!r} needs {path}, which is missing; point --data at the data folder")
    parts: dict[bool, list[Document]] = {False: [], True: []}
    num_duplicates = 0
    for document in source.read(path):
        if document.source != source.name:
            continue
        if document.fingerprint in seen:
            num_duplicates += 1
            continue
        seen.add(document.fingerprint)
        parts[source.can_be_held_out and is_held_out(document)].append(document)
    Random(f"{seed}/{source.name}").shuffle(parts[False])
    write_documents(train_file(out, source.name), parts[False])
    write_documents(held_out_file(out, source.name), parts[True])
    return SourceReport(
        source.name,
        source.kind,
        source.stable,
        source.decay,
        source.file,
        _sha256(path),
        source.licence,
        source.credit,
        len(parts[False]),
        len(parts[True]),
        num_duplicates,
        sum(_num_characters(document) for document in parts[False]),
    )


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _num_characters(document: Document) -> int:
    return len(document.text) + sum(len(message.content) for message in document.messages)
