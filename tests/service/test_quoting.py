"""Generated answers with locked quotes: what a client gets, whatever the model says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from owngpt.errors import InvalidRequest, ServiceUnavailable
from owngpt.retrieval.ground import Fitted
from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatEvent, ChatPrompt, ToolUse
from owngpt.service.evidence import gather
from owngpt.service.generate import Caching, GenerationRequest
from owngpt.service.grounding import GroundedEvent, GroundedVerdict, GroundingOptions, Mode, given, ground
from owngpt.service.prose import ProseAnswer
from owngpt.text.grammar import ResponseFormat, ToolChoice
from owngpt.text.output import ContentDelta
from owngpt.text.quotes import QuoteMarks
from owngpt.trust.support import CombinedScorer
from owngpt.types import Citation, Message, Passage, SamplingParams, Tool, Verdict
from tests.fakes.engine import engine_of, make_app
from tests.service.test_extracting import PARIS, TOKYO, passage, text_of

QUESTION = "When was the Eiffel Tower built?"
OPEN = GroundingOptions(abstain=False)
STRICT = GroundingOptions(threshold=0.3)


async def ask(
    app: App,
    options: GroundingOptions = OPEN,
    passages: Sequence[Passage] = (passage(PARIS, start=10), passage(TOKYO, "b")),
    question: str = QUESTION,
    response_format: ResponseFormat = ResponseFormat(),  # noqa: B008
    tool_use: ToolUse = ToolUse(),  # noqa: B008
    **sampling: int,
) -> list[GroundedEvent]:
    caller = Caller("proj_1", "default", "org_1", "key_1", is_admin=False)
    messages = [Message("system", "Be brief."), Message("user", question)]
    prompt = ChatPrompt(messages, tool_use, response_format)
    params = SamplingParams(**sampling)  # type: ignore[arg-type]
    request = GenerationRequest(app.models.generative[0], prompt, params, caching=Caching("mine"))
    async with ground(app, caller, request, given(passages), options) as generation:
        return [event async for event in generation]


def citations_of(events: list[GroundedEvent]) -> list[Citation]:
    return [event for event in events if isinstance(event, Citation)]


def verdict_of(events: list[GroundedEvent]) -> GroundedVerdict:
    return next(event for event in events if isinstance(event, GroundedVerdict))


@pytest.mark.anyio
async def test_marks_become_quotation_marks_and_a_citation() -> None:
    app = make_app('In 1889: "[1] The Eiffel Tower was built in 1889". It is old.')
    events = await ask(app)
    (citation,) = citations_of(events)
    assert text_of(events) == 'In 1889: "The Eiffel Tower was built in 1889". It is old.'
    assert PARIS[citation.start - 10 : citation.end - 10] == citation.quote == "The Eiffel Tower was built in 1889"
    assert citation.support is not None
    assert [sentence.citations for sentence in verdict_of(events).sentences] == [(citation,), ()]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "said",
    [
        '"[1] The Eiffel Tower was built in 1889".',
        "The Eiffel Tower was built in 1889 by Gustave Eiffel. Paris is on the Seine.",
        'It was 1999. "[2] Tokyo Tower was built in 1958". No.',
        "Bread is baked of flour.",
    ],
)
async def test_what_a_model_says_is_never_surer_than_what_would_be_extracted(said: str) -> None:
    """So a threshold that was calibrated on extracted answers lets no more questions through to a model."""
    app = make_app(said)
    passages = (passage(PARIS, start=10), passage(TOKYO, "b"))
    evidence = await gather(app, QUESTION, passages)
    assert verdict_of(await ask(app, passages=passages)).support <= evidence.confidence


@pytest.mark.anyio
async def test_the_model_sees_the_passages_and_the_question_in_the_last_turn() -> None:
    app = make_app("Yes.")
    await ask(app)
    submission = engine_of(app).submissions[0]
    prompt = engine_of(app).tokenizer.decode(submission.prompt)
    assert PARIS in prompt
    assert TOKYO in prompt
    assert prompt.index(PARIS) < prompt.index(f"Question: {QUESTION}")
    assert submission.constraint is not None


@pytest.mark.anyio
async def test_a_quote_that_is_cut_short_is_closed_and_cited_as_far_as_it_came() -> None:
    events = await ask(make_app('See "[1] The Eiffel Tower was built in 1889 by'), max_tokens=20)
    assert text_of(events) == 'See "The Eiffel "'
    assert [citation.quote for citation in citations_of(events)] == ["The Eiffel "]


@pytest.mark.anyio
async def test_in_place_of_an_answer_that_nothing_bears_out_stands_the_sentence_that_answers() -> None:
    """However weak the model is."""
    events = await ask(make_app("Bananas were invented by Napoleon in 1745."), STRICT)
    verdict = verdict_of(events)
    assert (verdict.verdict, verdict.is_extract) == (Verdict.SUPPORTED, True)
    assert "Bananas" not in text_of(events)
    assert citations_of(events)[0].quote == "The Eiffel Tower was built in 1889 by Gustave Eiffel."


@pytest.mark.anyio
async def test_an_answer_that_nothing_bears_out_is_never_shown() -> None:
    app = make_app("Bananas were invented by Napoleon in 1745.")
    tools = ToolUse([Tool("look_up", parameters={"type": "object"})])
    events = await ask(app, GroundingOptions(threshold=1.0), tool_use=tools)
    verdict = verdict_of(events)
    assert verdict.verdict is Verdict.ABSTAINED
    assert text_of(events) == verdict.message
    assert not citations_of(events)


@pytest.mark.anyio
async def test_what_the_passages_do_not_answer_is_not_even_generated() -> None:
    app = make_app("Never said.")
    events = await ask(app, GroundingOptions(threshold=0.5), question="Who won the World Cup final of 1998?")
    assert verdict_of(events).verdict is Verdict.ABSTAINED
    assert not engine_of(app).submissions


@pytest.mark.anyio
async def test_an_answer_is_shown_from_its_first_supported_sentence_on() -> None:
    app = make_app(
        'It was built long ago. "[1] The Eiffel Tower was built in 1889 by Gustave Eiffel." Bananas are blue.'
    )
    events = await ask(app, STRICT)
    assert text_of(events).startswith("It was built long ago.")
    assert text_of(events).endswith("Bananas are blue.")
    verdict = verdict_of(events)
    assert verdict.verdict is Verdict.PARTLY
    assert [round(sentence.support, 1) for sentence in verdict.sentences][1] == 1.0


@pytest.mark.anyio
async def test_restricted_passages_are_cached_only_for_who_may_read_them() -> None:
    """And never on disk."""
    app = make_app("Yes.")
    await ask(app)
    await ask(app, passages=(passage(PARIS, readers=frozenset({"user:1"})),))
    await ask(app, passages=(passage(PARIS, readers=frozenset({"user:2"})),))
    first, second, third = engine_of(app).submissions
    assert len({first.namespace, second.namespace, third.namespace}) == 3
    assert (first.is_durable, second.is_durable) == (True, False)


CALL = '<tool_call>\n{"name": "look_up", "arguments": {"word": "tower"}}\n</tool_call>'
TOOLS = ToolUse([Tool("look_up", parameters={"type": "object"})])


def names_of(events: list[GroundedEvent]) -> list[str]:
    """What came, in order."""
    names = []
    for event in events:
        kinds = event.deltas if isinstance(event, ChatEvent) else [event]
        names += [type(kind).__name__ for kind in kinds]
    return list(dict.fromkeys(names))


@pytest.mark.anyio
@pytest.mark.parametrize("said", ["", "Let me look that up. "])
async def test_tools_may_be_called_though_no_passage_was_found(said: str) -> None:
    """What was said beside a call, and not borne out, is not shown, and has no verdict."""
    app = make_app(said + CALL)
    events = await ask(app, STRICT, passages=(), tool_use=TOOLS)
    assert names_of(events) == ["ToolCallStart", "ToolCallArguments"]
    assert isinstance(events[-1], ChatEvent)
    assert events[-1].finish_reason == "tool_calls"
    assert "sources" not in engine_of(app).tokenizer.decode(engine_of(app).submissions[0].prompt)


@pytest.mark.anyio
async def test_without_passages_and_without_calls_there_is_no_answer() -> None:
    app = make_app("Napoleon did it.")
    events = await ask(app, STRICT, passages=(), tool_use=TOOLS)
    assert text_of(events) == verdict_of(events).message
    never = replace(TOOLS, choice=ToolChoice("none"))
    await ask(app, STRICT, passages=(), tool_use=never)
    assert len(engine_of(app).submissions) == 1


@pytest.mark.anyio
async def test_citations_come_before_the_call_that_follows_them() -> None:
    """They were told at the end of the answer: behind the call, where no text is that they could stand in."""
    said = 'It is "[1] The Eiffel Tower was built in 1889". '
    events = await ask(make_app(said + CALL), OPEN, tool_use=TOOLS)
    assert names_of(events) == [
        "ContentDelta",
        "Citation",
        "ToolCallStart",
        "ToolCallArguments",
        "GroundedVerdict",
    ]


class Untouched(Sequence[Passage]):
    """Passages that nobody may look at."""

    def __getitem__(self, index: object) -> Any:
        raise AssertionError("it was looked at")

    def __len__(self) -> int:
        raise AssertionError("it was counted")


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["quote", "extract"])
async def test_nothing_is_ranked_for_a_request_that_is_not_admitted(mode: Mode) -> None:
    app = make_app("Yes.")
    app.limits.is_draining = True
    with pytest.raises(ServiceUnavailable):
        await ask(app, GroundingOptions(mode), passages=Untouched())


def schema(**properties: object) -> ResponseFormat:
    return ResponseFormat("json_schema", {"type": "object", "properties": properties, "required": list(properties)})


@pytest.mark.anyio
async def test_a_field_of_a_schema_may_be_a_quote() -> None:
    sentence = "The Eiffel Tower was built in 1889 by Gustave Eiffel."
    app = make_app(f'{{"year": 1889, "proof": "{sentence}"}}')
    format = schema(year={"type": "integer"}, proof={"type": "string", "x-owngpt-quote": True})
    events = await ask(app, STRICT, response_format=format)
    (citation,) = citations_of(events)
    assert (citation.quote, citation.start) == (sentence, 10 + PARIS.index(sentence))
    assert text_of(events)[: citation.index].endswith(f'"{sentence}"')
    constraint = engine_of(app).submissions[0].constraint
    assert constraint is not None
    assert sentence in constraint.grammar


@pytest.mark.anyio
async def test_a_conforming_answer_that_is_not_borne_out_says_nothing() -> None:
    app = make_app('{"proof": "Bananas are invented by Napoleon."}')
    events = await ask(app, STRICT, response_format=schema(proof={"type": "string"}))
    assert text_of(events) == ""
    assert verdict_of(events).message


@pytest.mark.anyio
@pytest.mark.parametrize("sampling", [{"n": 2}, {"logprobs": 2}])
async def test_what_cannot_be_had_is_refused(sampling: dict[str, int]) -> None:
    with pytest.raises(InvalidRequest):
        await ask(make_app("Yes."), **sampling)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_passages_that_do_not_fit_are_narrowed_and_the_rest_is_counted() -> None:
    app = make_app('"[1] Never quoted."', max_model_len=1500)
    passages = tuple(passage(f"{PARIS} {'Filler words stand here. ' * 60}", f"n{i}") for i in range(30))
    events = await ask(app, passages=passages)
    assert verdict_of(events).num_omitted > 0
    assert "The Eiffel Tower was built in 1889" in engine_of(app).tokenizer.decode(engine_of(app).submissions[0].prompt)


@pytest.mark.anyio
async def test_what_does_not_fit_is_what_answers_least() -> None:
    """Documents come in any order: the one that answers may be the last of hundreds."""
    app = make_app('"[1] Never quoted."', max_model_len=1500)
    fillers = tuple(passage(f"Filler number {i} stands here. " * 20, f"n{i}") for i in range(200))
    events = await ask(app, passages=(*fillers, passage(PARIS)))
    verdict = verdict_of(events)
    assert (verdict.num_passages, verdict.num_omitted > 150) == (201, True)
    assert "The Eiffel Tower was built in 1889" in engine_of(app).tokenizer.decode(engine_of(app).submissions[0].prompt)


@pytest.mark.anyio
async def test_sentences_do_not_depend_on_how_the_text_came() -> None:
    """An engine that guesses says several tokens at once, and another one does not."""
    said = f'Long ago. 東京。"[1] of France.\nThe Eiffel Tower"。東京。"[2] {TOKYO[:20]}", e.g. now.\n1. Iron! ' * 3
    evidence = await gather(make_app(), QUESTION, [passage(PARIS), passage(TOKYO, "b")])
    found = []
    for step in (1, 5, len(said)):
        answer = ProseAnswer(Fitted(evidence.passages), QuoteMarks('"', '"'), evidence, CombinedScorer(), OPEN, 0.3)
        events: list[GroundedEvent] = []
        for i in range(0, len(said), step):
            events += await answer.read(ChatEvent(0, (ContentDelta(said[i : i + step]),), None, None))
        events += await answer.finish()
        found.append((text_of(events), citations_of(events), verdict_of(events)))
    assert found[0] == found[1] == found[2]
