from itertools import islice

from owngpt.training.reader.batches import batches

LENGTHS = [5 + i * 7 % 90 for i in range(300)]


def test_an_epoch_has_every_example_once_within_the_budget() -> None:
    seen: list[int] = []
    for batch in batches(LENGTHS, 400, "seed"):
        assert len(batch) * max(LENGTHS[number] for number in batch) <= 400
        seen += batch
        if len(seen) >= len(LENGTHS):
            break
    assert sorted(seen) == list(range(300))


def test_little_is_padding() -> None:
    some = list(islice(batches(LENGTHS, 400, "seed"), 30))
    padded = sum(len(batch) * max(LENGTHS[number] for number in batch) for batch in some)
    assert sum(LENGTHS[number] for batch in some for number in batch) > 0.85 * padded


def test_the_order_follows_from_the_seed_and_differs_between_epochs() -> None:
    first, again, other = (list(islice(batches(LENGTHS, 400, seed), 200)) for seed in ("a", "a", "b"))
    assert first == again
    assert first != other
    assert first[:20] != first[len(first) // 2 : len(first) // 2 + 20]


def test_what_is_longer_than_a_batch_comes_alone() -> None:
    assert next(batches([500], 8, "a")) == [0]
