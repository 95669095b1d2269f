"""Find any of many strings in text that arrives in pieces. Knows nothing of tokens or models.

Aho-Corasick: the automaton's state is the longest suffix of the text so far that begins one of the strings, so its
depth is what has to be held back. Source: Aho and Corasick, "Efficient string matching" (CACM 1975).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


class Match(NamedTuple):
    """`string` ends at `end` in the piece; it may have begun in an earlier piece (then end < len(string))."""

    string: str
    end: int


@dataclass(slots=True, eq=False)
class Node:
    """A state: the suffix read so far. `match` is the longest of the strings that ends here."""

    depth: int
    next: dict[str, Node] = field(default_factory=dict)
    fallback: Node | None = None
    match: str | None = None


class Matcher:
    """The automaton of a set of non-empty strings; immutable, so streams share it and keep their own `Node`."""

    def __init__(self, strings: Iterable[str]) -> None:
        self.root = Node(0)
        for string in strings:
            self._add(string)
        self._link()
        self._first = re.compile("[" + "".join(map(re.escape, self.root.next)) + "]") if self.root.next else None

    def scan(self, text: str, node: Node, start: int = 0) -> tuple[Node, Match | None]:
        """Read `text[start:]` from state `node`; stop after the first string that is complete.

        The match that *ends* first wins, and among those the longest, so the result does not depend on the pieces.
        """
        position = start
        while position < len(text):
            if node is self.root:  # jump to where a string can begin
                hit = self._first.search(text, position) if self._first else None
                if hit is None:
                    return node, None
                position = hit.start()
            node = self._step(node, text[position])
            position += 1
            if node.match is not None:
                return node, Match(node.match, position)
        return node, None

    def find_all(self, text: str) -> Iterator[Match]:
        """Matches from left to right, each beginning after the one before it begins."""
        position = 0
        while (match := self.scan(text, self.root, position)[1]) is not None:
            yield match
            position = match.end - len(match.string) + 1

    def divide(self, text: str) -> list[str]:
        """The text, divided after the first character of every match, so that no piece holds one."""
        pieces, done = [], 0
        for match in self.find_all(text):
            place = match.end - len(match.string) + 1
            pieces.append(text[done:place])
            done = place
        return [*pieces, text[done:]]

    def _add(self, string: str) -> None:
        node = self.root
        for character in string:
            node = node.next.setdefault(character, Node(node.depth + 1))
        node.match = string

    def _link(self) -> None:
        queue = deque(self.root.next.values())
        for child in queue:
            child.fallback = self.root
        while queue:
            node = queue.popleft()
            for character, child in node.next.items():
                assert node.fallback is not None
                child.fallback = self._step(node.fallback, character)
                child.match = child.match or child.fallback.match
                queue.append(child)

    def _step(self, node: Node, character: str) -> Node:
        while (child := node.next.get(character)) is None:
            if node.fallback is None:
                return node
            node = node.fallback
        return child
