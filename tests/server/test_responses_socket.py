"""Responses over a WebSocket, through a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from owngpt.server.routes import responses_socket
from owngpt.service.app import App
from tests.clients.scripted import scripted_app
from tests.clients.serving import Running, running
from tests.fakes.engine import engine_of, make_app


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    rules = ((r"My name is Ann.*What is my name", "Ann."), (r"think", "<think>\nHm.\n</think>\n\n42"))
    with running(scripted_app(*rules, otherwise="Hello!")) as server:
        yield server


@contextmanager
def connected(server: Running, key: str | None = None) -> Iterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {key or server.key}"}
    with connect(server.url.replace("http", "ws", 1) + "/responses", additional_headers=headers) as socket:
        yield socket


def ask(socket: ClientConnection, **request: Any) -> list[dict[str, Any]]:
    """Send a request; -> its events up to the last one."""
    socket.send(json.dumps({"type": "response.create", "model": "fake", **request}))
    events = [json.loads(socket.recv(timeout=5))]
    while events[-1]["type"] not in ("response.completed", "response.failed", "response.incomplete", "error"):
        events.append(json.loads(socket.recv(timeout=5)))
    return events


def test_answers_with_the_events_of_a_stream(server: Running) -> None:
    with connected(server) as socket:
        events = ask(socket, input="Hi", stream_id="lane_1")
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert {event["stream_id"] for event in events} == {"lane_1"}
        assert events[-1]["response"]["output"][0]["content"][0]["text"] == "Hello!"
        assert "stream_id" not in ask(socket, input="Hi")[0]


def test_says_what_it_ignores(server: Running) -> None:
    """There is no header for it, so the first event tells."""
    with connected(server) as socket:
        first, second, *_ = ask(socket, input="Hi", best_guess=1, client_metadata={"a": "b"})
        assert first["ignored"] == ["best_guess", "client_metadata"]
        assert "ignored" not in second


def test_remembers_what_is_not_stored_as_long_as_it_is_connected(server: Running) -> None:
    with connected(server) as socket:
        first = ask(socket, input="My name is Ann", store=False)[-1]["response"]
        follow = {"input": "What is my name?", "store": False, "previous_response_id": first["id"]}
        second = ask(socket, **follow)[-1]["response"]
        assert second["output"][0]["content"][0]["text"] == "Ann."
    with connected(server) as socket:
        (error,) = ask(socket, **follow)
        assert (error["status"], error["error"]["code"]) == (400, "previous_response_not_found")


def test_a_failed_turn_forgets_what_it_followed(server: Running) -> None:
    with connected(server) as socket:
        first = ask(socket, input="Hi", store=False)[-1]["response"]
        output = {"type": "function_call_output", "call_id": "call_none", "output": "x"}
        (error,) = ask(socket, input=[output], store=False, previous_response_id=first["id"])
        assert error["error"]["message"].startswith("No tool call found")
        (error,) = ask(socket, input="Hi", store=False, previous_response_id=first["id"])
        assert error["error"]["code"] == "previous_response_not_found"


@pytest.mark.parametrize(
    ("message", "status", "param"),
    [
        ("no json", 400, None),
        ('{"type": "response.cancel"}', 400, "type"),
        ('{"type": "response.create", "input": 5}', 400, "input"),
        ('{"type": "response.create", "input": "x", "background": true}', 400, "background"),
        ('{"type": "response.create", "input": "x", "model": "gpt-9"}', 400, "model"),
    ],
)
def test_a_wrong_message_is_an_error_and_the_connection_stays(
    server: Running, message: str, status: int, param: str | None
) -> None:
    with connected(server) as socket:
        socket.send(message)
        error = json.loads(socket.recv(timeout=5))
        assert (error["type"], error["status"], error["error"]["param"]) == ("error", status, param)
        assert error["error"]["code"]
        assert ask(socket, input="Hi")[-1]["type"] == "response.completed"


def test_nobody_enters_without_a_key(server: Running) -> None:
    with pytest.raises(InvalidStatus) as caught, connected(server, "sk-own-wrong"):
        pass
    assert caught.value.response.status_code == 401
    assert json.loads(caught.value.response.body or b"")["error"]["code"] == "invalid_api_key"


def test_rights_are_looked_at_with_each_message() -> None:
    app = make_app("Hello!")
    secret, key = app.keys.create(scopes=("api.responses.write",))
    with running(app) as server, connected(server, secret) as socket:
        assert ask(socket, input="Hi")[-1]["type"] == "response.completed"
        with app.database.write() as transaction:
            transaction.execute("UPDATE keys SET scopes = 'api.read' WHERE id = ?", (key.id,))
        (error,) = ask(socket, input="Hi")
        assert (error["status"], error["error"]["code"]) == (403, "missing_scope")
        app.keys.revoke(key.id)
        (error,) = ask(socket, input="Hi")
        assert (error["status"], error["error"]["code"]) == (401, "invalid_api_key")


def test_a_project_has_only_so_many_connections(monkeypatch: pytest.MonkeyPatch, server: Running) -> None:
    monkeypatch.setattr(responses_socket, "MAX_CONNECTIONS", 1)
    with connected(server):
        with pytest.raises(InvalidStatus) as caught, connected(server):
            pass
        assert caught.value.response.status_code == 429
    time.sleep(0.1)
    with connected(server) as socket:
        assert ask(socket, input="Hi")[-1]["type"] == "response.completed"


def test_messages_are_answered_one_after_the_other(server: Running) -> None:
    with connected(server) as socket:
        for number in range(8):
            socket.send(json.dumps({"type": "response.create", "input": "Hi", "stream_id": str(number)}))
        lanes: list[str] = []
        while len(lanes) < 8:
            event = json.loads(socket.recv(timeout=5))
            if event["type"] == "response.completed":
                lanes.append(event["stream_id"])
        assert lanes == [str(number) for number in range(8)]


def test_an_engine_that_dies_fails_the_response() -> None:
    with running(make_app("Hello!", fail_after=2)) as server, connected(server) as socket:
        events = ask(socket, input="Hi")
        assert events[-1]["error"]["code"] == "server_error"
        failed = json.loads(socket.recv(timeout=5))
        assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")


def test_leaving_ends_what_runs() -> None:
    with running(make_app("word " * 200, delay=0.01)) as server:
        engine = engine_of(server.app)
        with connected(server) as socket:
            socket.send(json.dumps({"type": "response.create", "input": "Hi"}))
            socket.recv(timeout=5)
        until = time.monotonic() + 5
        while engine.num_running and time.monotonic() < until:
            time.sleep(0.01)
        assert engine.num_running == 0


def test_a_connection_has_an_end(monkeypatch: pytest.MonkeyPatch, server: Running) -> None:
    monkeypatch.setattr(responses_socket, "MAX_SECONDS", 0.05)
    with connected(server) as socket:
        error = json.loads(socket.recv(timeout=5))
        assert (error["status"], error["error"]["code"]) == (400, "websocket_connection_limit_reached")


def test_what_is_stored_is_for_those_who_may_read_what_went_before_also_where_that_was_not_stored() -> None:
    """The connection alone knows what an unstored response was made from."""
    app = make_app("In August.", embedder=False)
    clerk = app.keys.create("clerk").secret
    with running(app) as server, httpx.Client(base_url=server.url) as client:
        own, other = ({"Authorization": f"Bearer {secret}"} for secret in (server.key, clerk))
        store = client.post("/vector_stores", json={}, headers=own).json()["id"]
        content = {"file": ("a.txt", b"The board takes leave in August.")}
        sent = client.post("/files", files=content, data={"purpose": "assistants"}, headers=own).json()
        mine = {"file_id": sent["id"], "attributes": {"readers": f"key:{_id(app, server.key)}"}}
        file = client.post(f"/vector_stores/{store}/files", json=mine, headers=own).json()
        while file["status"] == "in_progress":
            file = client.get(f"/vector_stores/{store}/files/{sent['id']}", headers=own).json()
        assert file["status"] == "completed", file
        with connected(server) as socket:
            tools = [{"type": "file_search", "vector_store_ids": [store]}]
            first = ask(socket, input="When does the board take leave?", tools=tools, store=False)[-1]["response"]
            second = ask(socket, input="Say it again.", store=False, previous_response_id=first["id"])[-1]["response"]
            third = ask(socket, input="And again.", previous_response_id=second["id"])[-1]["response"]
        assert client.get(f"/responses/{third['id']}", headers=own).status_code == 200
        assert client.get(f"/responses/{third['id']}", headers=other).status_code == 404


def _id(app: App, secret: str) -> str:
    found = app.keys.find(secret)
    assert found is not None
    return found.id
