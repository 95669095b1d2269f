"""How a checkpoint writes thinking and tool calls, told from its template and vocabulary, never from its name."""

from __future__ import annotations

import re
from dataclasses import dataclass

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

    @property
    def name(self) -> str:
        """The tool format's name; `plain` where the template knows of no tools."""
        return self.tools.name if self.knows_tools else "plain"

    @property
    def keep(self) -> frozenset[int]:
        """Ids of marks that must stay in the text, for the output parser to see."""
        return frozenset(token_id for _, token_id in self.mark_ids)

    @property
    def marks(self) -> tuple[str, ...]:
        """All strings that mean something in a model's output."""
        tools = (self.tools.open_mark, self.tools.close_mark, self.tools.optional_mark)
        return tuple(mark for mark in (*(self.think or ()), *tools) if mark)

    def mark_id(self, mark: str) -> int | None:
        """The token that a mark is, if it is one."""
        return dict(self.mark_ids).get(mark)


def detect_family(template: str, variables: frozenset[str], tokenizer: Tokenizer) -> Family:
    """The family of a template that reads `variables`. A template without tools gets Hermes' format, spelled out."""
    knows_tools = "tools" in variables
    tools = _tool_format(template) if knows_tools else HERMES
    think = ("<think>", "</think>")
    has_think = think[1] in template or all(tokenizer.token_to_id(mark) is not None for mark in think)
    draft = Family(
        tools=tools,
        think=think if has_think else None,
        knows_tools=knows_tools,
        knows_developer=re.search(r"""["']developer["']""", template) is not None,
        has_thinking_switch="enable_thinking" in variables,
    )
    ids = ((mark, tokenizer.token_to_id(mark)) for mark in draft.marks)
    return Family(
        draft.tools,
        draft.think,
        tuple((mark, i) for mark, i in ids if i is not None),
        draft.knows_tools,
        draft.knows_developer,
        draft.has_thinking_switch,
    )


def _tool_format(template: str) -> ToolFormat:
    if "<tool_call>" in template:
        return HERMES
    if "[TOOL_CALLS]" in template:
        return MISTRAL
    if "<|python_tag|>" in template or re.search(r'"parameters\\?"\s*:', template):
        return LLAMA3
    return HERMES
