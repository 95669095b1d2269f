from collections.abc import Callable, Sequence
from typing import NamedTuple, ParamSpec, TypeVar

import pytest

from owngpt.trust.reading import ReadingScorer, read_answer
from owngpt.trust.support import Statement

P = ParamSpec("P")
R = TypeVar("R")


class Spot(NamedTuple):
    text: int
    start: int
    end: int
    logit: float


class Model:
    """Says of each text how much of it is the letter a, and finds "Oslo"."""

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [text.count("a") / len(text) for _, text in pairs]

    def answer(self, question: str, texts: Sequence[str]) -> Spot | None:
        places = [(i, text.find("Oslo")) for i, text in enumerate(texts) if "Oslo" in text]
        return Spot(places[0][0], places[0][1], places[0][1] + 4, 2.0) if places else None


class Elsewhere:
    """Where dear work is done; `costs` is what was said of it."""

    def __init__(self) -> None:
        self.costs: list[int] = []

    async def run(self, cost: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        self.costs.append(cost)
        return work(*args, **kwargs)


@pytest.mark.anyio
async def test_the_best_evidence_counts_and_verbatim_is_certain() -> None:
    worker = Elsewhere()
    statements = [Statement("Ann saw it.", ["aaab", "bbbb"]), Statement("aaab", ["xaaabx"]), Statement("No.", [])]
    assert await ReadingScorer(Model(), worker).score(statements) == [0.75, 1.0, 0.0]
    assert all(cost > 2_048 for cost in worker.costs)  # never on the event loop


def test_an_answer_comes_with_its_sentence_and_how_likely_there_is_one() -> None:
    texts = ["Ships sail.", "It rains. The mayor lives in Oslo. So it is."]
    found = read_answer(Model(), "Where?", texts)
    assert found is not None
    assert (found.source, found.answer.of(texts[1]), found.sentence.of(texts[1])) == (
        1,
        "Oslo",
        "The mayor lives in Oslo.",
    )
    assert found.confidence == pytest.approx(0.881, abs=1e-3)


def test_nothing_to_read_has_no_answer() -> None:
    assert read_answer(Model(), "Where?", ["Ships sail."]) is None
