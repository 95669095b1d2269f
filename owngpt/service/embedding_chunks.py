"""Chunks -> what an embedder reads, and its vectors -> one per chunk. The embedder itself is called elsewhere."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from owngpt.retrieval.index import embedding_text
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Chunk

Vectors = list["array[float]"]  # float32: a large document has some ten thousand

BATCH_TOKENS = 2048  # padding included: what a request may have to wait for


class Piece(NamedTuple):
    """A chunk, or, if the embedder does not take all of it at once, a part of it."""

    chunk: int
    ids: list[int]


def pieces_of(
    chunks: Sequence[Chunk], tokenizer: Tokenizer, limit: int, pause: Callable[[], None] = lambda: None
) -> list[Piece]:
    """Each chunk under its titles, in as few equal parts as have at most `limit` tokens. Nothing is cut off."""
    frame = tokenizer.encode("", add_special_tokens=True)
    first, last = frame[: len(frame) // 2], frame[len(frame) // 2 :]
    room = max(1, limit - len(frame))
    pieces = []
    for number, chunk in enumerate(chunks):
        pause()
        ids = tokenizer.encode(embedding_text(chunk)) or [0]
        size = math.ceil(len(ids) / math.ceil(len(ids) / room))
        pieces += [Piece(number, [*first, *ids[i : i + size], *last]) for i in range(0, len(ids), size)]
    return pieces


def batches(pieces: Sequence[Piece]) -> Iterator[list[int]]:
    """Numbers of pieces of similar length, the longest first."""
    batch: list[int] = []
    for number in sorted(range(len(pieces)), key=lambda number: -len(pieces[number].ids)):
        if batch and (len(batch) + 1) * len(pieces[batch[0]].ids) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def pooled(pieces: Sequence[Piece], vectors: Vectors, num_chunks: int) -> Vectors:
    """One vector of unit length per chunk: the mean of its parts', each by its number of tokens."""
    parts: list[list[int]] = [[] for _ in range(num_chunks)]
    for number, piece in enumerate(pieces):
        parts[piece.chunk].append(number)
    return [_mean([(vectors[number], len(pieces[number].ids)) for number in numbers]) for numbers in parts]


def _mean(weighted: Sequence[tuple[array[float], int]]) -> array[float]:
    if len(weighted) == 1:
        return weighted[0][0]
    summed = [
        math.fsum(weight * x for x, weight in zip(column, (w for _, w in weighted), strict=True))
        for column in zip(*(vector for vector, _ in weighted), strict=True)
    ]
    norm = math.sqrt(math.fsum(x * x for x in summed)) or 1.0
    return array("f", [x / norm for x in summed])
