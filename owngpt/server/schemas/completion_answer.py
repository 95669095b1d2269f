"""Text completions on the wire: chunks while they come, and the whole text at the end."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from owngpt.server.schemas.answer import ChunkFrame, Identity
from owngpt.server.schemas.usage import usage_json
from owngpt.service.logprobs import finite, token_text
from owngpt.service.privacy import OutputStream
from owngpt.types import TokenEvent, TokenLogprob, Usage


@dataclass(frozen=True, slots=True)
class Echo:
    """A prompt that is repeated in front of its completion."""

    text: str
    tokens: Sequence[bytes]  # those that are part of the text; special tokens are empty


@dataclass(slots=True)
class Logprobs:
    """OpenAI's four parallel lists."""

    tokens: list[str] = field(default_factory=list)
    token_logprobs: list[float | None] = field(default_factory=list)
    top_logprobs: list[dict[str, float] | None] = field(default_factory=list)
    text_offset: list[int] = field(default_factory=list)

    def extend(self, other: Logprobs) -> None:
        self.tokens += other.tokens
        self.token_logprobs += other.token_logprobs
        self.top_logprobs += other.top_logprobs
        self.text_offset += other.text_offset

    def document(self) -> dict[str, Any]:
        return {
            "tokens": self.tokens,
            "token_logprobs": self.token_logprobs,
            "top_logprobs": self.top_logprobs,
            "text_offset": self.text_offset,
        }


@dataclass(slots=True)
class Piece:
    """Some more of a choice."""

    text: str = ""
    logprobs: Logprobs | None = None
    finish_reason: str | None = None

    def choice(self, index: int) -> dict[str, Any]:
        logprobs = None if self.logprobs is None else self.logprobs.document()
        return {"text": self.text, "index": index, "logprobs": logprobs, "finish_reason": self.finish_reason}


class ChoiceReader:
    """Turns the events of one choice into pieces, and knows where in the text each token stands."""

    def __init__(self, echo: Echo | None, *, has_logprobs: bool, stream: OutputStream | None = None) -> None:
        self._echo = echo
        self._has_logprobs = has_logprobs
        self._stream = stream  # looks through what the model says
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._offset = 0

    def read(self, event: TokenEvent) -> Piece:
        logprobs = Logprobs() if self._has_logprobs else None
        text = ""
        if event.prompt is not None and self._echo is not None:
            text = self._echo.text
            self._add_prompt(self._echo.tokens, event.prompt.logprobs, logprobs)
        for token in event.logprobs or ():
            self._add(token.token, token, logprobs)
        return Piece(text + self._said(event), logprobs, event.finish_reason)

    def _said(self, event: TokenEvent) -> str:
        if self._stream is None:
            return event.text
        return self._stream.feed(event.text) + (self._stream.finish() if event.finish_reason else "")

    def _add_prompt(
        self, tokens: Sequence[bytes], known: Sequence[TokenLogprob | None] | None, logprobs: Logprobs | None
    ) -> None:
        entries = known or [None] * len(tokens)
        for token, entry in zip(tokens, entries, strict=True):
            self._add(token, entry, logprobs)

    def _add(self, token: bytes, entry: TokenLogprob | None, logprobs: Logprobs | None) -> None:
        if logprobs is not None:
            logprobs.tokens.append(token_text(entry or TokenLogprob(-1, token, 0.0)))
            logprobs.token_logprobs.append(None if entry is None else finite(entry.logprob))
            logprobs.top_logprobs.append(None if entry is None else _top(entry))
            logprobs.text_offset.append(self._offset)
        self._offset += len(self._utf8.decode(token))


def _top(entry: TokenLogprob) -> dict[str, float]:
    """The best tokens, and always the chosen one."""
    return {token_text(token): finite(token.logprob) for token in (*entry.top, entry)}


class CompletionStream:
    """Turns events into chunks."""

    def __init__(self, identity: Identity, readers: Sequence[ChoiceReader], *, has_usage: bool) -> None:
        self._frame = ChunkFrame(identity, "text_completion", has_usage=has_usage)
        self._readers = readers

    def add(self, event: TokenEvent) -> bytes:
        """The chunk of one event; empty when there is nothing to show yet."""
        piece = self._readers[event.index].read(event)
        if not piece.text and not piece.finish_reason and (piece.logprobs is None or not piece.logprobs.tokens):
            return b""
        return self._frame.choice(piece.choice(event.index))

    def usage(self, usage: Usage) -> bytes:
        """The last chunk, where the client asked for it."""
        return self._frame.usage(usage_json(usage))


class WholeCompletion:
    """Gathers events into one `text_completion`."""

    def __init__(self, readers: Sequence[ChoiceReader]) -> None:
        self._readers = readers
        self._pieces: list[list[Piece]] = [[] for _ in readers]

    def add(self, event: TokenEvent) -> None:
        self._pieces[event.index].append(self._readers[event.index].read(event))

    def document(self, identity: Identity, usage: Usage) -> dict[str, Any]:
        choices = [_join(pieces).choice(i) for i, pieces in enumerate(self._pieces)]
        return {**identity.fields("text_completion"), "choices": choices, "usage": usage_json(usage)}


def _join(pieces: Sequence[Piece]) -> Piece:
    whole = Piece("".join(piece.text for piece in pieces), finish_reason=pieces[-1].finish_reason)
    for piece in pieces:
        if piece.logprobs is not None:
            whole.logprobs = whole.logprobs or Logprobs()
            whole.logprobs.extend(piece.logprobs)
    return whole
