"""Messages -> prompt: the checkpoint's own Jinja template, one renderer for serving and training.

`encode` keeps what people typed from turning into control tokens: a `<|im_end|>` in a user's text is encoded as those
ten characters, not as the end of the turn. It works by cutting: a private character is put inside each such spelling
before the template runs, and the rendered text is encoded piece by piece between these characters. So the template may
trim, split or reorder as it likes, text without such spellings is encoded exactly as transformers does, and what is cut
still decodes to what was typed. A sentencepiece tokenizer may add a space at a cut.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2

from owngpt.errors import CheckpointError, InvalidRequest
from owngpt.text import harmony
from owngpt.text.family import Family, detect_family
from owngpt.text.harmony_turns import harmony_turns
from owngpt.text.matcher import Matcher
from owngpt.text.sandbox import TemplateEnvironment, TemplateTooCostly, undeclared
from owngpt.text.tokenizer import Tokenizer, read_json
from owngpt.types import Message, Thinking, Tool, ToolCall

CHATML = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor -%}
{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


class ChatRenderer:
    """A checkpoint's chat template and what was learned from it (`family`). Safe to use from several threads."""

    def __init__(self, tokenizer: Tokenizer, templates: Mapping[str, str], tokens: Mapping[str, str]) -> None:
        self._tokenizer = tokenizer
        self._tokens = dict(tokens)  # bos_token, eos_token, ... as templates read them
        self.digest = hashlib.sha256(json.dumps([dict(templates), self._tokens], sort_keys=True).encode()).hexdigest()
        self._environment = TemplateEnvironment()
        try:
            self._templates = {name: self._environment.compile_template(text) for name, text in templates.items()}
            source = templates.get("tool_use", templates["default"])
            variables = undeclared(source)
        except jinja2.TemplateError as error:
            raise CheckpointError(f"the chat template cannot be used: {error}") from error
        self.family: Family = detect_family(source, variables, tokenizer)
        special = {token for token in tokenizer.special_tokens if len(token) > 1}  # one character cannot be cut
        added = {
            mark for mark in (*self.family.written_marks, *_RESPONSE_MARKS) if tokenizer.token_to_id(mark) is not None
        }
        self._turn_marks = Matcher(special - added)  # the assistant and the operator may write its other marks
        self._all_marks = Matcher(special | added)

    @classmethod
    def load(cls, folder: Path, tokenizer: Tokenizer) -> ChatRenderer:
        """From `chat_template.jinja`, `chat_template.json` or `tokenizer_config.json`; ChatML if there is none."""
        config = read_json(folder / "special_tokens_map.json") | read_json(folder / "tokenizer_config.json")
        tokens: dict[str, str] = {}
        for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
            content = config[name].get("content") if isinstance(config.get(name), dict) else config.get(name)
            tokens |= {name: content} if isinstance(content, str) else {}
        return cls(tokenizer, _find_templates(folder, config), tokens)

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool] = (),
        *,
        add_generation_prompt: bool = True,
        enable_thinking: bool | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> str:
        """The prompt as text. `extra` are further variables of the template.

        Raises `InvalidRequest` (param `messages`) when the template refuses the conversation, or costs too much.
        """
        options = self._options(add_generation_prompt, enable_thinking, extra)
        return self._render(messages, tools, options, cut="")

    def encode(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool] = (),
        *,
        add_generation_prompt: bool = True,
        enable_thinking: bool | None = None,
        extra: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[int]:
        """The prompt as token ids; control tokens come only from the template. Raises as `render` does.

        A prompt that is far above `limit` is not worked out to its end (`Tokenizer.encode_pieces`).
        """
        options = self._options(add_generation_prompt, enable_thinking, extra)
        cut = _unused_character(messages, tools, options)
        escaped = json.dumps(cut)[1:-1]  # what a template's own tojson may make of it
        pieces = self._render(messages, tools, options, cut).replace(escaped, cut).split(cut)
        return self._tokenizer.encode_pieces(filter(None, pieces), limit)

    def encode_answer(self, text: str, limit: int | None = None) -> list[int]:
        """Text that an assistant may write, as token ids: with its own marks, without those that end turns."""
        return self._tokenizer.encode_pieces(self._turn_marks.divide(text), limit)

    def thinking(self, prompt_ids: Sequence[int], budget: int | None) -> Thinking | None:
        """How to bound the thinking after this prompt; None where the model does not think, or is done with it.

        `budget` is in tokens; the model's last words are forced when it is spent.
        """
        if self.family.is_harmony:
            return self._thinking_in_messages(budget)
        think = self.family.think
        start_id, end_id = (self.family.mark_id(mark) for mark in think) if think else (None, None)
        if think is None or start_id is None or end_id is None:
            return None
        last = next((i for i in reversed(prompt_ids) if not self._tokenizer.token_bytes(i).isspace()), None)
        if last == end_id:
            return None
        forced = tuple(self._tokenizer.encode(f"\n{think[1]}\n\n"))
        return Thinking(budget, start_id, end_id, forced, is_open=last == start_id)

    def _thinking_in_messages(self, budget: int | None) -> Thinking:
        encode = self._tokenizer.encode
        (start_id,), (end_id,) = encode(harmony.MESSAGE), encode(harmony.END)
        first, later = (
            tuple(encode(f"{begin}{harmony.CHANNEL}analysis")) for begin in ("", f"{harmony.START}assistant")
        )
        return Thinking(budget, start_id, end_id, (end_id,), headers=(first, later))

    def _options(self, add_generation_prompt: bool, enable_thinking: bool | None, extra: Any) -> dict[str, Any]:
        thinking = {} if enable_thinking is None else {"enable_thinking": enable_thinking}
        return {**(extra or {}), **thinking, "add_generation_prompt": add_generation_prompt}

    def _render(self, messages: Sequence[Message], tools: Sequence[Tool], options: Mapping[str, Any], cut: str) -> str:
        if not self.family.knows_tools:
            messages, tools = self._spell_out(messages, tools), ()
        if self.family.is_harmony:
            messages = harmony_turns(messages)
        try:
            return self._run(messages, tools, options, cut)
        except jinja2.TemplateError as error:
            merged = merge_turns(messages)
            if isinstance(error, TemplateTooCostly) or merged == list(messages):
                raise _refused(error) from error
            try:
                return self._run(merged, tools, options, cut)
            except jinja2.TemplateError:
                raise _refused(error) from error

    def _run(self, messages: Sequence[Message], tools: Sequence[Tool], options: Mapping[str, Any], cut: str) -> str:
        variables = {
            **self._tokens,
            **self._cut(dict(options), cut, self._turn_marks),
            "messages": [self._message(message, cut) for message in messages],
            "tools": [self._tool(tool, cut) for tool in tools] or None,
            "documents": None,
        }
        name = "tool_use" if tools and "tool_use" in self._templates else "default"
        return self._environment.render(self._templates[name], variables)

    def _message(self, message: Message, cut: str) -> dict[str, Any]:
        if message.role == "developer" and not self.family.knows_developer:
            message = replace(message, role="system")
        is_untrusted = message.role in ("user", "tool")
        entry = message_entry(message)
        if self.family.is_harmony and message.reasoning is not None:
            entry["thinking"] = message.reasoning
        return {
            key: self._cut(value, cut, self._all_marks if is_untrusted else self._turn_marks)
            for key, value in entry.items()
        }

    def _tool(self, tool: Tool, cut: str) -> Any:
        entry = tool_entry(tool)
        if self.family.is_harmony:  # the template writes the description of each, as if all had one
            entry["function"].setdefault("description", "")
        return self._cut(entry, cut, self._turn_marks)

    def _cut(self, value: Any, cut: str, marks: Matcher) -> Any:
        """The value with `cut` after the first character of every mark in its strings."""
        if not cut:
            return value
        if isinstance(value, str):
            return _cut_marks(value, cut, marks)
        if isinstance(value, Mapping):
            return {self._cut(key, cut, marks): self._cut(item, cut, marks) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._cut(item, cut, marks) for item in value]
        return value

    def _spell_out(self, messages: Sequence[Message], tools: Sequence[Tool]) -> list[Message]:
        """Tools, calls and results as plain text, for a template that has no words for them."""
        spelled = [_spelled(message, self.family) for message in messages]
        if not tools:
            return spelled
        offer = _OFFER.format(
            tools="\n".join(json.dumps(tool_entry(tool), ensure_ascii=False) for tool in tools),
            open=self.family.tools.open_mark,
            close=self.family.tools.close_mark,
        )
        first = spelled[0] if spelled and spelled[0].role in ("system", "developer") else None
        system = replace(first, content=f"{first.content}\n\n{offer}") if first else Message("system", offer)
        return [system, *spelled[1 if first else 0 :]]


