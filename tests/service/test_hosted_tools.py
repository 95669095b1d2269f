"""Tools that run here: the loop of an answer that calls them, with a tool of the tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from owngpt.service.app import App, Caller
from owngpt.service.chat import ToolUse
from owngpt.service.responses.answer import respond, respond_whole
from owngpt.service.responses.builder import ResponseBuilder
from owngpt.service.responses.items import item_id, text_message
from owngpt.service.responses.open_items import Event
from owngpt.service.responses.turn import Context, Turn
from owngpt.store.projects import Projects
from owngpt.text.grammar import ToolChoice
from owngpt.types import SamplingParams, Tool, ToolCall
from tests.clients.scripted import call
from tests.fakes.engine import Submission, engine_of, make_app

pytestmark = pytest.mark.anyio
CLOCK = Tool("clock", "The time.", {"type": "object", "properties": {}})


class Clock:
    """A hosted tool: a call and its output become items."""

    definition = CLOCK

    def __init__(self) -> None:
        self.calls: list[ToolCall] = []

    async def run(self, call: ToolCall, builder: ResponseBuilder) -> AsyncGenerator[Event, None]:
        self.calls.append(call)
        called = {"type": "function_call", "id": item_id("function_call"), "call_id": call.id, "name": call.name}
        items: Sequence[dict[str, Any]] = (
            {**called, "arguments": call.arguments, "status": "completed"},
            {
                "type": "function_call_output",
                "id": item_id("function_call_output"),
                "call_id": call.id,
                "output": "noon",
                "status": "completed",
            },
        )
        for item in items:
            for event in builder.open(builder.open_whole(item)):
                yield event
            for event in builder.close():
                yield event


def turn_of(app: App, clock: Clock, **options: Any) -> Turn:
    fields = {
        "id": "resp_1",
        "created_at": 1,
        "status": "in_progress",
        "output": [],
        "conversation": None,
        "previous_response_id": None,
    }
    use = options.pop("tool_use", ToolUse([CLOCK], params=["tools[0]"]))
    sampling = options.pop("sampling", SamplingParams())
    model = app.models.generative[0]
    return Turn("resp_1", model, fields, (), sampling, tool_use=use, hosted=[clock], is_stored=False, **options)


def caller_of(app: App) -> Caller:
    project = Projects(app.database).ensure()
    return Caller(project.id, project.name, project.organization_id, "key_1", is_admin=False)


CONTEXT = Context([text_message("user", "What time is it?")], ())


def says_noon_after_a_call(app: App) -> None:
    engine = engine_of(app)

    def script(submission: Submission) -> str:
        prompt = engine.tokenizer.decode(submission.prompt, skip_special=False)
        return "It is noon." if "<|im_start|>tool\n" in prompt else call("clock")

    engine.script = script


async def test_an_answer_goes_on_with_what_a_tool_gave() -> None:
    app, clock = make_app(), Clock()
    says_noon_after_a_call(app)
    document = await respond_whole(app, caller_of(app), turn_of(app, clock), CONTEXT)
    assert [item["type"] for item in document["output"]] == ["function_call", "function_call_output", "message"]
    assert document["output"][-1]["content"][0]["text"] == "It is noon."
    assert [each.arguments for each in clock.calls] == ["{}"]
    tokens = sum(len(submission.prompt) for submission in engine_of(app).submissions)
    assert document["usage"]["input_tokens"] == tokens, "all passes count"


async def test_the_stream_of_a_loop_is_one_response() -> None:
    app, clock = make_app(), Clock()
    says_noon_after_a_call(app)
    events = [event async for event in respond(app, caller_of(app), turn_of(app, clock), CONTEXT)]
    kinds = [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert (kinds.count("response.created"), kinds.count("response.completed")) == (1, 1)
    added = [event["output_index"] for event in events if event["type"] == "response.output_item.added"]
    assert added == [0, 1, 2]


async def test_a_call_that_the_client_has_to_make_ends_the_response() -> None:
    app, clock = make_app(f"{call('clock')}\n{call('ring')}"), Clock()
    ring = Tool("ring", "Rings.", {"type": "object", "properties": {}})
    use = ToolUse([CLOCK, ring], params=["tools[0]", "tools[1]"])
    document = await respond_whole(app, caller_of(app), turn_of(app, clock, tool_use=use), CONTEXT)
    assert [item.get("name") for item in document["output"] if item["type"] == "function_call"] == ["ring", "clock"]
    assert len(engine_of(app).submissions) == 1


async def test_only_as_many_calls_as_are_allowed_are_made() -> None:
    app, clock = make_app(call("clock")), Clock()
    document = await respond_whole(app, caller_of(app), turn_of(app, clock, max_tool_calls=2), CONTEXT)
    assert len(clock.calls) == 2
    assert document["status"] == "completed"
    assert len(engine_of(app).submissions) == 3
    assert document["output"][-1]["type"] == "message", "without the tool there is only text"


async def test_a_forced_call_is_forced_once() -> None:
    app, clock = make_app(), Clock()
    says_noon_after_a_call(app)
    use = ToolUse([CLOCK], ToolChoice("required"), params=["tools[0]"])
    document = await respond_whole(app, caller_of(app), turn_of(app, clock, tool_use=use), CONTEXT)
    assert document["output"][-1]["content"][0]["text"] == "It is noon."


async def test_all_passes_share_the_limit_on_tokens() -> None:
    app, clock = make_app(), Clock()
    says_noon_after_a_call(app)
    length = len(engine_of(app).tokenizer.encode(call("clock")))
    limited = turn_of(app, clock, sampling=SamplingParams(max_tokens=length + 2))
    document = await respond_whole(app, caller_of(app), limited, CONTEXT)
    assert (document["status"], document["usage"]["output_tokens"]) == ("incomplete", length + 2)
