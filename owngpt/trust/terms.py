"""Terms: what two texts are compared by. English words without their endings, Japanese by pairs of characters.

For comparing only: nothing that is shown or quoted comes from here.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

_STOP = """
a an and any also are as at be been being but by can could did do does for from had has have he her him his how i if in
into is it its many me much my no nor not of on or our she should so some such than that the their them then there these
they this those to too was we were what when where which while who whom whose why will with would you your name
"""
_WORD = re.compile(
    r"(?P<number>\d+(?:[.,:/]\d+)*)"
    r"|(?P<latin>[a-z\u00c0-\u024f]+(?:['’][a-z]+)?)"
    r"|(?P<katakana>[\u30a1-\u30fa\u30fc]+)"
    r"|(?P<kanji>[\u3400-\u9fff々〇]+)"
    r"|(?P<hiragana>[\u3041-\u3096]+)"
    r"|(?P<other>[^\W\d_]+)"
)
STOP = frozenset(_STOP.split())
FAINT = 0.15  # what a pair of hiragana weighs beside other terms: most of them are endings


_SHORT = 2_000  # characters of a text whose terms are kept among thousands of others


def terms(text: str) -> Counter[str]:
    """How often each term stands in the text. Do not change it: it is shared."""
    return _of_short(text) if len(text) <= _SHORT else _of_long(text)


@lru_cache(maxsize=8192)
def _of_short(text: str) -> Counter[str]:
    return _counted(text)


@lru_cache(maxsize=32)  # of a long text they may take a megabyte
def _of_long(text: str) -> Counter[str]:
    return _counted(text)


def _counted(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for hit in _WORD.finditer(unicodedata.normalize("NFKC", text).lower()):
        kind, word = hit.lastgroup, hit[0]
        if kind == "latin":
            if word not in STOP:
                found[stem(word)] += 1
        elif kind == "number":
            found[word.replace(",", "")] += 1
        elif kind in ("kanji", "katakana", "hiragana"):
            found.update(_pairs(word) if len(word) > 1 else ([word] if kind == "kanji" else []))
        else:
            found[word] += 1
    return found


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """An English word without the ending of plural, past and -ing, roughly."""
    word = word.replace("’", "'").removesuffix("'s")
    for ending, rest in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", ""), ("ly", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) + len(rest) >= 3 and not word.endswith("ss"):
            word = word[: len(word) - len(ending)] + rest
            break
    return word[:-1] if len(word) > 4 and (word[-1] == word[-2] or word[-1] == "e") else word


def weight(term: str) -> float:
    """How much a term says by its looks alone."""
    return FAINT if all("\u3041" <= character <= "\u3096" for character in term) else 1.0


def coverage(of: Iterable[str], by: Mapping[str, int], weights: Mapping[str, float]) -> float:
    """Which part of the terms `of` (by weight) stands in `by`, 0 to 1; 1 where there is nothing to cover."""
    total = found = 0.0
    for term in of:
        value = weights.get(term, weight(term))
        total += value
        found += value if term in by else 0.0
    return found / total if total else 1.0


def _pairs(word: str) -> list[str]:
    return [word[i : i + 2] for i in range(len(word) - 1)]