_RESPONSE_MARKS = ("<tool_response>", "</tool_response>")
_OFFER = """\
You may call functions. They are, as JSON:
{tools}
To call one, write {open}
{{"name": <its name>, "arguments": <a JSON object>}}
{close}"""


def message_entry(message: Message) -> dict[str, Any]:
    """A message as templates expect it: arguments of calls as objects, reasoning as `reasoning_content`."""
    entry: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning is not None:
        entry["reasoning_content"] = message.reasoning
    if message.tool_calls:
        entry["tool_calls"] = [_call_entry(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        entry["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        entry["name"] = message.name
    return entry


def tool_entry(tool: Tool) -> dict[str, Any]:
    """A tool as templates expect it; a custom tool is a function of one text, `input`."""
    parameters: Mapping[str, Any] = tool.parameters or {"type": "object", "properties": {}}
    if tool.type == "custom":
        parameters = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    described = {"description": tool.description} if tool.description else {}
    return {"type": "function", "function": {"name": tool.name, **described, "parameters": parameters}}


def merge_turns(messages: Sequence[Message]) -> list[Message]:
    """The same conversation for templates that want user and assistant to alternate.

    System text goes into the first user turn; neighbours of one role become one turn. Tool calls are left alone.
    """
    system = "\n\n".join(m.content for m in messages if m.role in ("system", "developer") and m.content)
    turns: list[Message] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        last = turns[-1] if turns else None
        if last and last.role == message.role and message.role in ("user", "assistant") and not last.tool_calls:
            content = "\n\n".join(text for text in (last.content, message.content) if text)
            turns[-1] = replace(message, content=content)
        else:
            turns.append(message)
    if not system:
        return turns
    if turns and turns[0].role == "user":
        return [replace(turns[0], content=f"{system}\n\n{turns[0].content}"), *turns[1:]]
    return [Message("user", system), *turns]


def _call_entry(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _arguments(call)}}


def _arguments(call: ToolCall) -> Any:
    if call.type == "custom":
        return {"input": call.arguments}
    try:
        parsed = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return call.arguments
    return parsed if isinstance(parsed, dict) else call.arguments


def _spelled(message: Message, family: Family) -> Message:
    tools = family.tools
    if message.role == "tool":
        return Message("user", f"{_RESPONSE_MARKS[0]}\n{message.content}\n{_RESPONSE_MARKS[1]}")
    objects = ({"name": call.name, "arguments": _arguments(call)} for call in message.tool_calls)
    calls = [f"{tools.open_mark}\n{json.dumps(o, ensure_ascii=False)}\n{tools.close_mark}" for o in objects]
    return replace(message, content="\n".join([message.content, *calls] if message.content else calls), tool_calls=())


def _find_templates(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    file = folder / "chat_template.jinja"
    try:
        found: Any = file.read_text(encoding="utf-8") if file.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}") from error
    found = found or read_json(folder / "chat_template.json").get("chat_template") or config.get("chat_template")
    if found is None:
        return {"default": CHATML}
    if isinstance(found, str):
        return {"default": found}
    named = {t["name"]: t["template"] for t in found if isinstance(t, dict) and {"name", "template"} <= t.keys()}
    if not named or not all(isinstance(text, str) for text in named.values()):
        raise CheckpointError(f"{folder}: chat_template is neither a text nor a list of named texts")
    return {"default": next(iter(named.values())), **named}


def _refused(error: jinja2.TemplateError) -> InvalidRequest:
    return InvalidRequest(f"the model's chat template does not take these messages: {error}", param="messages")


def _cut_marks(text: str, cut: str, marks: Matcher) -> str:
    return cut.join(marks.divide(text))


def _unused_character(messages: Iterable[Message], tools: Iterable[Tool], options: Mapping[str, Any]) -> str:
    """A private-use character that nobody typed. Raises `InvalidRequest` where somebody typed them all."""
    typed = repr((messages, tools, options))  # such characters are escaped in it: U+F0000 is \U000f0000
    used = set(re.findall("U000f([0-9a-f]{4})", typed))
    unused = next((chr(0xF0000 + n) for n in range(0xFFFE) if f"{n:04x}" not in used), None)
    if unused is None:
        raise InvalidRequest(
            "the messages use every private-use character of plane 15; leave some out", param="messages"
        )
    return unused
