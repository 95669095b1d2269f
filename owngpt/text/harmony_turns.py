"""A conversation as gpt-oss' template takes it: instructions first and once, one call to a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from owngpt.types import Message


def harmony_turns(messages: Sequence[Message]) -> list[Message]:
    """The same conversation. The template would leave out later instructions, and all calls of a message but one."""
    instructions = "\n\n".join(m.content for m in messages if m.role in ("system", "developer") and m.content)
    first = [Message("developer", instructions)] if instructions else []
    return [*first, *_turns([m for m in messages if m.role not in ("system", "developer")])]


def _turns(messages: Sequence[Message]) -> Iterator[Message]:
    """Each result goes behind its call, since a result is told by the call before it."""
    moved: set[int] = set()
    for place, message in enumerate(messages):
        if message.tool_calls:
            results = {m.tool_call_id: i for i, m in _results(messages, place)}
            for number, call in enumerate(message.tool_calls):
                yield _calling(message if number == 0 else replace(message, content="", reasoning=None), number)
                if call.id in results and len(message.tool_calls) > 1:
                    moved.add(results[call.id])
                    yield messages[results[call.id]]
        elif place not in moved:
            yield message


def _results(messages: Sequence[Message], place: int) -> Iterator[tuple[int, Message]]:
    """The tools' messages right behind a message, and where they are."""
    for i in range(place + 1, len(messages)):
        if messages[i].role != "tool":
            return
        yield i, messages[i]


def _calling(message: Message, number: int) -> Message:
    """With this call only. One text may stand before it, so what was thought and what was said become one."""
    said = "\n\n".join(text for text in (message.reasoning, message.content) if text)
    return replace(message, content="", reasoning=said or None, tool_calls=(message.tool_calls[number],))
