from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owngpt.engine.request import Request, RequestState
from owngpt.engine.scheduler import Chunk, Scheduler
from tests.engine.makers import make_request


def make_scheduler(
    num_blocks: int = 64, block_size: int = 4, max_batch_tokens: int = 8, max_running: int = 4
) -> Scheduler:
    return Scheduler(num_blocks, block_size, max_batch_tokens, max_running)


def step(scheduler: Scheduler) -> list[Chunk]:
    """One step of a model that always says 7; requests end when they are full."""
    chunks = scheduler.schedule()
    scheduler.check_integrity()
    scheduler.commit(chunks)
    for chunk in chunks:
        if chunk.is_last:
            chunk.request.append(7)
            if len(chunk.request.token_ids) >= chunk.request.max_total_tokens:
                scheduler.remove(chunk.request)
    scheduler.check_integrity()
    return chunks


def sizes(chunks: Sequence[Chunk]) -> dict[Request, int]:
    return {chunk.request: chunk.end - chunk.start for chunk in chunks}


def test_a_prompt_is_read_in_chunks_and_then_decodes() -> None:
    scheduler = make_scheduler()
    request = make_request(range(20))
    scheduler.add(request)
    spans = [(c.start, c.end, c.is_last) for _ in range(5) for c in step(scheduler)]
    assert spans == [(0, 8, False), (8, 16, False), (16, 20, True), (20, 21, True), (21, 22, True)]


def test_a_long_prompt_never_freezes_a_running_stream() -> None:
    scheduler = make_scheduler()
    stream, long = make_request([1, 2]), make_request(range(100, 140))
    scheduler.add(stream)
    step(scheduler)
    scheduler.add(long)
    for _ in range(5):
        assert sizes(step(scheduler)) == {stream: 1, long: 7}


def test_prompts_share_what_the_streams_leave_of_the_budget() -> None:
    scheduler = make_scheduler()
    first, second = make_request(range(5)), make_request(range(50, 60))
    scheduler.add(first)
    scheduler.add(second)
    assert sizes(step(scheduler)) == {first: 5, second: 3}


def test_first_come_first_served_up_to_max_running() -> None:
    scheduler = make_scheduler(max_running=2)
    requests = [make_request([n, n], max_tokens=2) for n in range(4)]
    for request in requests:
        scheduler.add(request)
    step(scheduler)
    assert scheduler.running == requests[:2]
    step(scheduler)
    step(scheduler)
    assert scheduler.running == requests[2:]


def test_streams_always_leave_a_part_of_the_budget_to_prompts() -> None:
    scheduler = make_scheduler(max_batch_tokens=3, max_running=64)
    for n in range(5):
        scheduler.add(make_request([n]))
    for _ in range(5):
        step(scheduler)
    assert len(scheduler.running) == 2


def test_what_was_computed_before_is_not_computed_again() -> None:
    scheduler = make_scheduler()
    first = make_request(range(10), max_tokens=1)
    scheduler.add(first)
    while scheduler.running or scheduler.waiting:
        step(scheduler)
    again = make_request(range(10))
    scheduler.add(again)
    assert sizes(step(scheduler)) == {again: 2}
    assert again.num_cached_tokens == 8


def test_a_wholly_cached_prompt_still_computes_its_last_token() -> None:
    scheduler = make_scheduler()
    for _ in range(2):
        request = make_request(range(8), max_tokens=1)
        scheduler.add(request)
        while request.state is not RequestState.FINISHED:
            chunks = step(scheduler)
    assert sizes(chunks) == {request: 4}


def test_blocks_of_a_running_request_are_shared() -> None:
    scheduler = make_scheduler()
    running = make_request(range(10))
    scheduler.add(running)
    step(scheduler)
    step(scheduler)
    second = make_request(range(10))
    scheduler.add(second)
    step(scheduler)
    assert second.block_table[:2] == running.block_table[:2]


def test_choices_wait_for_the_first_one_and_share_its_prompt() -> None:
    scheduler = make_scheduler()
    choices = [make_request(range(22)) for _ in range(3)]
    for choice in choices:
        scheduler.add(choice)
    assert [sum(sizes(step(scheduler)).values()) for _ in range(4)] == [8, 8, 6, 1 + 2 + 2]
    assert choices[0].block_table[:5] == choices[1].block_table[:5] == choices[2].block_table[:5]


