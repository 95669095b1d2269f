"""How many bytes a token holds, by kind and source: what a tokenizer is good for, and how many tokens a corpus has."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import tokenizers

from owngpt.training.corpus import SourceReport, held_out_file, read_manifest, train_file
from owngpt.training.documents import Document, read_documents

FERTILITY = "fertility.json"
SAMPLE_CHARACTERS = 200_000  # of each source


@dataclass(frozen=True, slots=True)
class Fertility:
    """Of one source. A conversation counts without the marks of its turns, which are two tokens and a word each."""

    source: str
    kind: str
    bytes_per_token: float  # on held-out documents, or on others where none are held out
    bytes_per_character: float
    num_tokens: int  # of the training part, from the rate above and its characters

    @property
    def characters_per_token(self) -> float:
        return self.bytes_per_token / self.bytes_per_character


def measure_fertility(tokenizer: tokenizers.Tokenizer, corpus: Path) -> list[Fertility]:
    """One row per source of a corpus that has any text."""
    rows = (_measure(tokenizer, corpus, source) for source in read_manifest(corpus))
    return [row for row in rows if row is not None]


def by_kind(rows: Iterable[Fertility]) -> dict[str, float]:
    """Kind -> bytes per token, each source weighted by its bytes in the training part."""
    found: dict[str, tuple[float, float]] = {}
    for row in rows:
        num_bytes, num_tokens = found.get(row.kind, (0.0, 0.0))
        found[row.kind] = (num_bytes + row.num_tokens * row.bytes_per_token, num_tokens + row.num_tokens)
    return {kind: num_bytes / max(1, num_tokens) for kind, (num_bytes, num_tokens) in found.items()}


def write_fertility(rows: list[Fertility], folder: Path) -> None:
    """Write `FERTILITY` beside the tokenizer."""
    report = {"bytes_per_token": by_kind(rows), "sources": [asdict(row) for row in rows]}
    (folder / FERTILITY).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _measure(tokenizer: tokenizers.Tokenizer, corpus: Path, source: SourceReport) -> Fertility | None:
    file = (held_out_file if source.num_held_out else train_file)(corpus, source.name)
    texts = _sample(read_documents(file))
    num_characters, num_bytes = sum(map(len, texts)), sum(len(text.encode()) for text in texts)
    if not num_characters:
        return None
    num_tokens = sum(map(len, tokenizer.encode_batch_fast(texts, add_special_tokens=False)))
    return Fertility(
        source.name,
        source.kind,
        num_bytes / num_tokens,
        num_bytes / num_characters,
        round(source.num_characters * num_tokens / num_characters),
    )


def _sample(documents: Iterable[Document]) -> list[str]:
    texts: list[str] = []
    size = 0
    for document in documents:
        if size >= SAMPLE_CHARACTERS:
            break
        texts.append(document.content)
        size += len(texts[-1])
    return texts
