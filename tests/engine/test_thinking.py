from collections.abc import Iterable
from typing import Any

from owngpt.engine.thinking import ThinkingState
from owngpt.types import Thinking

START, END, END_IDS = 100, 101, (7, 101, 8)


BEGIN, ROLE, CHANNEL, ANALYSIS, FINAL, MESSAGE, OVER = 200, 201, 202, 203, 204, 205, 206
THOUGHT = (CHANNEL, ANALYSIS)
SPOKEN = (BEGIN, ROLE, CHANNEL, FINAL, MESSAGE)


def state(budget: int | None = None, **given: Any) -> ThinkingState:
    return ThinkingState(Thinking(budget=budget, start_id=START, end_id=END, end_ids=END_IDS, **given))


def follow(thinking: ThinkingState, wanted: Iterable[int]) -> tuple[list[int], list[bool]]:
    """What is said when the model wants these tokens, and what of it is thinking."""
    said: list[int] = []
    flags: list[bool] = []
    for wish in wanted:
        said.append(thinking.forced[0] if thinking.forced else wish)
        flags.append(thinking.push(said[-1]))
    return said, flags


def test_a_model_that_does_not_think() -> None:
    thinking = ThinkingState()
    assert follow(thinking, [1, START, 2]) == ([1, START, 2], [False] * 3)
    assert not thinking.is_inside


def test_the_model_opens_and_closes() -> None:
    assert follow(state(), [START, 1, END, 2]) == ([START, 1, END, 2], [True, True, True, False])


def test_it_can_open_with_its_first_token_only() -> None:
    thinking = state()
    assert thinking.start_id == START
    assert follow(thinking, [1, START, 2])[1] == [False] * 3
    assert thinking.start_id is None


def test_the_prompt_may_have_opened_it() -> None:
    assert follow(state(is_open=True), [1, END, 2])[1] == [True, True, False]


def test_a_spent_budget_forces_the_end() -> None:
    said, flags = follow(state(2, is_open=True), [1, 1, 1, 1, 1, 1])
    assert said == [1, 1, *END_IDS, 1]
    assert flags == [True] * 5 + [False]


def test_a_budget_of_nothing() -> None:
    assert follow(state(0), [START, 1, 1, 1, 1])[0] == [START, *END_IDS, 1]
    assert follow(state(0, is_open=True), [1, 1, 1, 1])[0] == [*END_IDS, 1]


def test_ending_within_the_budget_forces_nothing() -> None:
    assert follow(state(5, is_open=True), [1, END, 2, 3]) == ([1, END, 2, 3], [True, True, False, False])


def messages(budget: int | None = None) -> ThinkingState:
    """Of a model that writes messages with headers."""
    headers = (THOUGHT, (BEGIN, ROLE, *THOUGHT))
    return ThinkingState.of(Thinking(budget, MESSAGE, OVER, (OVER,), headers=headers))


def test_messages_of_which_some_are_thinking() -> None:
    thinking = messages()
    said = [*THOUGHT, MESSAGE, 1, OVER, *SPOKEN, 2, OVER, BEGIN, ROLE, *THOUGHT, MESSAGE, 3, OVER, *SPOKEN, 4]
    is_answer = [token in (2, 4) for token in said]
    assert follow(thinking, said) == (said, [not answer for answer in is_answer])
    assert thinking.is_in_grammar
    assert not thinking.is_inside


def test_a_budget_of_all_thoughts_together() -> None:
    said, flags = follow(messages(2), [*THOUGHT, MESSAGE, 1, OVER, BEGIN, ROLE, *THOUGHT, MESSAGE, 1, 1, *SPOKEN, 2])
    assert said == [*THOUGHT, MESSAGE, 1, OVER, BEGIN, ROLE, *THOUGHT, MESSAGE, 1, OVER, *SPOKEN, 2]
    assert flags == [True] * (len(said) - 1) + [False]


def test_messages_and_a_budget_of_nothing() -> None:
    assert follow(messages(0), [*THOUGHT, MESSAGE, 1, *SPOKEN, 2])[0] == [*THOUGHT, MESSAGE, OVER, *SPOKEN, 2]


def test_a_model_that_writes_no_headers() -> None:
    assert follow(messages(), [1, 2, OVER, *SPOKEN, 3])[1] == [False, False, *[True] * 6, False]
