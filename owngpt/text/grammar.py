"""Response format x tools x tool choice -> one grammar that the engine enforces. Every schema is checked here.

Grammars are llguidance's: Lark, with `%json` for schemas and `<[id]>` for tokens
(github.com/guidance-ai/llguidance, docs/syntax.md). `rules.py` and `harmony_rules.py` say what they are made of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llguidance import regex_to_lark

from owngpt.errors import InvalidRequest
from owngpt.text.family import Family
from owngpt.text.harmony_rules import HarmonyRules
from owngpt.text.quotes import Quotable, QuoteGrammar
from owngpt.text.rules import Rules, problem_of
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Constraint, Tool

MAX_GRAMMAR = 256 * 1024  # characters of a caller's own grammar
MAX_INTERSECTIONS = 8  # & and ~ in a caller's grammar; the work grows exponentially with them
_LITERAL = re.compile(r"""//.*|"(?:\\.|[^"\\\n])*"|/(?:\\.|[^/\\\n])+/""")  # comments, strings and regexes of Lark


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """What the answer must be. `param` is the wire path of the schema."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    schema: Mapping[str, Any] | bool | None = None
    param: str = "response_format.json_schema.schema"


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether tools may or must be called, and which: `names` None is any. A named tool is `required` with one name."""

    mode: Literal["auto", "none", "required"] = "auto"
    names: frozenset[str] | None = None


def regex_constraint(pattern: str, tokenizer: Tokenizer, param: str) -> Constraint:
    """The text matches the whole regex (Rust's syntax, no look-around, which is refused)."""
    if len(pattern) > MAX_GRAMMAR:
        raise InvalidRequest(f"the regex has {len(pattern)} characters; at most {MAX_GRAMMAR}", param=param)
    escaped = regex_to_lark(pattern, "").replace("\n", "\\n")
    return lark_constraint(f"start: /{escaped}/", tokenizer, param)


def lark_constraint(grammar: str, tokenizer: Tokenizer, param: str) -> Constraint:
    """The caller's own Lark grammar."""
    if len(grammar) > MAX_GRAMMAR:
        raise InvalidRequest(f"the grammar has {len(grammar)} characters; at most {MAX_GRAMMAR}", param=param)
    if "x-guidance" in grammar:
        raise InvalidRequest("x-guidance is not available in grammars", param=param)
    if len(re.findall("[&~]", _LITERAL.sub("", grammar))) > MAX_INTERSECTIONS:
        raise InvalidRequest(f"the grammar uses & and ~ more than {MAX_INTERSECTIONS} times", param=param)
    grammar = f"%llguidance {{}}\n{grammar}"  # so that it is Lark in any case, not a document of several grammars
    if error := problem_of(grammar, tokenizer):
        raise InvalidRequest(f"the grammar cannot be enforced: {error}", param=param)
    return Constraint(grammar, param)


def tools_constraint(
    tokenizer: Tokenizer,
    family: Family,
    *,
    response_format: ResponseFormat = ResponseFormat(),
    tools: Sequence[Tool] = (),
    choice: ToolChoice = ToolChoice(),
    parallel_tool_calls: bool = True,
    tool_params: Sequence[str] | None = None,
    quotable: Quotable | None = None,
) -> Constraint | None:
    """The one constraint of a request; None when any text will do.

    With `auto`, free text stays free until the family's mark of a call; with a response format, the answer is either a
    call or conforms. `tool_params` are the wire paths of the tools' schemas. With something `quotable`, free text has
    quotation marks around quotes of it only. Raises `InvalidRequest` with a path.
    """
    params = tool_params or [f"tools[{i}].function.parameters" for i in range(len(tools))]
    rules = HarmonyRules(tokenizer, family) if family.is_harmony else Rules(tokenizer, family)
    if quotable is not None:
        rules.quotes = QuoteGrammar(quotable, tokenizer, family.marks)
    answer = _answer(rules, response_format)
    is_called = choice.mode != "none" and len(tools) > 0
    if not is_called:
        answer = answer or (rules.quoted() if quotable else "")
        return rules.constraint(answer, response_format.param) if answer else None
    offered = [(t, p) for t, p in zip(tools, params, strict=True) if choice.names is None or t.name in choice.names]
    if not offered:
        raise InvalidRequest("tool_choice names no tool of this request", param="tool_choice")
    for tool, param in offered:
        rules.add_tool(tool, param)
    is_free = choice.mode == "auto" and not answer and parallel_tool_calls and choice.names is None
    if is_free and not quotable and not any(tool.is_strict or tool.grammar for tool, _ in offered):
        return None
    is_single = not parallel_tool_calls or (choice.names is not None and len(choice.names) == 1)
    calls = rules.calls(is_single)
    if choice.mode == "auto" and not answer:
        return rules.constraint(rules.text_or(calls), offered[0][1])
    called = rules.called(calls)
    return rules.constraint(f"{answer} | {called}" if choice.mode == "auto" else called, offered[0][1])


def _answer(rules: Rules, response_format: ResponseFormat) -> str:
    """The rule of a conforming answer; empty for plain text."""
    if response_format.type == "text":
        return ""
    schema = None if response_format.type == "json_object" else response_format.schema
    return rules.answer(schema, response_format.param)
