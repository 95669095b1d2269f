"""How a checkpoint writes thinking and tool calls, told from its template and vocabulary, never from its name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from owngpt.text import harmony
from owngpt.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class ToolFormat:
    """How tool calls are spelled: `open_mark`, then JSON objects, then `close_mark`.

    With an empty `open_mark`, a text that begins with an object is a call. `list_marks` surround several calls,
    `separator` stands between them; a format with a close mark repeats the marks instead.
    """

    name: str
    open_mark: str = ""
    close_mark: str = ""
    arguments_key: str = "arguments"
    separator: str = ""
    list_marks: tuple[str, str] = ("", "")
    padding: str = ""  # between the marks and the object
    optional_mark: str = ""  # may stand before the first call

    @property
    def skipped(self) -> frozenset[str]:
        """Characters that may stand between calls."""
        return frozenset("".join((self.separator, *self.list_marks))) - {" "}


HERMES = ToolFormat("hermes", "<tool_call>", "</tool_call>", padding="\n")
LLAMA3 = ToolFormat("llama3", arguments_key="parameters", separator="; ", optional_mark="<|python_tag|>")
HARMONY = ToolFormat("harmony")  # calls are messages, which `harmony.py` describes
MISTRAL = ToolFormat("mistral", "[TOOL_CALLS]", separator=", ", list_marks=("[", "]"))


@dataclass(frozen=True, slots=True)
class Family:
    """What the renderer, the parser and the grammars need to know of a checkpoint's habits.

    `mark_ids` are the marks that are single tokens here; `keep` are the ids that a detokenizer must not drop.
    """

    tools: ToolFormat = HERMES
    think: tuple[str, str] | None = None
    mark_ids: tuple[tuple[str, int], ...] = ()
    knows_tools: bool = False  # the template shows tools to the model by itself
    knows_developer: bool = False
    has_thinking_switch: bool = False  # the template reads `enable_thinking`
    has_effort_switch: bool = False  # the template reads `reasoning_effort`: low, medium or high
    end_ids: frozenset[int] = frozenset()  # tokens that end an answer, whatever the checkpoint's configuration says

    @property
    def name(self) -> str:
        """The tool format's name; `plain` where the template knows of no tools."""
        return self.tools.name if self.knows_tools else "plain"

    @property
    def is_harmony(self) -> bool:
        """Whether the output is messages with headers, some of which are thoughts or calls."""
        return self.tools is HARMONY

    @property
    def can_think(self) -> bool:
        """Whether thinking can be told from the answer, and bounded."""
        return self.think is not None or self.is_harmony

    @property
    def keep(self) -> frozenset[int]:
        """Ids of marks that must stay in the text, for the output parser to see."""
        return frozenset(token_id for _, token_id in self.mark_ids)

    @property
    def marks(self) -> tuple[str, ...]:
        """All strings that mean something in a model's output."""
        if self.is_harmony:
            return harmony.MARKS
        tools = (self.tools.open_mark, self.tools.close_mark, self.tools.optional_mark)
        return tuple(mark for mark in (*(self.think or ()), *tools) if mark)

    @property
    def written_marks(self) -> tuple[str, ...]:
        """The marks that may stand in an earlier answer's text, for the template to find."""
        return () if self.is_harmony else self.marks

    def mark_id(self, mark: str) -> int | None:
        """The token that a mark is, if it is one."""
        return dict(self.mark_ids).get(mark)


def detect_family(template: str, variables: frozenset[str], tokenizer: Tokenizer) -> Family:
    """The family of a template that reads `variables`. A template without tools gets Hermes' format, spelled out."""
    is_harmony = "<|channel|>" in template and all(tokenizer.token_to_id(mark) is not None for mark in harmony.MARKS)
    think = ("<think>", "</think>")
    has_think = think[1] in template or all(tokenizer.token_to_id(mark) is not None for mark in think)
    knows_tools = "tools" in variables
    draft = Family(
        tools=HARMONY if is_harmony else _tool_format(template) if knows_tools else HERMES,
        think=think if has_think and not is_harmony else None,
        knows_tools=knows_tools,
        knows_developer=re.search(r"""["']developer["']""", template) is not None,
        has_thinking_switch="enable_thinking" in variables,
        has_effort_switch="reasoning_effort" in variables,
        end_ids=frozenset(_ids(tokenizer, harmony.END_MARKS).values()) if is_harmony else frozenset(),
    )
    return replace(draft, mark_ids=tuple(_ids(tokenizer, draft.marks).items()))


def _ids(tokenizer: Tokenizer, marks: Iterable[str]) -> dict[str, int]:
    """The marks that are tokens."""
    found = ((mark, tokenizer.token_to_id(mark)) for mark in marks)
    return {mark: token_id for mark, token_id in found if token_id is not None}


def _tool_format(template: str) -> ToolFormat:
    if "<tool_call>" in template:
        return HERMES
    if "[TOOL_CALLS]" in template:
        return MISTRAL
    if "<|python_tag|>" in template or re.search(r'"parameters\\?"\s*:', template):
        return LLAMA3
    return HERMES
