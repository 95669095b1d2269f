"""Documents -> token files: `train.PHASE.bin` in the order they are read, and one `held_out.KIND.bin` per kind.

A token file is a plain array of uint16, memory-mapped. The mixture is decided here, once, so that training is only
reading on: batch i is a place in a file, which makes an exact resume a matter of one number. Every document ends with
the end-of-text token; rows of a batch begin anywhere, and training keeps attention within a document by that token.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from owngpt.errors import SetupError
from owngpt.text.chat import ChatRenderer
from owngpt.text.tokenizer import Tokenizer
from owngpt.training.corpus import SourceReport, held_out_file, read_manifest, train_file
from owngpt.training.documents import Document, DocumentFile, read_documents
from owngpt.training.fim import with_fim
from owngpt.training.tokenizer import END_OF_TEXT

Phase = Literal["stable", "decay"]
Tokens = npt.NDArray[np.uint16]
Progress = Callable[[str], None]
MIXTURE = "mixture.json"
BATCH = 64  # documents that are encoded at once
PROGRESS_SECONDS = 10.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Packer:
    """Turns documents into tokens; conversations by the renderer that serving uses.

    The corpus holds no text with control marks in it, so what is rendered can be encoded as a whole.
    """

    tokenizer: Tokenizer
    chat: ChatRenderer

    @classmethod
    def load(cls, folder: Path) -> Packer:
        """The tokenizer and chat template of a folder."""
        tokenizer = Tokenizer.load(folder)
        return cls(tokenizer, ChatRenderer.load(folder, tokenizer))

    def text(self, document: Document) -> str:
        """The document as one text, with the marks of turns where it is a conversation."""
        if document.messages:
            return self.chat.render(document.messages, document.tools, add_generation_prompt=False)
        return document.text

    def tokens(self, document: Document) -> list[int]:
        return self.tokenizer.encode(self.text(document))

    def closed(self, documents: Sequence[Document]) -> Iterator[Tokens]:
        """The tokens of each document, with the one that ends it."""
        end = self.tokenizer.token_to_id(END_OF_TEXT)
        assert end is not None, "our tokenizers have it"
        for ids in self.tokenizer.encode_batch([self.text(document) for document in documents]):
            yield np.array([*ids, end], dtype=np.uint16)


class _Stream:
    """A source's documents in tokens, again and again, from the first one on or from the last one backwards."""

    def __init__(self, corpus: Path, source: SourceReport, packer: Packer, phase: Phase, seed: int) -> None:
        self.name = source.name
        self.share = source.stable if phase == "stable" else source.decay
        self.max_epochs = source.max_epochs / 2  # in each of the two phases
        self.num_tokens = self.num_read = 0
        self._documents = DocumentFile(train_file(corpus, source.name))
        if not self._documents:
            raise SetupError(f"source {source.name!r} has no documents in {corpus}")
        self._packer, self._phase, self._is_code = packer, phase, source.kind == "code"
        self._rng = Random(f"{seed}/{phase}/{source.name}")
        self._tokens = self._endless()

    @property
    def epochs(self) -> float:
        return self.num_read / len(self._documents)

    def __next__(self) -> Tokens:
        tokens = next(self._tokens)
        self.num_read += 1
        self.num_tokens += len(tokens)
        return tokens

    def _endless(self) -> Iterator[Tokens]:
        places = range(len(self._documents))
        while True:
            for batch in _batches(places if self._phase == "stable" else reversed(places), BATCH):
                yield from self._packer.closed([self._document(place) for place in batch])

    def _document(self, place: int) -> Document:
        document = self._documents[place]
        return replace(document, text=with_fim(document.text, self._rng)) if self._is_code else document


