from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from owngpt.engine.blocks import BlockPool
from owngpt.engine.prefix_cache import Parent, PrefixCache

SIZE = 2


def publish(cache: PrefixCache, namespace: str, tokens: Sequence[int]) -> list[int]:
    """Compute `tokens`, publish the full blocks, release them."""
    blocks = cache.pool.allocate(len(tokens) // SIZE)
    node: Parent = namespace
    for number, block in enumerate(blocks):
        node = cache.publish(node, tokens, number * SIZE, block).number
    cache.pool.release(blocks)
    return blocks


def test_a_common_beginning_is_found_in_whole_blocks() -> None:
    cache = PrefixCache(BlockPool(8), SIZE)
    blocks = publish(cache, "a", [1, 2, 3, 4, 5, 6])
    assert cache.match("a", [1, 2, 3, 4, 9, 9], 6).blocks == blocks[:2]
    assert cache.match("a", [1, 2, 3], 3).blocks == blocks[:1]
    assert cache.match("a", [2, 1], 2).blocks == []


def test_the_limit_leaves_tokens_to_compute() -> None:
    cache = PrefixCache(BlockPool(8), SIZE)
    blocks = publish(cache, "a", [1, 2, 3, 4])
    assert cache.match("a", [1, 2, 3, 4], 3).blocks == blocks[:1]


def test_namespaces_share_nothing() -> None:
    cache = PrefixCache(BlockPool(8), SIZE)
    publish(cache, "a", [1, 2, 3, 4])
    assert cache.match("b", [1, 2, 3, 4], 4).blocks == []


def test_the_same_tokens_after_another_beginning_are_another_block() -> None:
    cache = PrefixCache(BlockPool(8), SIZE)
    publish(cache, "a", [1, 2, 5, 6])
    publish(cache, "a", [3, 4, 7, 8])
    assert len(cache.match("a", [3, 4, 5, 6], 4).blocks) == 1


def test_tokens_that_collide_in_the_hash_table_are_told_apart() -> None:
    """hash(-1) == hash(-2) in CPython, so these keys collide for certain."""
    assert hash((-1, -1)) == hash((-2, -2))
    cache = PrefixCache(BlockPool(8), SIZE)
    publish(cache, "a", [-1, -1])
    assert cache.match("a", [-2, -2], 2).blocks == []


def test_an_equal_block_is_published_once() -> None:
    cache = PrefixCache(BlockPool(8), SIZE)
    first = publish(cache, "a", [1, 2])
    second = cache.pool.allocate(1)
    assert cache.publish("a", [1, 2], 0, second[0]).block == first[0]
    assert cache.match("a", [1, 2], 2).blocks == first
    cache.pool.release(second)
    cache.pool.check_integrity([])


def test_an_evicted_block_is_not_found_and_neither_is_what_followed_it() -> None:
    cache = PrefixCache(BlockPool(2), SIZE)
    publish(cache, "a", [1, 2, 3, 4])
    cache.pool.allocate(2)
    assert cache.match("a", [1, 2, 3, 4], 4).blocks == []
    cache.check_integrity()


def test_discarded_blocks_are_never_shared_again() -> None:
    cache = PrefixCache(BlockPool(2), SIZE)
    blocks = publish(cache, "a", [1, 2, 3, 4])
    cache.discard(blocks)
    assert cache.match("a", [1, 2], 2).blocks == []
    assert cache.pool.num_available == 2
    cache.check_integrity()
    cache.pool.check_integrity([])


texts = st.lists(st.integers(0, 2), min_size=2, max_size=10)


@given(st.lists(st.tuples(st.sampled_from("ab"), texts), max_size=20), st.sampled_from("ab"), texts)
def test_a_hit_holds_exactly_the_tokens_asked_for(
    published: Sequence[tuple[str, list[int]]], namespace: str, wanted: list[int]
) -> None:
    """Against a model: what each block really holds is remembered beside the cache, whatever was evicted."""
    cache = PrefixCache(BlockPool(5), SIZE)
    contents: dict[int, tuple[str, list[int]]] = {}
    for name, tokens in published:
        prefix = cache.match(name, tokens, len(tokens))
        cache.pool.share(prefix.blocks)
        own = cache.pool.allocate(len(tokens) // SIZE - len(prefix.blocks))
        table, node = prefix.blocks + own, prefix.node
        for number, block in enumerate(own, len(prefix.blocks)):
            contents[block] = (name, tokens[: (number + 1) * SIZE])
            node = cache.publish(node, tokens, number * SIZE, block).number
        cache.pool.release(table)
        cache.check_integrity()
        cache.pool.check_integrity([])
    for number, block in enumerate(cache.match(namespace, wanted, len(wanted)).blocks):
        assert contents[block] == (namespace, wanted[: (number + 1) * SIZE])
