"""Builds the corpus: reads every source, and drops what is bad, double, or too near to the held-out part.

The result is a folder with `SOURCE.train.jsonl` and `SOURCE.held_out.jsonl` per source and `manifest.json`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import file_digest, sha256
from pathlib import Path
from random import Random

from owngpt.errors import SetupError
from owngpt.text.held_out import HELD_OUT_ONE_IN, ONE_IN, is_held_out_of
from owngpt.training.dedup import NearDuplicates, signature
from owngpt.training.documents import Document, Kind, write_documents
from owngpt.training.quality import fault, is_usable
from owngpt.training.sources import SOURCES, Source

MANIFEST = "manifest.json"
LEAST = 3  # documents of a source, and groups, of which some are held out in any case
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
    max_epochs: float = 4  # how often it may be read in one run
    num_held_out_characters: int = 0
    dropped: dict[str, int] = field(default_factory=dict)  # rule -> documents that it dropped
    files: dict[str, str] = field(default_factory=dict)  # written file -> its sha256
    works: list[dict[str, str | int]] = field(default_factory=list)  # the packages that a collection was read from


@dataclass(slots=True)
class _Collected:
    """The documents of one source, on their way."""

    source: Source
    train: list[Document] = field(default_factory=list)
    held_out: list[Document] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


def build_corpus(
    data: Path, out: Path, *, sources: Iterable[Source] = SOURCES, seed: int = 0, progress: Progress = print
) -> list[SourceReport]:
    """Read `sources` from the folder `data` into `out`; `SetupError` names a file that is missing, or a licence that
    forbids training.
    """
    out.mkdir(parents=True, exist_ok=True)
    seen = set[bytes]()
    parts = [_collect(source, data, seen, progress) for source in sources]
    _drop_near_duplicates(parts, progress)
    reports = []
    for part in parts:
        Random(f"{seed}/{part.source.name}").shuffle(part.train)
        reports.append(_write(part, data, out))
        progress(_line(reports[-1]))
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


def _collect(source: Source, data: Path, seen: set[bytes], progress: Progress) -> _Collected:
    """Read a source, without broken documents and exact duplicates of anything in `seen`."""
    path = source.path(data)
    if not path.exists():
        raise SetupError(f"source {source.name!r} needs {path}, which is missing; point --data at the data folder")
    if not is_usable(source.licence):
        raise SetupError(f"source {source.name!r} has the licence {source.licence!r}, which does not allow training")
    part = _Collected(source)
    for document in source.read(path):
        if document.source != source.name:
            continue
        if rule := _rule_broken(document, source.kind, seen):
            part.dropped[rule] += 1
            continue
        seen.add(document.fingerprint)
        is_apart = source.can_be_held_out and is_held_out_of(source.name, document.group)
        (part.held_out if is_apart else part.train).append(document)
    if source.can_be_held_out:
        _hold_out_some(part)
    progress(f"{source.name:18} read: {len(part.train) + len(part.held_out)} documents")
    return part


def _hold_out_some(part: _Collected) -> None:
    """Where chance holds out less than half of what it should, whole groups follow, the same ones every time."""
    one_in = ONE_IN.get(part.source.name, HELD_OUT_ONE_IN)
    wanted = max(1, len(part.train) // (2 * one_in)) if len(part.train) >= LEAST else 0
    order = sorted({document.group for document in part.train}, key=lambda group: sha256(group.encode()).digest())
    for group in order:
        if len(part.held_out) >= wanted or len(order) < LEAST:
            break
        part.held_out += [document for document in part.train if document.group == group]
        part.train = [document for document in part.train if document.group != group]


def _rule_broken(document: Document, kind: Kind, seen: set[bytes]) -> str | None:
    return "duplicate" if document.fingerprint in seen else fault(document.content, kind)


def _drop_near_duplicates(parts: Sequence[_Collected], progress: Progress) -> None:
    """Text that is nearly a held-out text, or nearly an earlier one, leaves the training part; so does what shares a
    key with a held-out document.
    """
    progress("looking for near duplicates")
    near = NearDuplicates()
    for part in parts:
        if part.source.kind != "chat":
            for document in part.held_out:
                if (seen := signature(document.text)) is not None:
                    near.add(seen)
    num_held_out = len(near)
    keys = {key for part in parts for document in part.held_out for key in document.keys}
    for part in parts:
        kept = []
        for document in part.train:
            rule = _key_rule(document, keys) or _near_rule(document, near, num_held_out)
            if rule is None:
                kept.append(document)
            else:
                part.dropped[rule] += 1
        part.train = kept


def _key_rule(document: Document, keys: set[str]) -> str | None:
    return None if keys.isdisjoint(document.keys) else "shared_with_held_out"


def _near_rule(document: Document, near: NearDuplicates, num_held_out: int) -> str | None:
    """Conversations are left alone: what is asked in the same words is answered from other facts."""
    if document.messages or (seen := signature(document.text)) is None:
        return None
    twin = near.find(seen)
    if twin is None:
        near.add(seen)
        return None
    return "near_held_out" if twin < num_held_out else "near_duplicate"


def _write(part: _Collected, data: Path, out: Path) -> SourceReport:
    source, path = part.source, part.source.path(data)
    files = {train_file(out, source.name): part.train, held_out_file(out, source.name): part.held_out}
    for file, documents in files.items():
        write_documents(file, documents)
    return SourceReport(
        source.name,
        source.kind,
        source.stable,
        source.decay,
        source.file,
        _sha256(path) if path.is_file() else None,
        source.licence,
        source.credit,
        len(part.train),
        len(part.held_out),
        part.dropped["duplicate"],
        sum(document.num_characters for document in part.train),
        source.max_epochs,
        sum(document.num_characters for document in part.held_out),
        dict(part.dropped),
        {file.name: _sha256(file) for file in files},
        source.works() if source.works is not None else [],
    )


def _line(report: SourceReport) -> str:
    dropped = ", ".join(f"{count} {rule}" for rule, count in sorted(report.dropped.items()))
    return (
        f"{report.name:18} {report.num_train:7} documents, {report.num_characters / 1e6:6.2f} M characters; "
        f"{report.num_held_out} held out; dropped: {dropped or 'none'}"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
