"""Regression and its measures, and questions turned into search."""

from __future__ import annotations

import random

import pytest

from owngpt.evals.fitting import auc, best_f1, f1_at, fit_logistic
from owngpt.evals.questions import BM25, Paragraph, asked
from owngpt.trust.logistic import Logistic


def test_it_finds_the_weights_that_made_the_labels() -> None:
    chosen = random.Random(0)
    true = Logistic(-1.0, {"a": 3.0, "b": -2.0})
    rows = [{"a": chosen.random(), "b": chosen.random(), "noise": chosen.random()} for _ in range(20_000)]
    fitted = fit_logistic(rows, [chosen.random() < true(row) for row in rows])
    weights = fitted["weights"]
    assert isinstance(weights, dict)
    assert (fitted["bias"], weights["a"], weights["b"]) == pytest.approx((-1.0, 3.0, -2.0), abs=0.2)
    assert abs(weights["noise"]) < 0.2


def test_measures() -> None:
    assert auc([0.1, 0.4, 0.35, 0.8], [False, False, True, True]) == 0.75
    assert auc([0.5, 0.5], [False, True]) == 0.5
    assert best_f1([0.9, 0.8, 0.1], [True, True, False]) == (0.8, 1.0)
    assert f1_at([0.9, 0.2], [True, True], 0.5) == pytest.approx(2 / 3)


def paragraphs() -> list[Paragraph]:
    names = ["apples", "pears", "plums", "cherries", "figs", "dates", "limes", "nuts"]
    return [
        Paragraph(name, f"Shop number {i} sells {name}.", [(f"Who sells {name}?", name, 18)])
        for i, name in enumerate(names)
    ]


def test_a_search_finds_what_has_the_rare_words() -> None:
    index = BM25([paragraph.text for paragraph in paragraphs()])
    assert index.search("Who sells figs?", 1)[0][0] == 4
    assert 4 not in [number for number, _ in index.search("Who sells figs?", 9, without={4})]


def test_every_second_question_has_lost_its_paragraph() -> None:
    found = list(asked(paragraphs(), 8, passages=3))
    assert [one.is_answerable for one in found] == [True, False] * 4
    for one in found:
        assert (one.answer is not None) == one.is_answerable
        if one.answer is not None:
            assert one.question.removeprefix("Who sells ")[:-1] in one.passages[one.answer[0]]
