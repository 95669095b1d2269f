"""Answers that are sentences of the passages, word for word."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatEvent, ChatPrompt
from owngpt.service.generate import GenerationRequest
from owngpt.service.grounding import GroundedEvent, GroundedVerdict, GroundingOptions, given, ground
from owngpt.text.output import ContentDelta
from owngpt.types import Citation, Message, Passage, SamplingParams, Verdict
from tests.fakes.engine import make_app

PARIS = "Paris is the capital of France.\nThe Eiffel Tower was built in 1889 by Gustave Eiffel. It is made of iron."
TOKYO = "東京は日本の首都です。東京タワーは1958年に建てられました。高さは333メートルです。"


def passage(text: str, name: str = "a", start: int = 0, **fields: object) -> Passage:
    return Passage(f"p-{name}", text, f"file-{name}", f"{name}.txt", start, **fields)  # type: ignore[arg-type]


async def ask(app: App, question: str, passages: Sequence[Passage], options: GroundingOptions) -> list[GroundedEvent]:
    caller = Caller("proj_1", "default", "org_1", "key_1", is_admin=False)
    prompt = ChatPrompt([Message("user", question)])
    request = GenerationRequest(app.models.generative[0], prompt, SamplingParams())
    async with ground(app, caller, request, given(passages), options) as generation:
        return [event async for event in generation]


def text_of(events: Sequence[GroundedEvent]) -> str:
    deltas = [delta for event in events if isinstance(event, ChatEvent) for delta in event.deltas]
    return "".join(delta.text for delta in deltas if isinstance(delta, ContentDelta))


@pytest.mark.anyio
@pytest.mark.parametrize("has_embedder", [True, False])
@pytest.mark.parametrize(
    ("question", "sentence", "source"),
    [
        ("When was the Eiffel Tower built?", "The Eiffel Tower was built in 1889 by Gustave Eiffel.", PARIS),
        ("東京タワーはいつ建てられましたか？", "東京タワーは1958年に建てられました。", TOKYO),
    ],
)
async def test_the_sentence_that_answers_is_the_answer(
    question: str, sentence: str, source: str, has_embedder: bool
) -> None:
    app = make_app(embedder=has_embedder)
    passages = [passage(PARIS, "paris", start=500, pages=((0, 1), (510, 2))), passage(TOKYO, "tokyo", start=500)]
    events = await ask(app, question, passages, GroundingOptions("extract", threshold=0.2))
    citation = next(event for event in events if isinstance(event, Citation))
    verdict = next(event for event in events if isinstance(event, GroundedVerdict))
    assert citation.quote == sentence
    assert source[citation.start - 500 : citation.end - 500] == sentence
    assert text_of(events)[: citation.index].endswith((f'"{sentence}"', f"「{sentence}」"))
    assert verdict.verdict is Verdict.SUPPORTED
    assert verdict.sentences[0].citations[0] == citation


@pytest.mark.anyio
async def test_what_the_passages_do_not_say_is_not_answered() -> None:
    events = await ask(make_app(), "Who won the 1998 World Cup final?", [passage(PARIS)], GroundingOptions("extract"))
    verdict = next(event for event in events if isinstance(event, GroundedVerdict))
    assert verdict.verdict is Verdict.ABSTAINED
    assert not [event for event in events if isinstance(event, Citation)]
    assert text_of(events) == "I cannot find a reliable answer to this in the documents that I have."
    assert [hint.id for hint in verdict.hints] == ["p-a"]


@pytest.mark.anyio
async def test_an_abstention_speaks_the_language_of_the_question() -> None:
    events = await ask(make_app(), "議員の給料はいくらですか？", [passage(PARIS)], GroundingOptions("extract"))
    assert "見つかりませんでした" in text_of(events)


@pytest.mark.anyio
async def test_no_passages_no_answer() -> None:
    events = await ask(make_app(), "When?", [], GroundingOptions("extract", abstain=False))
    assert next(event for event in events if isinstance(event, GroundedVerdict)).verdict is Verdict.ABSTAINED
