"""Bits per byte: how well a model foretells held-out text, comparable between all tokenizers and with compressors.

English and Japanese come from a corpus's held-out documents, code from the standard library. Each text is weighed
alone, so a model sees no more of it than the part before; compressors get all texts at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import chain, zip_longest

from owngpt.evals.compression import compressors
from owngpt.evals.graders import bits_per_byte
from owngpt.evals.task import Item, Needs, Task
from owngpt.evals.tasks.materials import Materials

NUM_ITEMS = 400
_BYTES = range(400, 2_000)  # of a text: 2,048 tokens hold it, whatever the tokenizer


def pieces(text: str) -> Iterator[str]:
    """Whole lines, as many as fit together; a line that is longer than that is left out."""
    piece = ""
    for line in text.splitlines(keepends=True):
        if len((piece + line).encode()) > _BYTES.stop:
            yield piece
            piece = ""
        piece += line if len(line.encode()) <= _BYTES.stop else ""
    yield piece


def _corpus(kind: str) -> Callable[[Materials], list[Item]]:
    def build(materials: Materials) -> list[Item]:
        by_source: dict[str, list[str]] = {}
        for document in materials.held_out(kind):
            by_source.setdefault(document["source"], []).append(document["text"])
        return _items(by_source)

    return build


def _library(materials: Materials) -> list[Item]:
    return _items({name: [text] for name, text in materials.library_files()})


def _items(by_source: dict[str, list[str]]) -> list[Item]:
    """Sources taking turns, each in an order that follows from its texts alone."""
    cut = [
        sorted({one for text in texts for one in pieces(text) if len(one.encode()) in _BYTES}, key=_order)
        for _, texts in sorted(by_source.items())
    ]
    turns = [text for text in chain.from_iterable(zip_longest(*cut)) if text is not None]
    return [Item(str(number), choices=(text,)) for number, text in enumerate(turns[:NUM_ITEMS])]


def _order(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _task(name: str, title: str, title_ja: str, build: Callable[[Materials], list[Item]], needs: Needs) -> Task:
    return Task(name, title, title_ja, (bits_per_byte(),), compressors(), build, needs)


TASKS = (
    _task("bits.en", "Bits per byte, English", "バイト当たりビット数（英語）", _corpus("english"), "corpus"),
    _task("bits.ja", "Bits per byte, Japanese", "バイト当たりビット数（日本語）", _corpus("japanese"), "corpus"),
    _task("bits.code", "Bits per byte, Python", "バイト当たりビット数（Python）", _library, "nothing"),
)
