"""Texts as token ids, with the places of characters where answers need them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tokenizers

Ids = list[int]
MAX_TOKENS = 500


@dataclass(frozen=True, slots=True)
class Placed:
    """Token ids, and where each token begins and ends in the text, in characters."""

    ids: Ids
    starts: list[int]
    ends: list[int]

    def tokens_of(self, start: int, end: int) -> tuple[int, int] | None:
        """First and last token that the characters [start, end) touch; None where no token does."""
        first = next((i for i, stop in enumerate(self.ends) if stop > start), None)
        last = next((i for i in range(len(self.starts) - 1, -1, -1) if self.starts[i] < end), None)
        return None if first is None or last is None or last < first else (first, last)


def encode(tokenizer: tokenizers.Tokenizer, texts: Sequence[str]) -> list[Ids]:
    """Without special tokens, at most `MAX_TOKENS` of each."""
    found = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [one.ids[:MAX_TOKENS] for one in found]


def encode_placed(tokenizer: tokenizers.Tokenizer, texts: Sequence[str]) -> list[Placed]:
    """Without special tokens, whole."""
    found = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [Placed(one.ids, [a for a, _ in one.offsets], [b for _, b in one.offsets]) for one in found]
