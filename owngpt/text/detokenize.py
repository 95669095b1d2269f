"""Token ids -> text that is safe to show, one token at a time. Knows nothing of chats or grammars.

Safe means: never half a character, never a character of what may become a stop string. The pieces joined are
`Tokenizer.decode(ids, is_continuation=True)` up to the stop string, however the text is cut into tokens.
"""

from __future__ import annotations

import codecs
from functools import lru_cache
from typing import NamedTuple

from owngpt.text.matcher import Matcher
from owngpt.text.tokenizer import Tokenizer


class Delta(NamedTuple):
    """Text to show now, and the stop string if one was met (the text before it is in `text`; it is not)."""

    text: str
    stop: str | None = None


class Detokenizer:
    """One stream of tokens that continues a prompt. Special tokens are dropped, but for those in `keep`.

    After a `Delta` with a stop there is nothing more to say: drop the detokenizer.
    """

    def __init__(self, tokenizer: Tokenizer, stop: tuple[str, ...] = (), keep: frozenset[int] = frozenset()) -> None:
        self._tokenizer = tokenizer
        self._dropped = tokenizer.special_ids - keep
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._matcher = _matcher(stop)
        self._node = self._matcher.root
        self._held = ""  # always the self._node.depth last characters

    def push(self, token_id: int) -> Delta:
        """Take the next token; return what can be shown."""
        if token_id in self._dropped:
            return Delta("")
        return self._show(self._utf8.decode(self._tokenizer.token_bytes(token_id)))

    def flush(self) -> str:
        """The end: an incomplete character becomes U+FFFD, and what was held for a stop string is released."""
        rest = self._held + self._utf8.decode(b"", final=True)
        self._held, self._node = "", self._matcher.root
        return rest

    def _show(self, text: str) -> Delta:
        if not text:
            return Delta("")
        self._node, match = self._matcher.scan(text, self._node)
        if match is not None:
            seen = self._held + text
            return Delta(seen[: len(self._held) + match.end - len(match.string)], match.string)
        seen = self._held + text
        cut = len(seen) - self._node.depth
        self._held = seen[cut:]
        return Delta(seen[:cut])


@lru_cache(maxsize=64)
def _matcher(stop: tuple[str, ...]) -> Matcher:
    return Matcher(string for string in stop if string)
