"""From what a model writes to clean text and citations: where in its document each quote stands.

The grammar (`text/quotes.py`) lets a model write nothing else than quotes of the named passage; this reads them back
and looks again. Whatever it is fed, quotation marks come out only around words that stand in a passage.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from owngpt.text.quotes import APOSTROPHES, DOUBLE, QuoteMarks
from owngpt.types import Citation, Passage

_SPECIAL = re.compile(f"[{DOUBLE}{APOSTROPHES}\\[【［]")
_LABEL = re.compile(r"\[(\d{1,4})\] ")
_LABEL_BEGUN = re.compile(r"(\[(\d{1,4}(\] ?)?)?)?")
_REFERENCE = re.compile(r"\[\d+\]")
_REFERENCE_BEGUN = re.compile(r"\[\d*")
_LEAST = 2  # characters of a quote that was cut short, for it to be one
_BROKEN = "\ufffd"


def cite(passage: Passage, start: int, end: int, *, index: int, support: float | None = None) -> Citation:
    """`passage.text[start:end]`, as a citation whose offsets count the document's characters."""
    return Citation(
        index=index,
        quote=passage.text[start:end],
        file_id=passage.file_id,
        filename=passage.filename,
        start=passage.start + start,
        end=passage.start + end,
        page=passage.page_at(passage.start + start),
        passage_id=passage.id,
        support=support,
    )


class QuoteReader:
    """One answer. Feed it the text as it comes; it gives out text to show, and each citation behind its quote.

    What comes out does not depend on how the text was cut into pieces. A quote that breaks off, or leaves its passage,
    ends there: what it has said until then is verbatim.
    """

    def __init__(self, passages: Sequence[Passage], marks: QuoteMarks) -> None:
        self._passages, self._marks = passages, marks
        self._pending = ""
        self._length = 0  # characters that were given out
        self._last = ""  # of these, the last one
        self._out: list[str | Citation] = []
        self._state: Callable[[], bool] = self._free
        self._passage: Passage | None = None  # that is being quoted
        self._quote, self._start, self._is_open = "", 0, False
        self._is_final = False

    @property
    def is_quoting(self) -> bool:
        """Whether a quote has begun and not ended."""
        return self._passage is not None

    def feed(self, text: str) -> list[str | Citation]:
        """Take the next piece."""
        self._pending += text
        while self._pending and self._state():
            pass
        out, self._out = self._out, []
        return out

    def finish(self) -> list[str | Citation]:
        """The end of the text, which may be in the middle of a quote. What is fed later begins anew behind it."""
        self._is_final = True
        out = self.feed("")
        if self._passage is not None:
            self._close()
        rest, self._out, self._is_final = self._out, [], False
        return [*out, *rest]

    # Each state reads from `_pending`, and says whether it made progress.

    def _free(self) -> bool:
        hit = _SPECIAL.search(self._pending)
        self._show(self._pending[: hit.start()] if hit else self._pending)
        self._pending = self._pending[hit.start() :] if hit else ""
        return hit is not None and self._special(hit[0])

    def _special(self, mark: str) -> bool:
        if mark == "[":
            return self._bracket()
        if mark == self._marks.open and (label := self._label()):
            return label[0]
        if mark in APOSTROPHES and self._last.isalnum():
            self._show(mark)
        self._pending = self._pending[1:]
        return True

    def _bracket(self) -> bool:
        """What looks like a label is none outside of a quote, so it is left out."""
        if reference := _REFERENCE.match(self._pending):
            self._pending = self._pending[reference.end() :]
        elif _REFERENCE_BEGUN.fullmatch(self._pending) and (not self._is_final or len(self._pending) > 1):
            return False
        else:
            self._show("[")
            self._pending = self._pending[1:]
        return True

    def _label(self) -> tuple[bool] | None:
        """Whether a quote begins: yes, not known yet (both with progress or not), or None."""
        rest = self._pending[1:]
        if (label := _LABEL.match(rest)) and 0 < int(label[1]) <= len(self._passages):
            self._passage = self._passages[int(label[1]) - 1]
            self._quote, self._start, self._is_open = "", 0, False
            self._pending, self._state = rest[label.end() :], self._quoted
            return (True,)
        if _LABEL_BEGUN.fullmatch(rest) and not self._is_final:
            return (False,)
        return None

    def _quoted(self) -> bool:
        assert self._passage is not None
        text, count = self._passage.text, 0
        for character in self._pending:
            start = -1 if character == self._marks.close else text.find(self._quote + character, self._start)
            if start < 0:
                break
            self._quote, self._start, count = self._quote + character, start, count + 1
        said, self._pending = self._pending[:count], self._pending[count:]
        self._say(said)
        if self._pending:
            self._close()
            is_mark = self._pending[0] in (self._marks.close, _BROKEN)
            self._pending = self._pending[1:] if is_mark else self._pending
        return True

    def _say(self, said: str) -> None:
        """More of a quote; it is opened when it is long enough to be one."""
        assert self._passage is not None
        if self._is_open:
            self._show(said)
        elif len(self._quote.strip()) >= min(_LEAST, len(self._passage.text.strip())):
            self._is_open = True
            self._show(self._marks.open + self._quote)

    def _close(self) -> None:
        assert self._passage is not None
        if self._is_open:
            self._show(self._marks.close)
            end = self._start + len(self._quote)
            self._out.append(cite(self._passage, self._start, end, index=self._length))
        else:
            self._show(_SPECIAL.sub("", self._quote))
        self._passage, self._state = None, self._free

    def _show(self, text: str) -> None:
        if not text:
            return
        self._length += len(text)
        self._last = text[-1]
        if self._out and isinstance(self._out[-1], str):
            self._out[-1] += text
        else:
            self._out.append(text)
