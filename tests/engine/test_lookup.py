from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from owngpt.engine.lookup import MIN_MATCH, Lookup


def test_what_followed_last_time_is_guessed() -> None:
    lookup = Lookup([1, 2, 3, 4, 5, 9, 1, 2])
    assert lookup.match_length == 2
    assert lookup.guess(3) == [3, 4, 5]


def test_nothing_is_guessed_after_what_is_new() -> None:
    assert Lookup([1, 2, 3, 4]).guess(3) == []
    assert Lookup([]).guess(3) == Lookup([1]).guess(3) == []


def test_the_longest_common_past_decides_then_the_latest_place() -> None:
    assert Lookup([7, 1, 2, 50, 1, 2, 60, 7, 1, 2]).guess(1) == [50]
    assert Lookup([7, 1, 2, 50, 7, 1, 2, 60, 7, 1, 2]).guess(1) == [60]


def test_a_place_is_followed_while_its_guesses_come_true() -> None:
    lookup = Lookup([*range(20), 99, 0, 1])
    assert [lookup.push(token_id) for token_id in (2, 3, 77, 5, 6)] == [True, True, False, False, False]
    assert lookup.guess(2) == [7, 8], "two tokens after the change it has found its way back"
    assert lookup.match_length == 2


def test_a_text_that_repeats_itself_goes_on_to_do_so() -> None:
    assert Lookup([1, 2, 3, 1, 2, 3]).guess(7) == [1, 2, 3, 1, 2, 3, 1]


def test_a_prediction_is_guessed_from_its_beginning_and_found_again_after_a_change() -> None:
    lookup = Lookup([50, 51], prediction=[1, 2, 3, 4, 5, 6])
    assert lookup.guess(9) == [1, 2, 3, 4, 5, 6]
    for token_id in (1, 2, 40, 4, 5):
        lookup.push(token_id)
    assert lookup.guess(9) == [6]
    assert lookup.push(6)
    assert lookup.guess(9) == []
    assert lookup.num_predicted == 3


texts = st.lists(st.integers(0, 3), max_size=60)


def longest(tokens: Sequence[int], place: int) -> int:
    """Tokens up to `place`, and up to the end, that are the same."""
    length = 0
    while length <= place and tokens[place - length] == tokens[len(tokens) - 1 - length]:
        length += 1
    return length


@given(texts, texts)
def test_guesses_are_what_followed_the_same_tokens(prompt: list[int], answer: list[int]) -> None:
    lookup, tokens = Lookup(prompt), list(prompt)
    for token_id in answer:
        guess = lookup.guess(1)
        assert lookup.push(token_id) == (guess == [token_id])
        tokens.append(token_id)
        lengths = [longest(tokens, place) for place in range(len(tokens) - 1)]
        assert (lookup.match_length > 0) == (max(lengths, default=0) >= MIN_MATCH)
        if lookup.match_length:
            continuations = [tokens[i + 1] for i, n in enumerate(lengths) if n >= min(lookup.match_length, 24)]
            assert lookup.guess(1)[0] in continuations
