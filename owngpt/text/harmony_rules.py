"""HarmonyRules: a grammar of messages with headers. It describes thoughts, too, so it never sleeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from owngpt.text.harmony import CHANNEL, CONSTRAIN, END, MESSAGE, NAMESPACE, START
from owngpt.text.rules import Rules, json_rule, literal
from owngpt.types import Constraint, Tool

_TEXT = "TEXT: /(?s:.*)/"


class HarmonyRules(Rules):
    """See `harmony`. An answer ends with its first call: the token behind it is an end token."""

    def answer(self, schema: Mapping[str, Any] | bool | None, param: str) -> str:
        """See `Rules`."""
        body = self.rule("answer", json_rule(self.checked(schema, param)))
        return self.rule("final", f'{self.mark(CHANNEL)} "final" {self._json_type()}? {self.mark(MESSAGE)} {body}')

    def add_tool(self, tool: Tool, param: str) -> None:
        """See `Rules`."""
        number = len(self.objects)
        if tool.grammar is not None:
            self.parts.append({"name": f"input_{number}", "lark_grammar": tool.grammar.grammar})
            body, kind = f"@input_{number}", ""
        else:
            body, kind = self.rule(f"arguments_{number}", json_rule(self.arguments(tool, param))), self._json_type()
        recipient, channel = literal(f" to={NAMESPACE}{tool.name}"), self.mark(CHANNEL)
        header = f'({channel} "commentary" {recipient} | {recipient} {channel} "commentary") {kind}'
        self.objects.append(self.rule(f"call_{number}", f"{header} {self.mark(MESSAGE)} {body}"))

    def calls(self, is_single: bool) -> str:
        """See `Rules`."""
        return self.rule("calls", " | ".join(self.objects))

    def called(self, calls: str) -> str:
        """See `Rules`."""
        return calls

    def quoted(self) -> str:
        """See `Rules`."""
        return f"(talk | lead)* {self._spoken()}"

    def text_or(self, calls: str) -> str:
        """An answer or a call, and before it also words to the user."""
        return f"(talk | lead)* ({self._spoken()} | {calls})"

    def _spoken(self) -> str:
        """The answer; what is said before it stands under the same rule."""
        body = f"({self._prose(self.quotes)})" if self.quotes else "TEXT?"
        self.rule("talk", self._message("commentary", body))
        return f'{self.mark(CHANNEL)} "final" {self.mark(MESSAGE)} {body}'

    def lead(self) -> str:
        """Thoughts."""
        self.rule("lead", self._message("analysis"))
        return "lead*"

    def constraint(self, start: str, param: str) -> Constraint:
        """See `Rules`."""
        self.rules.append(_TEXT)
        return super().constraint(start, param)

    def _json_type(self) -> str:
        return f'(" " {self.mark(CONSTRAIN)}? "json")'

    def _message(self, channel: str, body: str = "TEXT?") -> str:
        """A message, and the beginning of the next one."""
        begin, message, end, again = map(self.mark, (CHANNEL, MESSAGE, END, START))
        return f'{begin} "{channel}" {message} {body} {end} {again} "assistant"'
