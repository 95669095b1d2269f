"""How much of a text an embedder can understand, as far as its tokenizer tells.

A model that has to spell a language letter by letter, or sees unknown tokens, was not trained on it: its vectors of
such texts lie close together and say little. So words count for what meaning cannot be trusted with.
"""

from __future__ import annotations

from owngpt.text.tokenizer import Tokenizer


def fluency(tokenizer: Tokenizer, text: str) -> float:
    """The share of the letters and digits of `text` that stand in tokens of at least two of them, 0 to 1."""
    total = _num_letters(text)
    if total == 0:
        return 0.0
    sizes = (_num_letters(tokenizer.decode([token])) for token in tokenizer.encode(text))
    return min(1.0, sum(size for size in sizes if size > 1) / total)


def _num_letters(text: str) -> int:
    return sum(map(str.isalnum, text))