@pytest.mark.parametrize("namespaces", [("a", "b"), (None, None), ("a", None)])
def test_nothing_is_shared_across_namespaces_or_without_one(namespaces: tuple[str | None, str | None]) -> None:
    scheduler = make_scheduler(max_batch_tokens=100)
    requests = [make_request(range(20), namespace=namespace) for namespace in namespaces]
    for request in requests:
        scheduler.add(request)
    assert sizes(step(scheduler)) == {requests[0]: 20, requests[1]: 20}
    assert not set(requests[0].block_table) & set(requests[1].block_table)


def test_when_blocks_run_out_the_last_admitted_is_preempted_and_comes_back() -> None:
    scheduler = make_scheduler(num_blocks=6, max_running=2)
    first, last = make_request([1] * 7, max_tokens=14), make_request([2] * 7, max_tokens=14)
    later = make_request([3] * 20, max_tokens=4)
    for request in (first, last, later):
        scheduler.add(request)
    while not scheduler.num_preemptions:
        step(scheduler)
    assert list(scheduler.waiting) == [last, later]
    assert first in scheduler.running
    while last.state is not RequestState.FINISHED:
        step(scheduler)
    assert first.num_output_tokens == last.num_output_tokens == 14


def test_the_cache_is_evicted_before_anyone_is_preempted() -> None:
    scheduler = make_scheduler(num_blocks=6)
    for start in (0, 100, 200):
        request = make_request(range(start, start + 8), max_tokens=14)
        scheduler.add(request)
        while request.state is not RequestState.FINISHED:
            step(scheduler)
    assert scheduler.num_preemptions == 0
    assert scheduler.pool.num_available == 6


def test_removal_frees_at_once_whatever_the_state() -> None:
    scheduler = make_scheduler()
    running, waiting = make_request(range(8)), make_request(range(100, 108))
    scheduler.add(running)
    step(scheduler)
    scheduler.add(waiting)
    for request in (running, waiting, running):
        scheduler.remove(request)
    assert scheduler.pool.num_available == 64
    assert step(scheduler) == []


def test_a_request_that_can_never_fit_is_a_bug_of_the_caller() -> None:
    with pytest.raises(AssertionError, match="never fit"):
        make_scheduler(num_blocks=2).add(make_request(range(4), max_tokens=5))


prompts = st.lists(st.integers(0, 1), min_size=1, max_size=14)
arrivals = st.lists(st.tuples(prompts, st.integers(1, 12), st.sampled_from(["a", "b", None])), min_size=1, max_size=12)


@settings(deadline=None)
@given(arrivals, st.integers(1, 12), st.integers(1, 6), st.integers(7, 20), st.sets(st.integers(0, 11)))
def test_everything_ends_and_every_block_comes_back(
    arrivals: list[tuple[list[int], int, str | None]], budget: int, max_running: int, num_blocks: int, aborted: set[int]
) -> None:
    scheduler = make_scheduler(num_blocks, 4, budget, max_running)
    requests = [make_request(prompt, max_tokens, namespace) for prompt, max_tokens, namespace in arrivals]
    for number, request in enumerate(requests):
        scheduler.add(request)
        chunks = step(scheduler)
        assert sum(sizes(chunks).values()) <= budget
        if number in aborted:
            scheduler.remove(request)
    for _ in range(5000):
        if all(request.state is RequestState.FINISHED for request in requests):
            break
        assert step(scheduler), "nothing was done, and requests wait"
    assert all(request.state is RequestState.FINISHED for request in requests)
    assert scheduler.pool.num_available == num_blocks


def test_guesses_get_slots_that_nobody_needs_and_only_those_that_came_true_count() -> None:
    scheduler = make_scheduler(num_blocks=4)
    request = make_request(range(6), max_tokens=10)
    scheduler.add(request)
    (chunk,) = scheduler.schedule()
    assert scheduler.reserve(request, 20) == 6, "four blocks, one of which stays in hand"
    chunk = chunk._replace(draft=(7, 7, 8, 7))
    assert (chunk.stop, chunk.token_ids[5:]) == (10, [5, 7, 7, 8, 7])
    request.token_ids += [7, 7, 9]
    scheduler.commit([chunk])
    assert (request.num_computed_tokens, request.num_published_blocks) == (8, 2)
    assert sizes(scheduler.schedule()) == {request: 1}
    scheduler.check_integrity()
