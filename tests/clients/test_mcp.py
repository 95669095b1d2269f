"""mcp tools in Responses: the official Python SDK, our server, and real MCP servers."""

from __future__ import annotations

import json
from typing import Any, Literal

import openai
import pytest

from tests.clients.mcp_world import ADD, each_goes_on, kinds, world
from tests.clients.scripted import Rule, call
from tests.clients.serving import Serve
from tests.fakes.engine import engine_of


@pytest.mark.parametrize("transport", ["http", "sse"])
def test_a_model_uses_a_server(serve: Serve, transport: Literal["http", "sse"]) -> None:
    with world(serve, transport=transport) as w:
        response = w.ask()
        listed, called, message = response.output
        assert {tool.name for tool in listed.tools} == {"add", "fail", "sleep"}
        assert (called.server_label, called.name, called.output) == ("calc", "add", "3")
        assert json.loads(called.arguments) == {"a": 1, "b": 2}
        assert (called.status, called.error, called.approval_request_id) == ("completed", None, None)
        assert (message.type, response.output_text) == ("message", "It is 3.")
        assert w.calculator.added == [(1, 2)]
        assert w.client.responses.retrieve(response.id).output == response.output


def test_the_stream_tells_of_each_step(serve: Serve) -> None:
    with world(serve) as w:
        events = list(w.ask(stream=True))
        told = [event.type.removeprefix("response.") for event in events]
        assert told[:19] == [
            "created",
            "in_progress",
            "output_item.added",
            "mcp_list_tools.in_progress",
            "mcp_list_tools.completed",
            "output_item.done",
            "output_item.added",
            "mcp_call.in_progress",
            "mcp_call_arguments.delta",
            "mcp_call_arguments.done",
            "mcp_call.completed",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            *["output_text.delta"] * 5,
        ]
        done = [event.item for event in events if event.type == "response.output_item.done"]
        assert done == events[-1].response.output
        assert [event.sequence_number for event in events] == list(range(len(events)))


def test_tools_are_listed_once_in_a_conversation(serve: Serve) -> None:
    with world(serve) as w:
        first = w.ask()
        asked = sum(b"tools/list" in message for message in w.heard.messages)
        second = w.ask(previous_response_id=first.id, input="Again?")
        assert kinds(second) == ["message"]
        history = [item.model_dump(exclude_none=True) for item in first.output]
        third = w.ask(input=[{"role": "user", "content": "1 + 2?"}, *history, {"role": "user", "content": "Again?"}])
        assert kinds(third) == ["message"], "a client may carry the list"
        assert sum(b"tools/list" in message for message in w.heard.messages) == asked
        prompts = w.prompts()
        assert prompts[2] == prompts[3]
        assert each_goes_on(prompts[:3]), "what follows finds all of it in the prefix cache"


