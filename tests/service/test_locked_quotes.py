"""Locked quotes with a real engine: guesses change nothing, thinking is free, and a call may follow a quote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from owngpt.build import load, open_app
from owngpt.config import EngineConfig, Settings
from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatEvent, ChatPrompt
from owngpt.service.generate import GenerationRequest
from owngpt.service.grounding import GroundedEvent, GroundingOptions, given, ground
from owngpt.text.output import ReasoningDelta
from owngpt.types import Citation, Message, SamplingParams
from tests.clients.serving import tiny_checkpoint
from tests.service.test_extracting import PARIS, TOKYO, passage, text_of

NUM_ANSWERS = 12


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("locked"))


@pytest.fixture(scope="module", params=["off", "on"])
def app(request: pytest.FixtureRequest, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    engine = EngineConfig(kv_memory=8 * 1024**2, threads=1, speculation=request.param)
    settings = Settings(models=(str(checkpoint),), data_dir=tmp_path_factory.mktemp("data"), engine=engine)
    app = open_app(settings).app
    load(app)
    yield app
    app.close()


async def ask(app: App, seed: int, *, thinks: bool = False) -> list[GroundedEvent]:
    """A model with random weights that is pushed to quote, and perhaps to think first."""
    model = app.models.generative[0]
    prompt = ChatPrompt([Message("user", "When?")], template_arguments={"enable_thinking": True})
    bias = {model.tokenizer.encode('"')[0]: 8.0}
    if thinks:
        bias |= {model.tokenizer.encode(mark)[0]: weight for mark, weight in (("<think>", 9.0), ("</think>", 6.0))}
    sampling = SamplingParams(max_tokens=80, seed=seed, logit_bias=bias)
    request = GenerationRequest(model, prompt, sampling)
    passages = [passage(PARIS), replace(passage(TOKYO), id="p-b")]
    caller = Caller("proj_1", "default", "org_1", "key_1", is_admin=False)
    async with ground(app, caller, request, given(passages), GroundingOptions(abstain=False)) as generation:
        return [event async for event in generation]


SEEN: dict[int, list[str]] = {}  # by seed, what was answered without guesses


@pytest.mark.anyio
async def test_quotes_are_verbatim_and_the_same_with_and_without_guesses(app: App) -> None:
    num_citations = 0
    for seed in range(NUM_ANSWERS):
        events = await ask(app, seed)
        citations = [event for event in events if isinstance(event, Citation)]
        num_citations += len(citations)
        for citation in citations:
            assert {"p-a": PARIS, "p-b": TOKYO}[citation.passage_id][citation.start : citation.end] == citation.quote
        said = [text_of(events), *(citation.quote for citation in citations)]
        assert SEEN.setdefault(seed, said) == said
    assert num_citations > 0


@pytest.mark.anyio
async def test_thinking_is_free_and_the_answer_behind_it_is_locked(app: App) -> None:
    thoughts = ""
    for seed in range(NUM_ANSWERS):
        events = await ask(app, seed, thinks=True)
        deltas = [delta for event in events if isinstance(event, ChatEvent) for delta in event.deltas]
        thoughts += "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta))
        num_marks = sum(text_of(events).count(mark) for mark in '"“”「」')
        assert num_marks == 2 * sum(isinstance(event, Citation) for event in events)
    assert '"' in thoughts
