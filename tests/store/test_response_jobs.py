"""Background responses in the queue, and their events; stored chats. In both databases."""

from __future__ import annotations

import pytest

from owngpt.store.chat_completions import ChatCompletions, StoredCompletion
from owngpt.store.db import Database
from owngpt.store.paging import PageRequest
from owngpt.store.projects import Projects
from owngpt.store.response_jobs import Job, ResponseJobs
from owngpt.store.responses import Responses, StoredResponse


@pytest.fixture
def project(database: Database) -> str:
    return Projects(database).ensure("one").id


def queue(database: Database, project: str, *response_ids: str) -> ResponseJobs:
    jobs, responses = ResponseJobs(database), Responses(database)
    for number, response_id in enumerate(response_ids):
        with database.write() as transaction:
            row = StoredResponse(response_id, project, number, "queued", None, None, "{}")
            responses.add(transaction, row, [], [])
            jobs.add(transaction, Job(response_id, project, "key_1", number, 0, "{}"))
    return jobs


def test_a_job_is_taken_once(database: Database, project: str) -> None:
    jobs = queue(database, project, "resp_a", "resp_b")
    assert [job.response_id for job in jobs.waiting()] == ["resp_a", "resp_b"]
    assert jobs.take("resp_a", 100)
    assert not jobs.take("resp_a", 100)
    assert not jobs.take("resp_none", 100)
    assert [job.response_id for job in jobs.waiting()] == ["resp_b"]


def test_showing_life_takes_nothing_up(database: Database, project: str) -> None:
    jobs = queue(database, project, "resp_a")
    jobs.beat(["resp_a"], 100)
    assert jobs.lost(200) == []
    assert jobs.take("resp_a", 200)


def test_projects_take_turns(database: Database, project: str) -> None:
    queue(database, project, *(f"resp_{number}" for number in range(5)))
    jobs = queue(database, Projects(database).ensure("two").id, "resp_of_two")
    assert [job.response_id for job in jobs.waiting(3)] == ["resp_0", "resp_of_two", "resp_1"]
    jobs.take("resp_0", 100)
    assert {job.response_id for job in jobs.waiting(2)} == {"resp_of_two", "resp_1"}


def test_a_job_whose_server_is_silent_is_lost(database: Database, project: str) -> None:
    jobs = queue(database, project, "resp_a", "resp_b")
    jobs.take("resp_a", 100)
    jobs.take("resp_b", 100)
    jobs.beat(["resp_b"], 130)
    assert [job.response_id for job in jobs.lost(120)] == ["resp_a"]
    with database.write() as transaction:
        jobs.end(transaction, "resp_a")
    assert jobs.lost(120) == []


def test_events_are_read_on_from_any_of_them(database: Database, project: str) -> None:
    jobs = queue(database, project, "resp_a")
    events = [{"type": "x", "sequence_number": number, "text": "日本\x00"} for number in range(3)]
    with database.write() as transaction:
        assert jobs.log(transaction, "resp_a", events, 100)
    assert jobs.num_events("resp_a") == 3
    assert jobs.events(project, "resp_a", 0, 10) == events[1:]
    assert jobs.events("proj_other", "resp_a", -1, 10) == []
    jobs.prune_events(200)
    assert jobs.num_events("resp_a") == 3, "it has not ended"
    with database.write() as transaction:
        jobs.end(transaction, "resp_a")
    jobs.prune_events(200)
    assert jobs.num_events("resp_a") == 0


def test_nothing_is_added_to_what_has_ended_or_is_gone(database: Database, project: str) -> None:
    jobs = queue(database, project, "resp_a")
    with database.write() as transaction:
        cancelled = StoredResponse("resp_a", project, 0, "cancelled", None, None, "{}")
        assert Responses(database).advance(transaction, cancelled)
        assert not jobs.log(transaction, "resp_a", [{"sequence_number": 0}], 1)
    with database.write() as transaction:
        assert Responses(database).delete(transaction, project, "resp_a")
    assert jobs.waiting() == []
    with database.write() as transaction:
        assert not jobs.log(transaction, "resp_a", [{"sequence_number": 0}], 1)


def test_chats_are_found_by_model_and_metadata(database: Database, project: str) -> None:
    chats = ChatCompletions(database)
    for number in range(3):
        labels = {"run": "x", "number": str(number)}
        chats.add(StoredCompletion(f"chatcmpl-{number}", project, number, "m", {"n": number}, [], labels))
    page = PageRequest(order="asc")
    found, has_more = chats.page(project, page, "m", {"run": "x", "number": "1"})
    assert ([chat.body for chat in found], has_more) == ([{"n": 1}], False)
    assert chats.page(project, page, "other", {})[0] == []
    assert chats.page("proj_other", page, None, {})[0] == []
    updated = chats.update(project, "chatcmpl-1", {"a": "b"})
    assert updated is not None
    assert updated.metadata == {"a": "b"}
    assert chats.update("proj_other", "chatcmpl-1", {}) is None
    assert not chats.delete("proj_other", "chatcmpl-1")
    assert chats.delete(project, "chatcmpl-1")
    assert chats.find(project, "chatcmpl-1") is None