def test_nothing_runs_before_somebody_approves_it(serve: Serve) -> None:
    with world(serve) as w:
        asking = {"require_approval": "always"}
        first = w.ask(tool=asking)
        assert kinds(first) == ["mcp_list_tools", "mcp_approval_request"]
        request = first.output[1]
        assert (request.server_label, request.name, json.loads(request.arguments)) == ("calc", "add", {"a": 1, "b": 2})
        assert w.calculator.added == []
        answer: Any = {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": True}
        second = w.ask(tool=asking, previous_response_id=first.id, input=[answer])
        called, message = second.output
        assert (called.type, called.output, called.approval_request_id) == ("mcp_call", "3", request.id)
        assert message.content[0].text == "It is 3."
        assert w.calculator.added == [(1, 2)]
        third = w.ask(tool=asking, previous_response_id=second.id, input="Good.")
        assert kinds(third) == ["message"]
        assert each_goes_on(w.prompts())
        with pytest.raises(openai.BadRequestError, match="has been answered before"):
            w.ask(tool=asking, previous_response_id=second.id, input=[answer])
        assert w.calculator.added == [(1, 2)], "what is approved once runs once"


def test_a_call_that_is_approved_in_two_branches_runs_in_the_first(serve: Serve) -> None:
    """Both go on from the response that asked, so neither stands in the other's history."""
    with world(serve) as w:
        asking = {"require_approval": "always"}
        first = w.ask(tool=asking)
        request = first.output[-1].id
        answer: Any = {"type": "mcp_approval_response", "approval_request_id": request, "approve": True}
        one = w.ask(tool=asking, previous_response_id=first.id, input=[answer])
        assert kinds(one) == ["mcp_call", "message"]
        with pytest.raises(openai.BadRequestError, match="has been answered before"):
            w.ask(tool=asking, previous_response_id=first.id, input=[answer])
        assert w.calculator.added == [(1, 2)]


def test_an_approval_holds_until_there_is_room_for_its_answer(serve: Serve) -> None:
    """What is refused may be sent again: the tool has not run, and the approval is not used up."""
    with world(serve) as w:
        asking = {"require_approval": "always"}
        first = w.ask(tool=asking)
        answer: Any = {"type": "mcp_approval_response", "approval_request_id": first.output[-1].id, "approve": True}
        w.app.limits.is_draining = True
        with pytest.raises(openai.InternalServerError, match="about to stop"):
            w.ask(tool=asking, previous_response_id=first.id, input=[answer])
        assert w.calculator.added == []
        w.app.limits.is_draining = False
        second = w.ask(tool=asking, previous_response_id=first.id, input=[answer])
        assert kinds(second) == ["mcp_call", "message"]
        assert w.calculator.added == [(1, 2)]


def test_a_call_that_is_not_approved_does_not_run(serve: Serve) -> None:
    refused: Rule = (r"did not approve this call; it was not run. Their reason: too risky", "As you wish.")
    with world(serve, refused, (".", ADD)) as w:
        first = w.ask(tool={"require_approval": "always"})
        answer: Any = {
            "type": "mcp_approval_response",
            "approval_request_id": first.output[-1].id,
            "approve": False,
            "reason": "too risky",
        }
        second = w.ask(previous_response_id=first.id, input=[answer])
        assert (kinds(second), second.output_text) == (["message"], "As you wish.")
        assert w.calculator.added == []


def test_clients_that_keep_the_conversation_approve_in_it(serve: Serve) -> None:
    with world(serve) as w:
        first = w.ask(tool={"require_approval": "always"}, store=False)
        history: list[Any] = [{"role": "user", "content": "1 + 2?"}]
        history += [item.model_dump() for item in first.output]
        history += [{"type": "mcp_approval_response", "approval_request_id": history[-1]["id"], "approve": True}]
        second = w.ask(tool={"require_approval": "always"}, store=False, input=history)
        assert kinds(second) == ["mcp_call", "message"]
        history += [item.model_dump(exclude_none=True) for item in second.output]
        third = w.ask(store=False, input=[*history, {"role": "user", "content": "Thanks"}])
        assert kinds(third) == ["message"]
        assert w.calculator.added == [(1, 2)], "an approval in the history is history"


@pytest.mark.parametrize(
    ("approval", "is_asked"),
    [
        (None, True),
        ("always", True),
        ("never", False),
        ({"never": {"tool_names": ["add"]}}, False),
        ({"never": {"tool_names": ["fail"]}}, True),
        ({"never": {"read_only": True}}, False),
        ({"always": {"tool_names": ["add"]}, "never": {"read_only": True}}, True),
        ({"always": {"tool_names": ["fail"]}}, True),
    ],
)
def test_what_needs_an_approval(serve: Serve, approval: Any, is_asked: bool) -> None:
    with world(serve) as w:
        assert ("mcp_approval_request" in kinds(w.ask(tool={"require_approval": approval}))) is is_asked


@pytest.mark.parametrize("allowed", [["add"], {"tool_names": ["add"]}, {"read_only": True}])
def test_only_allowed_tools_are_offered(serve: Serve, allowed: Any) -> None:
    with world(serve) as w:
        response = w.ask(tool={"allowed_tools": allowed})
        assert [tool.name for tool in response.output[0].tools] == ["add"]
        assert "calc__add" in w.prompts()[0].tools
        assert "calc__fail" not in w.prompts()[0].tools


def test_what_goes_wrong_is_told_to_the_model_and_in_the_item(serve: Serve) -> None:
    rules = ((r"Error: Error executing tool fail", "It does not work."), (".", call("calc__fail")))
    with world(serve, *rules) as w:
        events = list(w.ask(stream=True))
        response = events[-1].response
        called = response.output[1]
        assert (called.status, called.output, called.error.type) == ("failed", None, "mcp_tool_execution_error")
        assert called.error.content[0]["text"] == "Error executing tool fail"
        assert (response.status, response.output_text) == ("completed", "It does not work.")
        assert "response.mcp_call.failed" in {event.type for event in events}


def test_a_slow_tool_is_not_waited_for_without_end(serve: Serve) -> None:
    rules = ((r"gave no answer within 0.4 seconds", "It takes too long."), (".", call("calc__sleep")))
    with world(serve, *rules, seconds=0.4) as w:
        response = w.ask()
        assert (response.output[1].error.type, response.output[1].error.code) == ("http_error", 504)
        assert response.output_text == "It takes too long."


def test_a_server_that_does_not_answer_fails_the_request_by_name(serve: Serve) -> None:
    with world(serve) as w:
        gone = {"server_url": w.tool["server_url"].replace("/mcp", "/nothing")}
        with pytest.raises(openai.APIStatusError) as caught:
            w.ask(tool=gone)
        assert caught.value.status_code == 424
        assert "MCP server 'calc': the server answered with HTTP status 404" in caught.value.message
        events = list(w.ask(tool=gone, stream=True))
        told = [event.type.removeprefix("response.") for event in events]
        assert told[2:6] == [
            "output_item.added",
            "mcp_list_tools.in_progress",
            "mcp_list_tools.failed",
            "output_item.done",
        ]
        assert told[-2:] == ["error", "failed"]
        assert events[5].item.error == "the server answered with HTTP status 404"


def test_calls_of_one_pass_run_at_once_and_stay_one_message(serve: Serve) -> None:
    both = f"{ADD}\n{call('calc__add', a=3, b=4)}"
    with world(serve, (r"tool\n", "3 and 7."), (".", both)) as w:
        first = w.ask()
        assert [item.output for item in first.output[1:3]] == ["3", "7"]
        w.ask(previous_response_id=first.id, input="Again?")
        assert each_goes_on(w.prompts())
        conversation = w.prompts()[1].conversation
        assert conversation.count("<|im_start|>assistant") == 1
        assert conversation.index('"a": 3') < conversation.index("tool\n3") < conversation.index("tool\n7")


def test_functions_of_the_client_end_the_response(serve: Serve) -> None:
    function: Any = {
        "type": "function",
        "name": "f",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    }
    with world(serve, (r"tool\n.*tool\n", "Done."), (".", f"{call('f')}\n{ADD}")) as w:
        response = w.ask(tools=[function, w.tool])
        assert kinds(response) == ["mcp_list_tools", "function_call", "mcp_call"]
        output: Any = {"type": "function_call_output", "call_id": response.output[1].call_id, "output": "ok"}
        following = w.ask(tools=[function, w.tool], previous_response_id=response.id, input=[output])
        assert following.output_text == "Done."


@pytest.mark.parametrize("choice", [{"type": "mcp", "server_label": "calc"}, "required"])
def test_a_call_can_be_demanded(serve: Serve, choice: Any) -> None:
    with world(serve) as w:
        assert kinds(w.ask(tool_choice=choice)) == ["mcp_list_tools", "mcp_call", "message"]


def test_a_choice_narrows_what_may_be_called(serve: Serve) -> None:
    with world(serve) as w:
        choice = {
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "mcp", "server_label": "calc", "name": "add"}],
        }
        assert w.ask(tool_choice=choice).output_text == "It is 3."
        last = engine_of(w.app).submissions[-1].constraint
        assert last is not None
        assert "calc__fail" not in last.grammar, "it stays narrow after a call"
        with pytest.raises(openai.BadRequestError, match="'nope' of the MCP server 'calc'"):
            w.ask(tool_choice={"type": "mcp", "server_label": "calc", "name": "nope"})
    with world(serve, (".", "No.")) as w:
        assert kinds(w.ask(tool_choice="none")) == ["message"]
        assert w.heard.headers == [], "nobody is asked for tools that may not be called"


