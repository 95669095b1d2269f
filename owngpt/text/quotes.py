"""Quotation marks: which characters they are, and which pair of them a set of texts leaves free."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

# Unicode's property Quotation_Mark; apostrophes apart, which English needs for other things
DOUBLE = '"«»“”„‟‹›⹂「」『』〝〞〟﹁﹂﹃﹄＂｢｣'
APOSTROPHES = "'‘’‚‛＇"


class QuoteMarks(NamedTuple):
    """What stands before a quote, and behind it."""

    open: str
    close: str


PAIRS = tuple(QuoteMarks(*pair) for pair in ('""', "“”", "«»", "「」", "『』"))
_JAPANESE_PAIRS = (*PAIRS[3:], *PAIRS[:3])


def choose_marks(texts: Iterable[str], *, is_japanese: bool) -> QuoteMarks:
    """The pair whose closing mark stands in these texts least often: a quote cannot go across it."""
    whole = "".join(texts)
    return min(_JAPANESE_PAIRS if is_japanese else PAIRS, key=lambda pair: whole.count(pair.close))
