"""ThinkingState: where a reasoning model is in its thinking, and what it is made to say when the budget is spent."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from owngpt.types import Thinking


class ThinkingState:
    """Follows the tokens of one choice; with `None` it never thinks.

    The block is entered by the prompt (`is_open`) or by `start_id` as the first token, and left by `end_id` or by the
    forced `end_ids`, all of which belong to the block. The marks do not count against the budget.
    """

    is_in_grammar = False  # whether a grammar describes the thinking, too; otherwise it sleeps during it

    @staticmethod
    def of(thinking: Thinking | None) -> ThinkingState:
        """The state at the end of a prompt."""
        return MessageState(thinking) if thinking is not None and thinking.headers else ThinkingState(thinking)

    def __init__(self, thinking: Thinking | None = None) -> None:
        self._thinking = thinking
        self._forced: deque[int] = deque()
        self._spent = 0
        self._may_start = thinking is not None and not thinking.is_open
        self.is_inside = False
        if thinking is not None and thinking.is_open:
            self._enter(thinking)

    @property
    def start_id(self) -> int | None:
        """The token that would open the block now."""
        return self._thinking.start_id if self._thinking is not None and self._may_start else None

    @property
    def forced(self) -> Sequence[int]:
        """The tokens that must come next, whatever the model prefers."""
        return self._forced

    def push(self, token_id: int) -> bool:
        """Take the next token; True if it belongs to the thinking block."""
        if self._thinking is None:
            return False
        if token_id == self.start_id:
            self._enter(self._thinking)
            return True
        self._may_start = False
        was_inside = self.is_inside
        if was_inside:
            self._think(token_id, self._thinking)
        return was_inside

    def _enter(self, thinking: Thinking) -> None:
        self._may_start = False
        self.is_inside = True
        self._check_budget(thinking)

    def _think(self, token_id: int, thinking: Thinking) -> None:
        if self._forced:
            self._forced.popleft()
            self.is_inside = bool(self._forced)
        elif token_id == thinking.end_id:
            self.is_inside = False
        else:
            self._spent += 1
            self._check_budget(thinking)

    def _check_budget(self, thinking: Thinking) -> None:
        if thinking.budget is not None and self._spent >= thinking.budget:
            self._forced.extend(thinking.end_ids)


class MessageState(ThinkingState):
    """Of a model that writes messages (`Thinking.headers`): any of them may be thinking.

    Headers and the marks around them count as thinking, for they are nobody's answer. A message that does not begin as
    one with a header does is an answer as it stands.
    """

    is_in_grammar = True

    def __init__(self, thinking: Thinking) -> None:
        super().__init__(thinking)
        self._marks = thinking
        self._may_start = False
        self._header: list[int] | None = []  # as far as it was written; None in a body

    def push(self, token_id: int) -> bool:
        """Take the next token; True if it belongs to a message that is thinking, or to no body."""
        if self._header is not None:
            return self._read_header(self._header, token_id)
        was_inside = self.is_inside
        if was_inside:
            self._think(token_id, self._marks)
        is_over = not self.is_inside if was_inside else token_id == self._marks.end_id
        if is_over:
            self._header = []
        return was_inside or is_over

    def _read_header(self, header: list[int], token_id: int) -> bool:
        if not header and all(token_id != known[0] for known in self._marks.headers):
            self._header = None
            return False
        if token_id == self._marks.start_id:
            self._header = None
            if tuple(header) in self._marks.headers:
                self._enter(self._marks)
            return True
        header.append(token_id)
        return True
