"""Does evidence bear a statement out?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from owngpt.trust.support import CombinedScorer, Statement, features

ENGLISH = "The museum opened in 1974 and had 12,000 visitors in its first year. It was designed by Anna Berg."
JAPANESE = "美術館は1974年に開館し、最初の年に12000人が訪れた。設計はアンナ・ベルグである。"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("evidence", "true", "false"),
    [
        (ENGLISH, "The museum opened in 1974.", "The museum opened in 1987."),
        (ENGLISH, "It had 12,000 visitors in the first year.", "It had 95,000 visitors in the first year."),
        (ENGLISH, "Anna Berg designed the museum.", "Carlo Rossi designed the museum."),
        (JAPANESE, "美術館は1974年に開館した。", "美術館は1987年に開館した。"),
        (JAPANESE, "美術館の設計はアンナ・ベルグである。", "美術館の設計はカルロ・ロッシである。"),
    ],
)
async def test_what_is_changed_has_less_support(evidence: str, true: str, false: str) -> None:
    more, less = await CombinedScorer().score([Statement(true, [evidence]), Statement(false, [evidence])])
    assert more > less


@pytest.mark.anyio
async def test_what_stands_there_word_for_word_is_borne_out() -> None:
    assert await CombinedScorer().score([Statement("It was designed by Anna Berg.", [ENGLISH])]) == [1.0]


@pytest.mark.anyio
async def test_nothing_is_borne_out_by_nothing() -> None:
    (support,) = await CombinedScorer().score([Statement("The museum opened in 1974.", [])])
    assert support < 0.5


@pytest.mark.anyio
async def test_vectors_are_asked_for_what_is_not_verbatim() -> None:
    asked: list[str] = []

    async def embed(texts: Sequence[str]) -> list[list[float]]:
        asked.extend(texts)
        return [[1.0, 0.0] for _ in texts]

    await CombinedScorer(embed).score([Statement("The museum was opened.", [ENGLISH])])
    assert asked[0] == "The museum was opened."
    assert len(asked) == 3


def test_features_name_what_is_missing() -> None:
    found = features(Statement("Berg never had 99 visitors.", [ENGLISH]))
    assert found["numbers_missing"] == 1.0
    assert found["negation"] == 1.0


class Elsewhere:
    """A worker that says how much it was asked to work through."""

    def __init__(self) -> None:
        self.costs: list[int] = []

    async def run(self, cost: int, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.costs.append(cost)
        return work(*args, **kwargs)


@pytest.mark.anyio
async def test_long_evidence_is_worked_through_elsewhere() -> None:
    """Tens of milliseconds for each sentence of an answer: nobody else may wait for that."""
    statement = Statement("It was designed by Anna Borg.", [ENGLISH * 200])
    worker = Elsewhere()
    assert await CombinedScorer(worker=worker).score([statement]) == await CombinedScorer().score([statement])
    assert worker.costs == [len(ENGLISH) * 200]
