"""One way of writing for many: full-width digits, fancy letters, hidden characters, JSON escapes; and the way back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"
_INVISIBLE = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
_INVISIBLE += "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff"
_MARKS = "\u0300-\u034e\u0350-\u036f\u3099\u309a\uff9e\uff9f"  # they join the character before them
_ESCAPE = r"\\(?:u[0-9A-Fa-f]{4}|[nrt\"/])"  # of JSON, in text that holds JSON
_CHANGES = re.compile(rf"[{_INVISIBLE}]+|{_ESCAPE}|[^{_INVISIBLE}{_MARKS}][{_MARKS}]+")
_MAY_CHANGE = re.compile(rf"[{_INVISIBLE}{_MARKS}]|{_ESCAPE}")
_ESCAPED = {"n": "\n", "r": "\n", "t": "\t", '"': '"', "/": "/"}


class _Folded(dict[int, str]):
    """Code point -> its compatible character, if that is one character; found out when it is first met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = unicodedata.normalize("NFKC", character)
        self[code] = folded if len(folded) == 1 else character
        return self[code]


_FOLDED = _Folded({ord(hyphen): "-" for hyphen in _HYPHENS} | {ord("\u2019"): "'", ord("\u2018"): "'"})


@dataclass(frozen=True, slots=True)
class Normalized:
    """A text as recognizers read it. `places` says where its characters came from: one more than there are."""

    text: str
    places: Sequence[int] | None = None  # None: each character stands where it stood

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The same piece of the original text, with what was hidden inside it."""
        if self.places is None:
            return start, end
        return self.places[start], self.places[end - 1] + self._width(end - 1)

    def _width(self, index: int) -> int:
        assert self.places is not None
        return self.places[index + 1] - self.places[index]


def normalize(text: str) -> Normalized:
    """NFKC where it keeps the number of characters; hidden characters are dropped, `\\u3042` is read as its character.

    Linear in the length. Text without anything special comes back as it is.
    """
    if text.isascii() and "\\" not in text:
        return Normalized(text)
    if _MAY_CHANGE.search(text) is None:
        return Normalized(text.translate(_FOLDED))
    pieces: list[str] = []
    places: list[int] = []
    end = 0
    for change in _CHANGES.finditer(text):
        pieces.append(text[end : change.start()])
        places += range(end, change.start())
        new = _changed(change[0])
        pieces.append(new)
        places += [change.start()] * len(new)
        end = change.end()
    pieces.append(text[end:])
    places += range(end, len(text) + 1)
    return Normalized("".join(pieces).translate(_FOLDED), places)


def _changed(text: str) -> str:
    if text[0] == "\\":
        return _ESCAPED.get(text[1]) or chr(int(text[2:], 16))
    composed = unicodedata.normalize("NFKC", text)
    return composed[:1] if unicodedata.combining(text[-1]) or text[-1] in "\uff9e\uff9f" else ""
