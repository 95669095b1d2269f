"""Shares between tenants and tiers, told in steps: a scheduler, and a model that always says 7. No clock."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owngpt.engine.fairness import FairQueue
from owngpt.engine.plan import Chunk
from owngpt.engine.request import Request, RequestState
from owngpt.engine.scheduler import Scheduler
from owngpt.types import Claim, Tier
from tests.engine.makers import make_request

BUDGET = 64


class House:
    """A scheduler with its model, and how many tokens were computed for whom."""

    def __init__(self, num_blocks: int = 4096, max_batch_tokens: int = BUDGET, max_running: int = 16) -> None:
        self.scheduler = Scheduler(num_blocks, 4, max_batch_tokens, max_running)
        self.computed: Counter[str] = Counter()
        self._numbers = 0

    def ask(
        self, tenant: str, num_tokens: int, max_tokens: int = 8, *, tier: Tier = Tier.DEFAULT, weight: float = 1.0
    ) -> Request:
        """A prompt unlike any other."""
        self._numbers += 1
        prompt = [self._numbers * 1000 + i % 997 for i in range(num_tokens)]
        request = make_request(prompt, max_tokens, tenant, Claim(tenant, weight, tier))
        self.scheduler.add(request)
        return request

    def step(self) -> list[Chunk]:
        chunks = self.scheduler.schedule()
        self.scheduler.check_integrity()
        assert sum(chunk.end - chunk.start for chunk in chunks) <= self.scheduler.max_batch_tokens
        assert len(chunks) <= self.scheduler.max_batch_tokens
        assert sum(chunk.is_last for chunk in chunks) <= self.scheduler.max_running
        for chunk in chunks:
            self.computed[chunk.request.claim.tenant] += chunk.end - chunk.start
        for chunk in chunks:
            if chunk.is_last:
                chunk.request.append(7)
        self.scheduler.commit(chunks)
        for chunk in chunks:
            if chunk.request.is_full:
                self.scheduler.remove(chunk.request)
        self.scheduler.check_integrity()
        return chunks

    def steps_to_first_token(self, request: Request) -> int:
        for number in range(1, 10_000):
            self.step()
            if request.num_output_tokens:
                return number
        raise AssertionError("no token came")

    def run(self, num_steps: int) -> None:
        for _ in range(num_steps):
            self.step()

    def end(self) -> None:
        for _ in range(20_000):
            if not self.scheduler.has_work:
                return
            assert self.step(), "nothing was done, and requests wait"
        raise AssertionError("it never ends")


@pytest.mark.parametrize("size", [1, 40, 64, 200])
@pytest.mark.parametrize("crowd", [5, 60, 300])
@pytest.mark.parametrize("after", [0, 3, 50])
def test_a_hundred_waiting_prompts_slow_another_tenant_by_two_steps_at_most(size: int, crowd: int, after: int) -> None:
    alone = House()
    fewest = alone.steps_to_first_token(alone.ask("quiet", size))
    house = House()
    for _ in range(100):
        house.ask("busy", crowd)
    house.run(after)
    assert house.steps_to_first_token(house.ask("quiet", size)) <= fewest + 2


@pytest.mark.parametrize("size", [1, 40, 200])
def test_so_they_do_when_they_have_taken_all_seats(size: int) -> None:
    house = House(max_running=4)
    crowd = [house.ask("busy", 10, max_tokens=500) for _ in range(100)]
    house.run(20)
    paused = crowd[3]
    num_said, num_blocks = paused.num_output_tokens, len(paused.block_table)
    quiet = house.ask("quiet", size, max_tokens=20)
    assert house.steps_to_first_token(quiet) <= -(-size // 60) + 2
    house.run(5)
    assert paused.num_output_tokens <= num_said + 1, "the newest of the busy one's pauses"
    assert len(paused.block_table) >= num_blocks, "and keeps its blocks"
    assert house.scheduler.num_preemptions == 0
    house.run(30)
    assert paused.num_output_tokens > num_said + 5


@pytest.mark.parametrize("size", [1, 40, 200])
def test_so_they_do_when_they_have_taken_all_blocks(size: int) -> None:
    house = House(num_blocks=120)
    crowd = [house.ask("busy", 40, max_tokens=400) for _ in range(100)]
    house.run(75)
    assert house.scheduler.pool.num_available < 10
    quiet = house.ask("quiet", size, max_tokens=20)
    assert house.steps_to_first_token(quiet) <= -(-size // 50) + 2
    assert crowd[0].state is RequestState.RUNNING, "the oldest one goes on"
    for request in crowd[8:]:
        house.scheduler.remove(request)
    house.end()


def test_one_request_that_holds_everything_gives_way_and_comes_back() -> None:
    house = House(num_blocks=100)
    giant = house.ask("busy", 380, max_tokens=20)
    house.run(8)
    for _ in range(3):
        house.ask("quiet", 30, max_tokens=20)
    small = house.ask("quiet", 30, max_tokens=20)
    assert house.steps_to_first_token(small) <= 4
    house.end()
    assert giant.num_output_tokens == 20


def test_computed_tokens_go_by_weight() -> None:
    house = House()
    for _ in range(200):
        house.ask("heavy", 100, 1, weight=3)
        house.ask("light", 50, 1)
    house.run(150)
    assert house.computed["heavy"] / house.computed["light"] == pytest.approx(3, rel=0.1)


def test_whoever_was_idle_has_its_reserve_and_no_more() -> None:
    house = House()
    for _ in range(50):
        house.ask("busy", 400, 1)
    house.run(50)
    for _ in range(50):
        house.ask("late", 400, 1)
    house.computed.clear()
    house.run(100)
    share = 100 * BUDGET / 2
    assert share <= house.computed["late"] <= share + 8 * BUDGET + 400


def test_streams_count_too() -> None:
    """Of two tenants with prompts, the one whose streams already get half of the tokens reads fewer of them."""
    house = House(max_batch_tokens=32)
    for _ in range(8):
        house.ask("streams", 1, 5000)
    house.run(10)
    for _ in range(300):
        house.ask("prompts", 64, 1)
        house.ask("streams", 64, 1)
    house.run(10)
    house.computed.clear()
    house.run(300)
    assert house.computed["streams"] / house.computed["prompts"] == pytest.approx(1, rel=0.15)


def test_a_stream_of_newcomers_starves_nobody() -> None:
    house = House()
    long = house.ask("long", 1500)
    for number in range(500):
        house.ask(f"newcomer {number}", 60, 1)
        house.step()
        if long.num_output_tokens:
            return
    raise AssertionError("the long prompt starves")


def test_a_prompt_that_needs_nearly_all_blocks_gets_in_among_small_ones() -> None:
    house = House(num_blocks=60)
    for _ in range(6):
        house.ask("small", 20, 40)
    house.run(5)
    giant = house.ask("giant", 200, 10)
    for _ in range(400):
        if len(list(house.scheduler.waiting)) < 4:
            house.ask("small", 20, 40)
        house.step()
        if giant.num_output_tokens:
            return
    raise AssertionError("the giant starves")


def test_a_prompt_under_way_is_read_on_however_many_tenants_wait_for_its_blocks() -> None:
    house = House(num_blocks=100)
    first = house.ask("first", 240)
    house.step()
    for number in range(20):
        house.ask(f"tenant {number}", 240)
    house.run(3)
    assert first.num_output_tokens == 1
    house.end()


def test_a_tenants_prompt_under_way_is_read_before_one_that_has_lost_its_blocks() -> None:
    queue, older, newer = FairQueue(reserve=100), make_request([1, 2]), make_request([3, 4])
    for request in (older, newer):
        queue.enter(request)
        request.state = RequestState.RUNNING
        queue.start(request)
    queue.done(older)
    older.state = RequestState.WAITING
    queue.put_back(older)
    turns = queue.round()
    assert (account := turns.next()) is not None
    assert account.first is newer
    queue.done(newer)
    assert account.first is older


def test_a_tenant_that_is_alone_again_is_owed_nothing_whatever_the_weights() -> None:
    queue = FairQueue(reserve=100)
    alone, other = (make_request(range(50), claim=Claim(*claim)) for claim in (("alone", 0.1), ("other", 0.2)))
    queue.enter(alone)
    queue.enter(other)
    queue.leave(other)
    queue.charge(alone, 10)
    assert (account := queue.round().next()) is not None
    assert account.virtual == pytest.approx(10 / 0.1)


def test_where_all_who_have_seats_lose_their_blocks_those_who_pause_go_on_in_the_same_step() -> None:
    house = House(num_blocks=7, max_running=1)
    small = house.ask("small", 6, 2)
    house.step()
    big = house.ask("big", 16, 12, weight=2.0)
    house.end()
    assert house.scheduler.num_preemptions > 0, "the big one has run out of blocks while the small one paused"
    assert small.is_full
    assert big.is_full


def test_a_default_prompt_gets_the_whole_next_step_and_flex_streams_pause_with_their_blocks() -> None:
    house = House()
    streams = [house.ask("a", 10, 200, tier=Tier.FLEX) for _ in range(4)]
    house.run(3)
    reading = house.ask("a", 600, tier=Tier.FLEX)
    house.step()
    tables = [list(stream.block_table) for stream in streams]
    urgent = house.ask("b", 150)
    assert {chunk.request for chunk in house.step()} == {urgent}
    assert {chunk.request for chunk in house.step()} == {urgent}
    last = house.step()
    assert {chunk.request for chunk in last} == {urgent, *streams, reading}, "what it leaves is theirs"
    assert [stream.block_table[: len(table)] for stream, table in zip(streams, tables, strict=True)] == tables
    assert house.scheduler.num_preemptions == 0
    house.end()


def test_flex_and_batch_give_way_in_seats_and_in_blocks() -> None:
    house = House(num_blocks=40, max_running=4)
    batch = [house.ask("a", 20, 60, tier=Tier.BATCH) for _ in range(2)]
    flex = [house.ask("a", 20, 60, tier=Tier.FLEX) for _ in range(2)]
    house.run(30)
    assert house.steps_to_first_token(house.ask("a", 60, 10)) == 1
    assert [request.state for request in (*flex, *batch)].count(RequestState.WAITING) > 0
    assert RequestState.WAITING in [request.state for request in batch], "batch goes first"
    house.end()


def test_priority_is_read_before_default_and_default_streams_go_on() -> None:
    house = House()
    stream = house.ask("a", 2, 100)
    house.step()
    default, priority = house.ask("b", 300), house.ask("a", 300, tier=Tier.PRIORITY)
    assert {chunk.request for chunk in house.step()} == {stream, priority}
    house.end()
    assert default.num_output_tokens == 8


def test_flex_gets_all_that_is_left() -> None:
    house = House()
    stream, flex = house.ask("a", 2, 100), house.ask("a", 300, tier=Tier.FLEX)
    house.step()
    assert {chunk.request: chunk.end - chunk.start for chunk in house.step()} == {stream: 1, flex: 63}


class CountedIds(list[int]):
    """Token ids, and how many of them were looked at."""

    num_read = 0

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        found = super().__getitem__(index)
        self.num_read += len(found) if isinstance(index, slice) else 1
        return found


def test_whoever_waits_for_the_same_prompt_looks_at_none_of_it() -> None:
    """It compared whole prefixes with every running request, in every step."""
    scheduler = Scheduler(30_000, 16, 512, 16)
    first, second = (make_request(range(100_000), 1) for _ in range(2))
    second.token_ids = ids = CountedIds(second.token_ids)
    scheduler.add(first)
    scheduler.add(second)
    for _ in range(5):
        scheduler.commit(scheduler.schedule())
    num_read = ids.num_read
    for _ in range(5):
        scheduler.commit(scheduler.schedule())
    assert ids.num_read <= 5 * 512 * 4
    assert second.state is RequestState.WAITING
    assert num_read < 20_000


asks = st.tuples(
    st.sampled_from("abc"),
    st.integers(1, 30),
    st.integers(1, 12),
    st.sampled_from(list(Tier)),
    st.sampled_from([0.5, 1.0, 3.0]),
)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(asks, st.integers(0, 3), st.booleans()), min_size=1, max_size=25),
    st.integers(2, 20),
    st.integers(1, 5),
    st.integers(11, 30),
    st.booleans(),
)
def test_whatever_is_asked_everything_ends(
    script: list[tuple[tuple[str, int, int, Tier, float], int, bool]],
    budget: int,
    max_running: int,
    num_blocks: int,
    is_shared: bool,
) -> None:
    house = House(num_blocks, budget, max_running)
    requests = []
    for (tenant, num_tokens, max_tokens, tier, weight), num_steps, is_aborted in script:
        request = house.ask(tenant, num_tokens, max_tokens, tier=tier, weight=weight)
        if not is_shared:
            request.namespace = None
        requests.append(request)
        house.run(num_steps)
        if is_aborted and num_steps:
            house.scheduler.remove(requests[len(requests) // 2])
    house.end()
    assert all(request.state is RequestState.FINISHED for request in requests)
    assert house.scheduler.pool.num_available == num_blocks
