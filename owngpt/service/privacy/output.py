"""What the model writes, piece by piece: personal data of its own is masked, placeholders become the caller's values.

A little is held back, so that nothing is shown whose end might tell what it is. What comes out does not depend on how
the text was cut into pieces.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from owngpt.service.privacy.finder import Finder
from owngpt.service.privacy.vault import LITERAL
from owngpt.trust.pii import Entity

if TYPE_CHECKING:
    from owngpt.service.privacy.guard import Guard

HOLD, STEP, MOST = 48, 80, 4_096  # characters: held back, taken at once, held back at most
_SLACK = 4  # what ends so close to the end may go on
_RUN = re.compile(r"[!-~]+\Z")


class OutputStream:
    """One text. `feed` gives out what is safe to show; `finish` the rest."""

    def __init__(self, guard: Guard, finder: Finder, *, as_json: bool = False) -> None:
        self._guard, self._finder, self._as_json = guard, finder, as_json
        self._pending = ""
        self._before = ""  # the end of what was given out, as the model wrote it: context
        self._wanted = HOLD + STEP
        self._quotes = _Quotes()
        self._num_taken = 0  # characters of the model's text that have been given out
        self._moves: list[tuple[int, int]] = [(0, 0)]  # place in it -> how far off what is shown stands from there on

    def feed(self, text: str) -> str:
        """Take more of the text."""
        self._pending += text
        shown = []
        while len(self._pending) >= self._wanted:
            window = self._pending[: self._wanted]
            entities = self._find(window)
            cut = self._cut(window, entities)
            if not cut:
                self._wanted = min(self._wanted * 3 // 2, MOST)
                continue
            shown.append(self._write(window[:cut], [entity for entity in entities if entity.start < cut]))
            self._wanted = HOLD + STEP
        return "".join(shown)

    def finish(self) -> str:
        """The end of the text."""
        return self._write(self._pending, self._find(self._pending)) if self._pending else ""

    def place(self, index: int) -> int | None:
        """Where a place of the model's text stands in what is shown; None: it has not been given out yet."""
        if index > self._num_taken:
            return None
        _, offset = self._moves[bisect_right(self._moves, index, key=lambda move: move[0]) - 1]
        return index + offset

    def _find(self, text: str) -> list[Entity]:
        """Entities of the text; what is known from before helps, and is not found again."""
        length = len(self._before)
        found = self._finder.find(self._before + text, self._finder.deadline())
        return [
            Entity(max(0, entity.start - length), entity.end - length, entity.type, entity.score, entity.source)
            for entity in found
            if entity.end > length
        ]

    def _cut(self, window: str, entities: list[Entity]) -> int:
        """How much of the window can be given out: 0 if nothing, yet."""
        is_full = len(window) >= MOST
        cut = len(window) - HOLD
        run = _RUN.search(window)
        if run is not None and run.start() < cut and not is_full:
            cut = run.start()
        for entity in entities:
            if entity.start < cut < entity.end or (entity.start < cut and entity.end > len(window) - _SLACK):
                is_open = entity.end > len(window) - _SLACK and not is_full
                cut = entity.start if is_open else entity.end
        return cut

    def _write(self, text: str, entities: list[Entity]) -> str:
        """Give out the text; everything in `entities` lies inside it."""
        pieces, end = [], 0
        for entity in entities:
            plain, value = text[end : entity.start], text[entity.start : entity.end]
            self._read(plain)
            pieces += [plain, shown := self._shown(entity, value)]
            end = entity.end
            offset = self._moves[-1][1] + len(shown) - len(value)
            self._moves.append((self._num_taken + end, offset))
        self._read(text[end:])
        self._before = (self._before + text)[-HOLD:]
        self._pending = self._pending[len(text) :]
        self._num_taken += len(text)
        return "".join([*pieces, text[end:]])

    def _read(self, plain: str) -> None:
        if self._as_json:
            self._quotes.read(plain)

    def _shown(self, entity: Entity, value: str) -> str:
        """A placeholder -> its value; a value of the caller's own -> itself; any other -> a placeholder."""
        guard = self._guard
        if entity.type == LITERAL:
            return guard.shown(value, as_json=self._as_json)
        if guard.policy.restore and guard.vault.owns(value):
            return value
        name = guard.vault.put(entity.type, value, is_own=False)
        return f'"{name}"' if self._as_json and not self._quotes.is_open else name


class _Quotes:
    """Whether a place in a JSON text is inside a string."""

    def __init__(self) -> None:
        self.is_open = False
        self._is_escaped = False

    def read(self, text: str) -> None:
        for character in text:
            if self._is_escaped:
                self._is_escaped = False
            elif character == "\\":
                self._is_escaped = self.is_open
            elif character == '"':
                self.is_open = not self.is_open
