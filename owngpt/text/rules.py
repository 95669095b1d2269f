"""Rules: a grammar in the making, in llguidance's Lark: answers that conform to a schema, calls in a family's spelling.

What these rules force is what the family's parser reads back. A grammar of several parts (custom tools) is the JSON
document `{"grammars": [...]}`; `LLMatcher` takes both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from llguidance import LLMatcher, LLParserLimits

from owngpt.errors import InvalidRequest
from owngpt.text.family import Family, ToolFormat
from owngpt.text.quotes import QuoteGrammar
from owngpt.text.schema import Place, enforceable, moved, subschemas
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Constraint, Tool

_PROBE_TOKENS = 24  # how far a grammar is tried out before it is accepted
_LIMITS = LLParserLimits(  # not above the engine's, so that it does not give up on what is accepted
    max_items_in_row=1500, max_lexer_states=30_000, max_grammar_size=200_000, verbose_errors=False
)
_MAX_BLAME = 300  # subschemas that are tried to find the one at fault

# Compact JSON or Python's spacing, nothing else: a weak model cannot pad without end.
_SPACING = {"whitespace_flexible": False, "item_separator": ", ?", "key_separator": ": ?"}
_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}


@dataclass
class Rules:
    """Of the families whose calls are JSON objects between marks."""

    tokenizer: Tokenizer
    family: Family
    rules: list[str] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)  # rules of call objects
    inputs: list[str] = field(default_factory=list)  # rules of calls whose input follows as plain text
    parts: list[dict[str, str]] = field(default_factory=list)  # grammars of custom tools
    is_mixed: bool = False  # calls and answers begin alike, so both must be schemas for the lexer to keep both in mind
    quotes: QuoteGrammar | None = None  # free text has no quotation marks but around these

    @property
    def format(self) -> ToolFormat:
        return self.family.tools

    def answer(self, schema: Mapping[str, Any] | bool | None, param: str) -> str:
        """The rule of an answer that conforms; None is any object."""
        self.is_mixed = not self.format.open_mark
        return self.rule("answer", json_rule(self.checked(schema, param)))

    def checked(self, schema: object, param: str) -> dict[str, Any]:
        """An enforceable schema that llguidance also compiles."""
        cleaned = enforceable({"type": "object"} if schema is None else schema, param)
        if error := problem_of(f"start: {json_rule(cleaned)}", self.tokenizer):
            place = _blame(Place(cleaned, param, "#", 0), error, self.tokenizer)
            path = _keyword_path(place, error)
            raise InvalidRequest(f"the schema cannot be enforced: {error} (at {path})", param=path)
        return cleaned

    def add_tool(self, tool: Tool, param: str) -> None:
        """The rule of a call of this tool."""
        number = len(self.objects) + len(self.inputs)
        head = f'{{"name": {json.dumps(tool.name, ensure_ascii=False)}'
        if tool.grammar is not None:
            self.parts.append({"name": f"input_{number}", "lark_grammar": tool.grammar.grammar})
            start = json_rule(_call_schema({"name": {"const": tool.name}})) if self.is_mixed else literal(head + "}")
            self.inputs.append(self.rule(f"call_{number}", f'{start} "\\n" @input_{number}'))
            return
        schema, key = self.arguments(tool, param), self.format.arguments_key
        if self.is_mixed:
            whole = _call_schema({"name": {"const": tool.name}, key: moved(schema, f"#/properties/{key}")})
            self.objects.append(self.rule(f"call_{number}", json_rule(whole)))
            return
        self.rule(f"arguments_{number}", json_rule(schema))
        body = f"{literal(f'{head}, {json.dumps(key)}: ')} arguments_{number} {literal('}')}"
        self.objects.append(self.rule(f"call_{number}", body))

    def arguments(self, tool: Tool, param: str) -> dict[str, Any]:
        """Their schema. A strict tool's must be enforceable; another's is enforced if it can be, or is any object."""
        any_object: dict[str, Any] = {"type": "object"}
        if tool.type == "custom":
            return _INPUT
        try:
            schema = self.checked(tool.parameters, param)
            if schema.setdefault("type", "object") != "object":
                raise InvalidRequest(f"{param}.type is {schema['type']!r}; arguments are an object", param=param)
        except InvalidRequest:
            if tool.is_strict:
                raise
            return any_object
        return schema

    def calls(self, is_single: bool) -> str:
        """One call, or several, in the family's spelling: what follows the open mark."""
        spelling = self.format
        item, raw = " | ".join(self.objects), " | ".join(self.inputs)
        if spelling.close_mark:
            pad, mark, close = literal(spelling.padding), self.mark(spelling.open_mark), self.mark(spelling.close_mark)
            call = self.rule("call", f"{pad} ({' | '.join(self.objects + self.inputs)}) {pad} {close}")
            return self.rule("calls", call if is_single else f'{call} ("\\n"? {mark} {call})*')
        first, last = map(literal, spelling.list_marks)
        many = f"({item})" if is_single else f"({item}) ({literal(spelling.separator)} ({item}))*"
        options = [f"{first} {many} {last}"] if item else []
        options += [f"{first} ({raw})"] if raw else []
        return self.rule("calls", " | ".join(options))

    def called(self, calls: str) -> str:
        """Nothing but calls."""
        return f"{self.mark(self.format.open_mark)} {calls}"

    def quoted(self) -> str:
        """Free text and quotes, and no call."""
        assert self.quotes is not None
        return self._prose(self.quotes)

    def text_or(self, calls: str) -> str:
        """Free text that may turn into calls; the mark begins one, also where it is spelled in other tokens."""
        spelling = self.format
        mark = spelling.open_mark or spelling.optional_mark
        is_token = self.family.mark_id(mark) is not None
        spelled = re.escape(mark).replace("/", r"\/")
        if not spelling.open_mark:
            text = self._text_without(rf"\s*(\{{|{spelled})(?s:.*)", is_at_start=True)
            return f"{text} | {self.mark(mark)}? {calls}" if is_token else f"{text} | {calls}"
        text = self._text_without(rf"(?s:.*){spelled}(?s:.*)")
        if self.quotes:
            turn = self.mark(mark) if is_token else self._turn(self.quotes, spelled)
            return f"{text} ({turn} {calls})?"
        self.rules.append(f"head: TEXT {self.mark(mark)}" if is_token else f"head[lazy]: /(?s:.*){spelled}/")
        return f"{text} | head {calls}"

    def _text_without(self, regex: str, *, is_at_start: bool = False) -> str:
        """Free text of which no piece (or not the first one) matches the regex."""
        if self.quotes is None:
            self.rules.append(f"TEXT: /(?s:.*)/ & ~/{regex}/")
            return "TEXT"
        return self._prose(self.quotes, regex, is_at_start=is_at_start)

    def _prose(self, quotes: QuoteGrammar, without: str = "", *, is_at_start: bool = False) -> str:
        """Free text with quotes in it."""
        self.rules.append(f"FIRST: {quotes.free(without)}")
        self.rules.append(f"FREE: {quotes.free('' if is_at_start else without)}")
        if not (terminals := quotes.terminals()):
            return self.rule("prose", "FIRST?")
        self.rules += [*terminals, "FIRST_CITED: FIRST? QUOTED", "CITED: FREE? QUOTED"]
        return self.rule("prose", "FIRST? | FIRST_CITED CITED* FREE?")

    def _turn(self, quotes: QuoteGrammar, spelled: str) -> str:
        """The end of free text, with the mark of a call that is spelled in it."""
        return self.rule("turn[lazy]", f"/({quotes.free()[1:-1]})?{spelled}/").removesuffix("[lazy]")

    def mark(self, mark: str) -> str:
        """A mark as its token, or as text where it is none."""
        token_id = self.family.mark_id(mark)
        return f"<[{token_id}]>" if token_id is not None else literal(mark)

    def rule(self, name: str, body: str) -> str:
        self.rules.append(f"{name}: {body}")
        return name

    def lead(self) -> str:
        """What may stand before all else: after thinking, line breaks."""
        if not self.family.think:
            return ""
        self.rule("lead", r'"\n" "\n"?')
        return "lead?"

    def constraint(self, start: str, param: str) -> Constraint:
        """All together, compiled once to be sure."""
        lead = self.lead()
        rules = [f"start: {lead} ({start})", *self.rules]
        text = "%llguidance {}\n" + "\n".join(rules)
        if self.parts:
            text = json.dumps({"grammars": [{"name": "main", "lark_grammar": text}, *self.parts]})
        if self.quotes:  # long, and of our own making
            return Constraint(text, param, is_long=True)
        if error := problem_of(text, self.tokenizer):
            raise InvalidRequest(f"the constraint is too complex or contradicts itself: {error}", param=param)
        return Constraint(text, param)


