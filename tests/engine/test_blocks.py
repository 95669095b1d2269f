from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from owngpt.engine.blocks import BlockPool


def test_released_blocks_can_be_allocated_again() -> None:
    pool = BlockPool(3)
    blocks = pool.allocate(3)
    assert sorted(blocks) == [0, 1, 2]
    assert pool.num_available == 0
    pool.release(blocks)
    assert pool.num_available == 3


def test_a_shared_block_lives_until_its_last_holder_leaves() -> None:
    pool = BlockPool(1)
    blocks = pool.allocate(1)
    pool.share(blocks)
    pool.release(blocks)
    assert pool.num_available == 0
    pool.release(blocks)
    assert pool.num_available == 1


def test_kept_blocks_are_evicted_in_the_order_of_their_release_and_only_when_nothing_is_free() -> None:
    evicted: list[int] = []
    pool = BlockPool(3, evicted.append)
    first, second, third = pool.allocate(3)
    pool.keep(first)
    pool.keep(second)
    pool.release([second])
    pool.release([first])
    pool.release([third])
    assert pool.allocate(1) == [third]
    assert evicted == []
    assert pool.allocate(2) == [second, first]
    assert evicted == [second, first]


def test_a_prefix_outlives_what_follows_it() -> None:
    pool = BlockPool(2)
    table = pool.allocate(2)
    for block in table:
        pool.keep(block)
    pool.release(table)
    assert pool.allocate(1) == [table[1]]


def test_sharing_wakes_an_idle_block() -> None:
    pool = BlockPool(1)
    blocks = pool.allocate(1)
    pool.keep(blocks[0])
    pool.release(blocks)
    pool.share(blocks)
    assert pool.num_available == 0
    pool.check_integrity([blocks])


def test_misuse_is_noticed() -> None:
    pool = BlockPool(1)
    with pytest.raises(AssertionError, match="free"):
        pool.share([0])
    with pytest.raises(AssertionError, match="not held"):
        pool.release([0])
    with pytest.raises(AssertionError, match="available"):
        pool.allocate(2)


def test_check_integrity_sees_a_leak() -> None:
    pool = BlockPool(2)
    pool.allocate(1)
    with pytest.raises(AssertionError, match="reference counts"):
        pool.check_integrity([])


@given(st.lists(st.tuples(st.sampled_from("asrkf"), st.integers(0, 7)), max_size=60))
def test_any_order_of_operations_keeps_every_block_in_one_state(operations: Sequence[tuple[str, int]]) -> None:
    pool = BlockPool(6)
    tables: list[list[int]] = []
    for operation, number in operations:
        table = tables[number % len(tables)] if tables else []
        if operation == "a" and number <= pool.num_available:
            tables.append(pool.allocate(number))
        elif operation == "s" and table:
            pool.share(table)
            tables.append(list(table))
        elif operation == "r" and tables:
            tables.remove(table)
            pool.release(table)
        elif operation == "k" and table:
            pool.keep(table[0])
        elif operation == "f":
            pool.forget(number % 6)
        pool.check_integrity(tables)
    for table in tables:
        pool.release(table)
    assert pool.num_available == 6
