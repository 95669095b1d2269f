"""A window of normalized text, with what is quickly known of it: most patterns need not even be tried."""

from __future__ import annotations

import re
from collections.abc import Sequence

_RUN = re.compile(r"\d(?:[-.\s/()ー,、]{0,3}\d)*")
_FOLDED = str.maketrans({"\u0131": "i", "\u0307": None, "\t": " "})  # the letters that `re.IGNORECASE` takes for an i


class Window:
    """What recognizers look through."""

    __slots__ = ("digits", "is_ascii", "lowered", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.is_ascii = text.isascii()
        self.lowered = lowered(text)
        runs = _RUN.findall(text)
        self.digits = max(sum(map(str.isdecimal, run)) for run in runs) if runs else 0  # of the longest number

    def has(self, words: Sequence[str]) -> bool:
        """Whether any of these is in it, in whatever case; they are in small letters, and a tab counts as a space."""
        text = self.lowered
        for word in words:  # noqa: SIM110 - a generator takes three times as long
            if word in text:
                return True
        return False


def lowered(text: str) -> str:
    """In small letters, by what `re.IGNORECASE` takes for the same; tabs are spaces."""
    return text.lower() if text.isascii() and "\t" not in text else text.lower().translate(_FOLDED)
