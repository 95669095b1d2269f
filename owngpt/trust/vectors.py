"""Texts as vectors: what an embedding model looks like from here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

Vector = Sequence[float]
Embed = Callable[[Sequence[str]], Awaitable[Sequence[Vector]]]  # of unit length, in order


def cosine(first: Vector, second: Vector) -> float:
    """Of two vectors of unit length."""
    return sum(a * b for a, b in zip(first, second, strict=True))
