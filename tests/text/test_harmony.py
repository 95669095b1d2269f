"""Conversations as gpt-oss is shown them."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from owngpt.text.chat import ChatRenderer, message_entry, tool_entry
from owngpt.text.harmony_turns import harmony_turns
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Message, Thinking, Tool, ToolCall
from tests.text.families import make

WEATHER = Tool("weather", "", {"type": "object", "properties": {"city": {"type": "string"}}})
ONE, TWO = ToolCall("1", "weather", '{"city": "Oslo"}'), ToolCall("2", "clock", "{}")
ASK = Message("user", "Weather and time?")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, ChatRenderer, Path]:
    folder = tmp_path_factory.mktemp("gpt-oss")
    return (*make("gpt-oss", folder), folder)


def test_thoughts_before_a_call_are_shown_to_the_template(made: Any) -> None:
    _, chat, folder = made
    messages = (ASK, Message("assistant", reasoning="I look it up.", tool_calls=(ONE,)), Message("tool", "3"))
    entries: list[dict[str, Any]] = [message_entry(message) for message in messages]
    entries[1]["thinking"] = "I look it up."
    tool = tool_entry(WEATHER)
    tool["function"]["description"] = ""
    expected = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        entries, tools=[tool], add_generation_prompt=True, tokenize=False, reasoning_effort="high"
    )
    text = chat.render(messages, (WEATHER,), extra={"reasoning_effort": "high"})
    assert text == expected
    assert "<|channel|>analysis<|message|>I look it up.<|end|><|start|>assistant to=functions.weather" in text
    assert "Reasoning: high" in text


def test_what_was_said_before_a_call_goes_beside_the_thought(made: Any) -> None:
    messages = (ASK, Message("assistant", "Just a moment.", reasoning="Hm.", tool_calls=(ONE,)), Message("tool", "3"))
    assert "<|channel|>analysis<|message|>Hm.\n\nJust a moment.<|end|>" in made[1].render(messages)


def test_instructions_come_first_and_once() -> None:
    later = Message("system", "Be kind.")
    turns = harmony_turns([Message("system", "Be brief."), Message("developer", "Be true."), ASK, later])
    assert turns == [Message("developer", "Be brief.\n\nBe true.\n\nBe kind."), ASK]


def test_calls_in_one_message_become_messages_with_their_results() -> None:
    both = Message("assistant", "Both.", tool_calls=(ONE, TWO))
    answers = Message("tool", "noon", tool_call_id="2"), Message("tool", "rain", tool_call_id="1")
    end = Message("assistant", "Rain at noon.")
    assert harmony_turns([ASK, both, *answers, end]) == [
        ASK,
        Message("assistant", reasoning="Both.", tool_calls=(ONE,)),
        answers[1],
        Message("assistant", tool_calls=(TWO,)),
        answers[0],
        end,
    ]


def test_a_result_without_an_id_stays_behind_its_call() -> None:
    call, result = Message("assistant", tool_calls=(ONE,)), Message("tool", "rain")
    assert harmony_turns([ASK, call, result]) == [ASK, call, result]


def test_thinking_is_told_by_headers(made: Any) -> None:
    tokenizer, chat, _ = made
    thinking = chat.thinking(chat.encode((ASK,)), 7)
    assert isinstance(thinking, Thinking)
    message, end, channel, start = (tokenizer.token_to_id(f"<|{m}|>") for m in ("message", "end", "channel", "start"))
    assert (thinking.budget, thinking.start_id, thinking.end_id, thinking.end_ids) == (7, message, end, (end,))
    short, long = thinking.headers
    assert short == (channel, *tokenizer.encode("analysis"))
    assert long == (start, *tokenizer.encode("assistant"), *short)


def test_the_family(made: Any) -> None:
    tokenizer, chat, _ = made
    assert chat.family.is_harmony
    assert chat.family.can_think
    assert chat.family.has_effort_switch
    assert chat.family.end_ids == {tokenizer.token_to_id("<|call|>"), tokenizer.token_to_id("<|return|>")}
    assert chat.family.keep == {tokenizer.token_to_id(mark) for mark in chat.family.marks}