def json_rule(schema: Mapping[str, Any]) -> str:
    return "%json " + json.dumps({**schema, "x-guidance": _SPACING})


def _call_schema(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def literal(text: str) -> str:
    """A Lark string; empty for no text."""
    return json.dumps(text, ensure_ascii=False) if text else ""


@lru_cache(maxsize=64)  # the same schema usually comes with every request of a program
def problem_of(grammar: str, tokenizer: Tokenizer) -> str:
    """Why llguidance does not take the grammar, or gives up soon after its beginning; empty if all is well."""
    complaint = _complaint(grammar, tokenizer, min) or _complaint(grammar, tokenizer, max)
    lines = complaint.strip().splitlines()
    return re.sub(r"^at \d+\(\d+\): (failed to compile JSON schema: )?", "", lines[0])[:300] if lines else ""


def _complaint(grammar: str, tokenizer: Tokenizer, choose: Callable[[Iterable[int]], int]) -> str:
    matcher = LLMatcher(tokenizer.llg, grammar, log_level=0, limits=_LIMITS)
    for _ in range(_PROBE_TOKENS):
        if matcher.is_stopped():
            break
        allowed = int.from_bytes(matcher.compute_bitmask(), "little")
        if matcher.is_error():
            break
        if allowed == 0:
            return "" if matcher.is_accepting() else "no token of this vocabulary can follow"
        ends = ((allowed & -allowed).bit_length() - 1, allowed.bit_length() - 1)
        matcher.consume_token(choose(ends))
    return str(matcher.get_error()) if matcher.is_error() else ""


def _blame(place: Place, error: str, tokenizer: Tokenizer) -> Place:
    """The smallest subschema that fails in the same way."""
    root, tries = place.schema, _MAX_BLAME
    definitions = {k: root[k] for k in ("$defs", "definitions") if k in root}
    while tries > 0:
        for child in subschemas(place):
            tries -= 1
            alone = {**definitions, **child.schema} if isinstance(child.schema, dict) else child.schema
            if isinstance(alone, dict) and tries > 0 and problem_of(f"start: {json_rule(alone)}", tokenizer) == error:
                place = child
                break
        else:
            break
    return place


def _keyword_path(place: Place, error: str) -> str:
    """The subschema's path, and the keyword's where the error tells it."""
    told = error.replace("min/max", "minProperties maxProperties ").replace("regex", "pattern")
    hits = ((re.search(rf"\b{re.escape(keyword)}\b", told), keyword) for keyword in place.schema or ())
    found = min(((hit.start(), keyword) for hit, keyword in hits if hit), default=None)
    return f"{place.path}.{found[1]}" if found else place.path
