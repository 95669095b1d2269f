"""Messages of customers with their intent, and whether it is one that the desk knows."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from random import Random

from owngpt.text.prompts import OUT_OF_SCOPE, intent
from owngpt.training.documents import Document, key_of
from owngpt.training.sources.archives import members_of, text_of
from owngpt.training.sources.talk import answered, any_variant

NUM_CHOICES = 7  # intents to choose from, where they are listed; the right one may not be among them
_ABSENT_SHARE = 0.2  # of the lists that lack the right one
_NOT_INTENTS = {"contentonly", "outofdomain", "confirmation", "rejection", "thankyou", "nan"}


def intents(source: str, items: Sequence[tuple[str, str]]) -> Iterator[Document]:
    """(message, intent) pairs as requests: half of them with a list of intents to choose from."""
    names = sorted({name for _, name in items} - {OUT_OF_SCOPE})
    for message, name in items:
        rng = Random(f"{source}{message}")
        choices, answer = _choices(name, names, rng) if rng.random() < 0.5 else ((), name)
        messages = answered(intent(message, "en", choices, variant=any_variant(rng)), answer)
        yield Document(source, key_of(message) or message, messages=messages, keys=(key_of(message),))


def _choices(name: str, names: Sequence[str], rng: Random) -> tuple[Sequence[str], str]:
    others = [other for other in rng.sample(names, min(len(names), NUM_CHOICES)) if other != name]
    if name == OUT_OF_SCOPE or rng.random() < _ABSENT_SHARE:
        return others, OUT_OF_SCOPE
    others.insert(rng.randrange(len(others) + 1), name)
    return others, name


def read_banking77(path: Path) -> Iterator[Document]:
    """Questions to a bank, 77 intents."""
    rows = csv.DictReader(StringIO(text_of(path)))
    yield from intents("banking77", [(row["text"].strip(), row["category"]) for row in rows])


def read_clinc150(path: Path) -> Iterator[Document]:
    """Requests to an assistant: 150 intents, and what fits none of them."""
    parts = json.loads(text_of(path)).values()
    pairs = [(text, OUT_OF_SCOPE if name == "oos" else name) for part in parts for text, name in part]
    yield from intents("clinc150", pairs)


def read_multidogo(path: Path) -> Iterator[Document]:
    """What customers of six kinds of businesses said, with its intent; names of intents are those of the business."""
    for member in members_of(path, r"\.tsv$"):
        rows = csv.DictReader(StringIO(member.text), delimiter="\t", quoting=csv.QUOTE_NONE)
        pairs = [((row["utterance"] or "").strip(), row["intent"] or "") for row in rows]
        clear = [(said, name) for said, name in pairs if said and name.isalpha() and name not in _NOT_INTENTS]
        yield from intents("multidogo", clear)
