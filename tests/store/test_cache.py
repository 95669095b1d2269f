from owngpt.store.cache import TimedCache


def test_values_expire() -> None:
    now = [0.0]
    cache: TimedCache[str, int] = TimedCache(2.0, max_size=8, clock=lambda: now[0])
    assert cache.fill("a", lambda: 1) == 1
    now[0] = 1.9
    assert cache.get("a") == 1
    now[0] = 2.0
    assert cache.get("a") is None


def test_what_is_not_there_is_not_remembered() -> None:
    cache: TimedCache[str, int] = TimedCache(2.0, max_size=8)
    assert cache.fill("a", lambda: None) is None
    assert len(cache) == 0


def test_the_oldest_entry_makes_room() -> None:
    cache: TimedCache[int, int] = TimedCache(60.0, max_size=3)
    for i in range(5):
        cache.fill(i, lambda i=i: i)
    assert [cache.get(i) for i in range(5)] == [None, None, 2, 3, 4]


def test_a_value_read_before_clear_does_not_come_back_after_it() -> None:
    """A revocation between reading a row and remembering it must not be forgotten."""
    cache: TimedCache[str, int] = TimedCache(60.0, max_size=3)

    def read() -> int:
        cache.clear()
        return 1

    assert cache.fill("a", read) == 1
    assert cache.get("a") is None
