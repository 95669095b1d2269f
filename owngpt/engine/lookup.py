"""Lookup: guesses of what comes next in a text, from what came next the last time that it went like this.

Answers quote their sources, edits repeat what they edit, programs repeat themselves. No model, no torch.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise

MIN_MATCH = 2  # tokens that must be the same before anything is guessed
_MAX_MATCH = 24  # as far back as matches are compared
_MAX_CANDIDATES = 8  # places that are compared, the latest first
_END = -1  # between a prediction and the text: no token


class Lookup:
    """Follows one text. O(1) per token in time, some 100 bytes per token in memory.

    Places are found as in LZ77 (Ziv and Lempel, 1977): a chain of earlier positions for each pair of tokens, of which
    the one with the longest common past is taken. While its guesses come true it is followed, without a search.

    A `prediction` is text that the answer is said to resemble; it is guessed from its beginning.
    """

    def __init__(self, text: Iterable[int], prediction: Sequence[int] = ()) -> None:
        self._tokens = array("i")
        self._latest: dict[int, int] = {}  # pair -> where its second token stood last
        self._earlier = array("i")  # by position: where the same pair stood before
        self._read((*prediction, _END, *text) if prediction else text)
        self._cursor = -1  # the position of what is guessed next
        self.match_length = 0  # tokens before it that are the same; 0: there is no guess
        self.num_predicted = 0  # tokens that came as the prediction has them
        self._end_of_prediction = len(prediction)
        if prediction:
            self._cursor, self.match_length = 0, MIN_MATCH
        else:
            self._search()

    def push(self, token_id: int) -> bool:
        """The next token of the text; whether it was guessed."""
        is_right = self.match_length > 0 and self._tokens[self._cursor] == token_id
        self._read((token_id,))
        if is_right:
            self.num_predicted += self._cursor < self._end_of_prediction
            self._cursor += 1
            self.match_length += 1
        else:
            self._search()
        return is_right

    def guess(self, count: int) -> list[int]:
        """Up to `count` tokens that may come next. A text that repeats itself may go on to do so."""
        if not self.match_length:
            return []
        period = len(self._tokens) - self._cursor
        found = [self._tokens[self._cursor + i % period] for i in range(count)]
        return found[: found.index(_END)] if _END in found else found

    def _read(self, text: Iterable[int]) -> None:
        """Add these tokens; the first one has no pair."""
        begin = len(self._tokens) or 1
        self._tokens.extend(text)
        latest, earlier = self._latest, self._earlier
        if not earlier and self._tokens:
            earlier.append(-1)
        for position, (first, second) in enumerate(pairwise(self._tokens[begin - 1 :]), begin):
            pair = first << 32 | second
            earlier.append(latest.get(pair, -1))
            latest[pair] = position

    def _search(self) -> None:
        """Take the place with the longest common past, of equals the latest."""
        self._cursor, self.match_length = -1, 0
        place = self._earlier[-1] if self._earlier else -1
        for _ in range(_MAX_CANDIDATES):
            if place < 0 or self.match_length == _MAX_MATCH:
                break
            length = self._common_past(place)
            if length > max(self.match_length, MIN_MATCH - 1):
                self._cursor, self.match_length = place + 1, length
            place = self._earlier[place]

    def _common_past(self, place: int) -> int:
        """How many tokens up to this place are those at the end."""
        tokens, last = self._tokens, len(self._tokens) - 1
        length = 0
        while length < _MAX_MATCH and length <= place and tokens[place - length] == tokens[last - length]:
            length += 1
        return length
