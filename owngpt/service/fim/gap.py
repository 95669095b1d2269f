"""Gap: the place in a file where something is to be written, and what is known of it before a model is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from owngpt.service.fim.language import Language, language_of
from owngpt.service.fim.lexis import CLOSER_OF, OPENER_OF, START, State

MAX_SIDE = 200_000  # characters on either side that are looked at; a model reads fewer


@dataclass(frozen=True)
class Gap:
    """`prefix` stands before it and `suffix` behind it; either may have been cut by whoever sent it.

    Lines end with a line feed inside; `newline` is how they end outside.
    """

    prefix: str
    suffix: str = ""
    path: str | None = None
    newline: str = "\n"

    @classmethod
    def of(cls, prefix: str, suffix: str, path: str | None) -> Gap:
        """From what a client sends, which may come from Windows."""
        if "\r\n" not in prefix + suffix:
            return cls(prefix, suffix, path)
        return cls(prefix.replace("\r\n", "\n"), suffix.replace("\r\n", "\n"), path, "\r\n")

    @cached_property
    def nearby(self) -> Gap:
        """The same with no more on either side than is looked at."""
        return replace(self, prefix=self.prefix[-MAX_SIDE:], suffix=self.suffix[:MAX_SIDE])

    @cached_property
    def language(self) -> Language:
        return language_of(self.path, self.prefix + self.suffix)

    @cached_property
    def head(self) -> str:
        """What stands on its line before it."""
        return self.prefix[self.prefix.rfind("\n") + 1 :]

    @cached_property
    def tail(self) -> str:
        """What stands on its line behind it."""
        return self.suffix.partition("\n")[0]

    @cached_property
    def next_line(self) -> str:
        """The first line behind its own that has something on it; empty if there is none."""
        lines = self.suffix.partition("\n")[2].split("\n")
        return next((line.rstrip() for line in lines if line.strip()), "")

    @cached_property
    def start(self) -> State:
        """What is open where the prefix begins: a long string, if it has the end of one whose beginning was cut off."""
        for quote in self.language.lexis.long_strings:
            if self.prefix.count(quote) % 2 and self.suffix.count(quote) % 2 == 0 and len(quote) > 1:
                return State("", quote)
        return START

    @cached_property
    def state(self) -> State:
        """What is open at it."""
        return self.language.lexis.after(self.prefix, self.start)

    @cached_property
    def num_closable(self) -> int:
        """How many of the open brackets are not closed behind it, so that what is written may close them.

        Either end of the file may be missing. So brackets are compared from the inside out, kind by kind, up to the
        first one that the suffix closes.
        """
        opens, needed = self.state.opens, self._unmatched
        closable = 0
        while opens:
            kind = opens[-1]
            run = len(opens) - len(opens.rstrip(kind))
            closed = len(needed) - len(needed.lstrip(CLOSER_OF[kind]))
            closable += max(0, run - closed)
            if closed:
                break
            opens = opens[:-run]
        return closable

    @cached_property
    def missing_openers(self) -> str:
        """The brackets that are closed behind it and open neither there nor before it, outermost first."""
        needed = self._unmatched
        for opener in reversed(self.state.opens):
            if not needed.startswith(CLOSER_OF[opener]):
                break
            needed = needed[1:]
        return "".join(OPENER_OF[closer] for closer in reversed(needed))

    @cached_property
    def is_quote_closed(self) -> bool:
        """Whether it is in a string that ends behind it."""
        if not self.state.is_in_string:
            return False
        first = next(self.language.lexis.steps(self.suffix, State("", self.state.until)), None)
        return first is not None and first.kind == "string end"

    @cached_property
    def _unmatched(self) -> str:
        """The brackets that the suffix closes and does not open."""
        inside = State("", self.state.until, self.state.is_comment)
        steps = self.language.lexis.steps(self.suffix, inside)
        return "".join(self.suffix[step.position] for step in steps if step.kind == "unmatched")


def width(line: str) -> int:
    """How far a line is indented, in columns; a tab goes on to the next multiple of 4."""
    blank = line[: len(line) - len(line.lstrip())]
    return len(blank.expandtabs(4))
