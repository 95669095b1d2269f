"""A model that writes messages with headers: from a chat to what its text means, through the engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from owngpt.config import EngineConfig
from owngpt.engine.core import ThreadEngine
from owngpt.service.chat import ChatPrompt, ChatReader, ToolUse
from owngpt.service.models import ServedModel
from owngpt.text.chat import ChatRenderer
from owngpt.text.grammar import ResponseFormat, ToolChoice
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Message, SamplingParams, TokenEvent, Tool
from tests.engine.scripted import ScriptedModel
from tests.fakes.engine import FINGERPRINT
from tests.text.families import make
from tests.text.test_output import merge

ASK = (Message("user", "Weather?"),)
WEATHER = Tool("weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
THOUGHT = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"
ANSWER = f"{THOUGHT}<|channel|>final<|message|>It rains.<|return|>"
CALL = f'{THOUGHT}<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{{"city": "Oslo"}}<|call|>'
YES = ResponseFormat(
    "json_schema",
    {"type": "object", "properties": {"ok": {"const": True}}, "required": ["ok"], "additionalProperties": False},
)


@pytest.fixture(scope="module")
def text_side(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, ChatRenderer]:
    return make("gpt-oss", tmp_path_factory.mktemp("gpt-oss"))


class Speaker:
    """Serves a model that wants to say what it is told to."""

    def __init__(self, tokenizer: Tokenizer, chat: ChatRenderer) -> None:
        self.tokenizer, self.chat = tokenizer, chat
        self.scripted = ScriptedModel("?", tokenizer.vocab_size, max_position=2000)
        config = EngineConfig(kv_memory=2**22, max_batch_tokens=256)
        self.engine = ThreadEngine(self.scripted, tokenizer, config, keep=chat.family.keep)  # type: ignore[arg-type]
        self.model = ServedModel("gpt-oss", self.engine, tokenizer, chat, 1, FINGERPRINT)

    async def events(self, wanted: str, prompt: ChatPrompt, **sampling: Any) -> list[TokenEvent]:
        prepared = prompt.prepare(self.model, SamplingParams(temperature=0.0, max_tokens=200, **sampling))
        self.scripted.script = self.tokenizer.encode(wanted)
        self.scripted.first = len(prepared.prompts[0]) - 1
        async with self.engine.submit(prepared.prompts[0], prepared.sampling, constraint=prepared.constraint) as stream:
            return [event async for event in stream]

    async def says(self, wanted: str, prompt: ChatPrompt, **sampling: Any) -> tuple[Any, str | None]:
        reader = ChatReader(self.model, prompt, 1)
        read = [reader.read(event) for event in await self.events(wanted, prompt, **sampling)]
        return merge(delta for event in read for delta in event.deltas), read[-1].finish_reason


@pytest.fixture(scope="module")
def speaker(text_side: tuple[Tokenizer, ChatRenderer]) -> Iterator[Speaker]:
    made = Speaker(*text_side)
    yield made
    made.engine.close()


@pytest.mark.anyio
async def test_an_answer(speaker: Speaker) -> None:
    assert await speaker.says(ANSWER, ChatPrompt(ASK)) == (("Hm.", "It rains.", []), "stop")


@pytest.mark.anyio
async def test_a_call(speaker: Speaker) -> None:
    prompt = ChatPrompt(ASK, ToolUse((WEATHER,)))
    assert await speaker.says(CALL, prompt) == (("Hm.", "", [("weather", '{"city": "Oslo"}')]), "tool_calls")


@pytest.mark.anyio
async def test_a_grammar_lets_the_model_think_first(speaker: Speaker) -> None:
    prompt = ChatPrompt(ASK, response_format=YES)
    wanted = f'{THOUGHT}<|channel|>final<|message|>{{"ok": false}}<|return|>'
    (reasoning, content, _), finish = await speaker.says(wanted, prompt)
    assert (reasoning, content, finish) == ("Hm.", '{"ok": true}', "stop")


@pytest.mark.anyio
async def test_a_call_can_be_required(speaker: Speaker) -> None:
    prompt = ChatPrompt(ASK, ToolUse((WEATHER,), ToolChoice("required")))
    wanted = CALL.replace("to=functions.weather", "to=functions.leather")
    (_, content, [(name, _)]), finish = await speaker.says(wanted, prompt)
    assert (content, name, finish) == ("", "weather", "tool_calls")


@pytest.mark.anyio
async def test_effort_is_told_to_the_template(speaker: Speaker) -> None:
    for effort, told, budget in (("low", "low", None), ("max", "high", None), ("minimal", "low", 128)):
        prepared = ChatPrompt(ASK, reasoning_effort=effort).prepare(speaker.model, SamplingParams())
        assert f"Reasoning: {told}" in speaker.tokenizer.decode(prepared.prompts[0], skip_special=False)
        assert prepared.sampling.thinking is not None
        assert prepared.sampling.thinking.budget == budget


@pytest.mark.anyio
@pytest.mark.parametrize("response_format", [ResponseFormat(), YES])
async def test_no_effort_is_no_thought(speaker: Speaker, response_format: ResponseFormat) -> None:
    prompt = ChatPrompt(ASK, response_format=response_format, reasoning_effort="none")
    events = await speaker.events(ANSWER, prompt)
    text = "".join(event.text for event in events)
    assert text.startswith("<|channel|>analysis<|message|><|end|>")


@pytest.mark.anyio
async def test_stop_strings_and_logprobs_are_of_the_answer_alone(speaker: Speaker) -> None:
    prompt = ChatPrompt(ASK)
    (_, content, _), finish = await speaker.says(ANSWER, prompt, stop=("assistant", "rain"))
    assert (content, finish) == ("It ", "stop")
    reader = ChatReader(speaker.model, prompt, 1)
    read = [reader.read(event) for event in await speaker.events(ANSWER, prompt, logprobs=0)]
    tokens = [entry.token for event in read for entry in event.logprobs or ()]
    assert b"".join(tokens) == b"It rains."
