"""A folder of one's own text as sources of a corpus: prose by language, Python, and conversations."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from owngpt.errors import SetupError
from owngpt.training.documents import Document, Kind, from_json
from owngpt.training.sources import SOURCES, Source
from owngpt.training.sources.prose import clean_markdown, pieces
from owngpt.training.sources.python import code_pieces
from owngpt.training.sources.steps import read_steps

ENDINGS = (".txt", ".md", ".markdown", ".py", ".jsonl")
PIECE_CHARACTERS = 1200  # so that a small folder has pages enough to hold some out
OWN = (88, 73)  # shares of the two phases, in per cent; the rest is
OWN_EPOCHS = 1000  # a small folder is read as often as a run is long
NUM_PROBLEMS = 3000  # of arithmetic
MADE_HERE = {"persona": (3, 8), "arithmetic": (1, 3), "steps": (8, 16)}
_JAPANESE = re.compile(r"[\u3041-\u30ff\u3400-\u9fff]")


def folder_sources(folder: Path) -> list[Source]:
    """A source `own-KIND` per kind of text in `folder` and its folders, and a little talk and arithmetic of ours, so
    that a model learns to take turns. Shares follow the amounts of text.

    A line of a .jsonl file is an object with `text`, or with `messages` as the API has them. `SetupError` names a
    broken line, or says that there is nothing to read.
    """
    found: dict[Kind, list[Document]] = defaultdict(list)
    for path in _files(folder):
        for kind, document in _documents(path, path.relative_to(folder).as_posix()):
            found[kind].append(document)
    if not found:
        raise SetupError(f"{folder} has no text to train on; put {', '.join(ENDINGS)} files there")
    total = sum(document.num_characters for documents in found.values() for document in documents)
    shares = {kind: sum(document.num_characters for document in found[kind]) / total for kind in found}
    own = [
        Source(
            f"own-{kind}",
            kind,
            file=".",
            licence="one's own",
            credit=folder.name,
            read=_reader(found[kind]),
            stable=OWN[0] * share,
            decay=OWN[1] * share,
            max_epochs=OWN_EPOCHS,
        )
        for kind, share in shares.items()
    ]
    made = {source.name: source for source in SOURCES}
    made["steps"] = replace(made["steps"], read=lambda _: read_steps(NUM_PROBLEMS))
    return [*own, *(replace(made[name], stable=stable, decay=decay) for name, (stable, decay) in MADE_HERE.items())]


def _reader(documents: Iterable[Document]) -> Callable[[Path], Iterator[Document]]:
    return lambda _: iter(documents)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and path.suffix.lower() in ENDINGS and not is_hidden:
            yield path


def _documents(path: Path, name: str) -> Iterator[tuple[Kind, Document]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix.lower() == ".jsonl":
        yield from _lines(path, name, text)
    elif path.suffix.lower() == ".py":
        for index, piece in enumerate(code_pieces(text, PIECE_CHARACTERS)):
            yield "code", Document("own-code", f"{name}/{index}", piece)
    else:
        is_markdown = path.suffix.lower() != ".txt"
        yield from _pages(name, clean_markdown(text) if is_markdown else text)


def _pages(name: str, text: str) -> Iterator[tuple[Kind, Document]]:
    for index, piece in enumerate(pieces(text, PIECE_CHARACTERS)):
        kind: Kind = "japanese" if len(_JAPANESE.findall(piece)) > 0.15 * len(piece) else "english"
        yield kind, Document(f"own-{kind}", f"{name}/{index}", piece)


def _lines(path: Path, name: str, text: str) -> Iterator[tuple[Kind, Document]]:
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            item = json.loads(line)
            document = from_json({"source": "own-chat", "group": f"{name}/{number}", **_known(item)})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SetupError(
                f"{path}, line {number} is no JSON object with 'text' or 'messages': {error!r}; mend it, or take it out"
            ) from error
        if document.messages:
            yield "chat", document
        else:
            yield from _pages(f"{name}/{number}", document.text)


def _known(item: dict[str, object]) -> dict[str, object]:
    """The fields of a document; one of them must be there."""
    known: dict[str, object] = {key: item[key] for key in ("text", "messages") if key in item}
    if len(known) != 1:
        raise KeyError("text", "messages")
    return known
