"""Harmony, the format of gpt-oss: an output is messages, each with a header.

    <|channel|>analysis<|message|>A thought.<|end|><|start|>assistant<|channel|>final<|message|>An answer.<|return|>
    <|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{"a": 1}<|call|>

The prompt ends with `<|start|>assistant`, so the first header goes on from there. The recipient of a call may stand
before the channel as well. Source: github.com/openai/harmony, docs/format.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

START, CHANNEL, CONSTRAIN, MESSAGE, END = MARKS = (
    *("<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>"),
)
END_MARKS = ("<|return|>", "<|call|>")  # of an answer
NAMESPACE = "functions."
_BEGINNINGS = (START, CHANNEL, "to=")
_LONGEST_HEADER = 400  # characters; names of functions have at most 64
_RECIPIENT = re.compile(r"to=([^\s<]+)")


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says."""

    channel: str = "final"
    function: str | None = None  # that is called
    is_json: bool = False

    @property
    def is_thought(self) -> bool:
        return self.channel == "analysis"


def read_header(text: str) -> Header:
    """The text before `<|message|>`, which may lack anything."""
    _, _, rest = text.partition(CHANNEL)
    words = rest.replace(CONSTRAIN, " ").split()
    recipient = _RECIPIENT.search(text)
    is_call = recipient is not None and recipient[1].startswith(NAMESPACE)
    return Header(
        channel=words[0] if words else "final",
        function=recipient[1].removeprefix(NAMESPACE) if recipient is not None and is_call else None,
        is_json="json" in words[1:],
    )


def may_be_header(text: str) -> bool:
    """Whether the text may go on as a header."""
    text = text.lstrip()
    return len(text) <= _LONGEST_HEADER and any(text.startswith(b) or b.startswith(text) for b in _BEGINNINGS)