def test_as_many_calls_as_are_allowed(serve: Serve) -> None:
    with world(serve, (".", ADD)) as w:
        response = w.ask(max_tool_calls=2)
        assert w.calculator.added == [(1, 2)] * 2
        assert kinds(response) == ["mcp_list_tools", "mcp_call", "mcp_call", "message"]


def test_what_nobody_has_listed_yet_counts(serve: Serve) -> None:
    with world(serve, (".", "Fine.")) as w:
        asked: Any = {"model": "fake", "input": "Hi", "tools": [w.tool]}
        counted = w.client.responses.input_tokens.count(**asked)
        assert w.client.responses.create(**asked).usage.input_tokens == counted.input_tokens
        items: Any = [{"role": "user", "content": "word " * 600, "id": "msg_long"}, {"role": "user", "content": "Hi"}]
        alone = w.client.responses.input_tokens.count(model="fake", input=items).input_tokens
        padding = "x" * (4096 - 512 - alone - 64)  # it fits, but not beside the tools
        items.insert(1, {"role": "assistant", "content": padding})
        raw = w.client.responses.with_raw_response
        auto: Any = {"model": "fake", "input": items, "truncation": "auto"}
        assert "x-owngpt-truncated" not in raw.create(**auto).headers
        cut = raw.create(**{**auto, "tools": [w.tool]})
        assert cut.headers["x-owngpt-truncated"] == "msg_long"
        assert cut.parse().status == "completed"


def test_a_server_that_is_not_there_cannot_be_counted(serve: Serve) -> None:
    with world(serve) as w:
        gone: Any = {**w.tool, "server_url": w.tool["server_url"].replace("/mcp", "/nothing")}
        with pytest.raises(openai.APIStatusError) as caught:
            w.client.responses.input_tokens.count(model="fake", input="Hi", tools=[gone])
        assert "Error retrieving tool list from MCP server 'calc'" in caught.value.message
        elsewhere: Any = {**w.tool, "server_url": "https://elsewhere.example/mcp"}
        with pytest.raises(openai.BadRequestError, match="may not be reached from here"):
            w.client.responses.input_tokens.count(model="fake", input="Hi", tools=[elsewhere])


def test_what_the_conversation_has_listed_counts(serve: Serve) -> None:
    with world(serve) as w:
        first = w.ask()
        tool: Any = w.tool
        following: Any = {"model": "fake", "previous_response_id": first.id, "input": "Again?"}
        counted = w.client.responses.input_tokens.count(**following, tools=[tool])
        answered = w.ask(**following)
        assert answered.usage.input_tokens == counted.input_tokens
        assert counted.input_tokens > w.client.responses.input_tokens.count(**following).input_tokens
