"""Documents -> token files: `train.PHASE.bin` in the order they are read, and one `held_out.KIND.bin` per kind.

A token file is a plain array of uint16, memory-mapped. The mixture is decided here, once, so that training is only
reading on: batch i is a place in a file, which makes an exact resume a matter of one number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, cycle, islice
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np
import numpy.typing as npt

from owngpt.errors import SetupError
from owngpt.text.chat import ChatRenderer
from owngpt.text.tokenizer import Tokenizer
from owngpt.training.corpus import SourceReport, held_out_file, read_manifest, train_file
from owngpt.training.documents import Document, read_documents
from owngpt.training.fim import with_fim
from owngpt.training.tokenizer import END_OF_TEXT

Phase = Literal["stable", "decay"]
Documents = Iterator[list[int]]
Tokens = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Packer:
    """Turns documents into tokens; conversations by the renderer that serving uses."""

    tokenizer: Tokenizer
    chat: ChatRenderer

    @classmethod
    def load(cls, folder: Path) -> Packer:
        """The tokenizer and chat template of a folder."""
        tokenizer = Tokenizer.load(folder)
        return cls(tokenizer, ChatRenderer.load(folder, tokenizer))

    def tokens(self, document: Document) -> list[int]:
        if document.messages:
            return self.chat.encode(document.messages, document.tools, add_generation_prompt=False)
        return self.tokenizer.encode(document.text)

    def closed(self, document: Document) -> list[int]:
        """With the token that ends a document."""
        end = self.tokenizer.token_to_id(END_OF_TEXT)
        assert end is not None, "our tokenizers have it"
        return [*self.tokens(document), end]


def pack_train(corpus: Path, out: Path, packer: Packer, num_tokens: Mapping[Phase, int], seed: int = 0) -> None:
    """Write a file per phase, with the sources interleaved by their shares of it.

    The stable phase reads each source from its first document on, the decay phase from its last one backwards, and a
    source that is through starts over. So a longer file begins with the shorter one: a run may change its length.
    `SetupError` where a source has no documents.
    """
    out.mkdir(parents=True, exist_ok=True)
    sources = read_manifest(corpus)
    for phase, budget in num_tokens.items():
        shares = [source.stable if phase == "stable" else source.decay for source in sources]
        streams = [_endless(corpus, source, packer, phase, seed) for source in sources]
        tokens = np.fromiter(islice(chain.from_iterable(_interleaved(streams, shares)), budget), dtype=np.uint16)
        tokens.tofile(train_tokens_file(out, phase))


def train_tokens_file(folder: Path, phase: Phase) -> Path:
    """Where the tokens of a phase are."""
    return folder / f"train.{phase}.bin"


def pack_held_out(corpus: Path, out: Path, packer: Packer, num_tokens: int) -> None:
    """Write `held_out.KIND.bin` for every kind, about `num_tokens` each, equally many of each of its sources."""
    out.mkdir(parents=True, exist_ok=True)
    sources = read_manifest(corpus)
    for kind in dict.fromkeys(source.kind for source in sources):
        members = [source.name for source in sources if source.kind == kind]
        tokens = [token for name in members for token in _held_out(corpus, name, packer, num_tokens // len(members))]
        np.asarray(tokens, dtype=np.uint16).tofile(out / f"held_out.{kind}.bin")


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


def _endless(corpus: Path, source: SourceReport, packer: Packer, phase: Phase, seed: int) -> Documents:
    """The tokens of every document of a source, again and again."""
    documents = list(read_documents(train_file(corpus, source.name)))
    if not documents:
        raise SetupError(f"source {source.name!r} has no documents in {corpus}")
    if phase == "decay":
        documents.reverse()
    rng = Random(f"{seed}/{phase}/{source.name}")
    for document in cycle(documents):
        is_code = source.kind == "code"
        yield packer.closed(replace(document, text=with_fim(document.text, rng)) if is_code else document)


def _interleaved(streams: Sequence[Documents], shares: Sequence[float]) -> Documents:
    """Endless: always the next document of the source that is furthest behind its share."""
    taken = [0] * len(streams)
    while True:
        behind = min(range(len(streams)), key=lambda index: taken[index] / shares[index])
        document = next(streams[behind])
        taken[behind] += len(document)
        yield document


def _held_out(corpus: Path, source: str, packer: Packer, num_tokens: int) -> Sequence[int]:
    tokens: list[int] = []
    for document in read_documents(held_out_file(corpus, source)):
        if len(tokens) >= num_tokens:
            break
        tokens += packer.closed(document)
    return tokens[:num_tokens]