def pack_train(
    corpus: Path,
    out: Path,
    packer: Packer,
    num_tokens: Mapping[Phase, int],
    seed: int = 0,
    progress: Progress = lambda line: None,
) -> None:
    """Write a file per phase, with the sources interleaved by their shares of it, and `MIXTURE`, which says how many
    tokens each source gave and how often it was read.

    The stable phase reads each source from its first document on, the decay phase from its last one backwards, and a
    source that is through starts over, up to its limit. So a longer file begins with the shorter one: a run may change
    its length. `SetupError` where a source has no documents.
    """
    out.mkdir(parents=True, exist_ok=True)
    sources, mixture = read_manifest(corpus), {}
    for phase, budget in num_tokens.items():
        streams = [_Stream(corpus, source, packer, phase, seed) for source in sources]
        shown = _shown(_interleaved([stream for stream in streams if stream.share > 0]), phase, budget, progress)
        with train_tokens_file(out, phase).open("wb") as file:
            for tokens in shown:
                tokens.tofile(file)
        mixture[phase] = {
            stream.name: {"tokens": stream.num_tokens, "epochs": round(stream.epochs, 3)} for stream in streams
        }
    (out / MIXTURE).write_text(json.dumps(mixture, indent=1) + "\n", encoding="utf-8")


def train_tokens_file(folder: Path, phase: Phase) -> Path:
    """Where the tokens of a phase are."""
    return folder / f"train.{phase}.bin"


def pack_held_out(corpus: Path, out: Path, packer: Packer, num_tokens: int) -> None:
    """Write `held_out.KIND.bin` for every kind, about `num_tokens` each, equally many of each of its sources."""
    out.mkdir(parents=True, exist_ok=True)
    sources = read_manifest(corpus)
    for kind in dict.fromkeys(source.kind for source in sources):
        members = [source.name for source in sources if source.kind == kind and source.num_held_out]
        parts = [_held_out(corpus, name, packer, num_tokens // len(members)) for name in members]
        np.concatenate([*parts, np.empty(0, np.uint16)]).tofile(out / f"held_out.{kind}.bin")


def read_tokens(path: Path) -> Tokens:
    """Map a token file into memory; `SetupError` if there is none."""
    try:
        return np.memmap(path, dtype=np.uint16, mode="r")
    except (OSError, ValueError) as error:
        raise SetupError(f"token file {path} cannot be read: {error}") from error


def num_tokens(path: Path) -> int:
    """How many tokens a file has; none where there is no file."""
    return path.stat().st_size // np.dtype(np.uint16).itemsize if path.exists() else 0


def read_held_out(folder: Path) -> dict[str, Tokens]:
    """Kind -> its held-out tokens; kinds without any are left out."""
    files = {path.name.split(".")[1]: path for path in sorted(folder.glob("held_out.*.bin"))}
    return {kind: read_tokens(path) for kind, path in files.items() if path.stat().st_size}


def _interleaved(streams: Sequence[_Stream]) -> Iterator[Tokens]:
    """Endless: always the next document of the source that is furthest behind its share.

    A source that was read as often as it may be leaves its place to the others; when all were, all may go on.
    """
    rounds = 1
    while True:
        open_streams = [stream for stream in streams if stream.epochs < rounds * stream.max_epochs]
        if not open_streams:
            rounds += 1
            continue
        behind = min(open_streams, key=lambda stream: stream.num_tokens / stream.share)
        yield next(behind)


def _shown(documents: Iterator[Tokens], phase: Phase, budget: int, progress: Progress) -> Iterator[Tokens]:
    """The first `budget` tokens of the documents, with a line of progress now and then."""
    start = shown = time.monotonic()
    left = budget
    while left:
        tokens = next(documents)[:left]
        left -= len(tokens)
        yield tokens
        if (now := time.monotonic()) - shown > PROGRESS_SECONDS:
            shown, rate = now, (budget - left) / (now - start)
            progress(
                f"packing {phase}: {(budget - left) / 1e6:.1f} of {budget / 1e6:.1f} M tokens, "
                f"{rate / 1e6:.2f} M tokens/s, {left / rate:.0f} s left"
            )


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _held_out(corpus: Path, source: str, packer: Packer, num_tokens: int) -> Tokens:
    parts: list[Tokens] = []
    for batch in _batches(read_documents(held_out_file(corpus, source)), BATCH):
        parts += packer.closed(batch)
        if sum(map(len, parts)) >= num_tokens:
            break
    return np.concatenate(parts)[:num_tokens] if parts else np.empty(0, np.uint16)
