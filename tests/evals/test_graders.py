"""Grades, each beside the implementation that the field uses, where one is installed."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from owngpt.evals.graders import (
    answer_exact,
    answer_f1,
    bits_per_byte,
    edit_similarity,
    exact,
    ndcg,
    recall_of,
    rouge,
    separation,
)
from owngpt.evals.task import Answer, Item
from owngpt.evals.translation import bleu, chrf

SENTENCES = (
    "The cat sat on the mat.",
    "A dog doesn't sleep here, does it?",
    "the mat sat on the cat",
    "",
    "猫はマットの上に座っています。",
    "犬はここで寝ません。",
    "東京へ行く。",
    "It costs 1,200 yen (about $8).",
)


def pairs(count: int = 60) -> list[tuple[str, list[str]]]:
    rng = random.Random(0)
    filled = [sentence for sentence in SENTENCES if sentence]
    return [(rng.choice(SENTENCES), rng.sample(filled, rng.choice((1, 2)))) for _ in range(count)]


def test_chrf_and_bleu_are_sacrebleus() -> None:
    sacrebleu = pytest.importorskip("sacrebleu.metrics")
    said, right = zip(*pairs(), strict=True)
    items = [Item(str(n), references=tuple(references)) for n, references in enumerate(right)]
    answers = [Answer(text) for text in said]
    streams = [[references[min(n, len(references) - 1)] for references in right] for n in range(2)]
    for metric, theirs in (
        (chrf(), sacrebleu.CHRF()),
        (*bleu("en"), sacrebleu.BLEU(tokenize="13a")),
        (*bleu("ja"), sacrebleu.BLEU(tokenize="char")),
    ):
        ours = metric.reduce(metric.rows(items, answers))
        assert ours == pytest.approx(theirs.corpus_score(list(said), streams).score / 100, abs=1e-9), metric.name


def test_rouge_is_rouge_scores() -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rouge1", "rouge2", "rougeL"])
    for said, (right, *_) in pairs():
        if right.isascii():
            theirs = scorer.score(right, said)
            for order, name in ((1, "rouge1"), (2, "rouge2"), (0, "rougeL")):
                ours = rouge(order)(Item("1", references=(right,)), Answer(said))
                assert ours == pytest.approx(theirs[name].fmeasure), (said, right, name)


def test_japanese_is_compared_by_characters() -> None:
    item = Item("1", references=("東京都",))
    assert answer_f1(item, Answer("東京")) == pytest.approx(0.8)
    assert rouge(1)(item, Answer("東京です")) == pytest.approx(2 * 2 / 7)
    assert answer_exact(item, Answer("「東京都」。")) == 1.0


@pytest.mark.parametrize(
    ("said", "right", "f1"),
    [("The Eiffel Tower.", "eiffel tower", 1.0), ("in 1999", "1999", 2 / 3), ("Paris", "London", 0.0), ("", "x", 0.0)],
)
def test_english_answers_are_compared_as_squad_does_it(said: str, right: str, f1: float) -> None:
    assert answer_f1(Item("1", references=(right,)), Answer(said)) == pytest.approx(f1)


def test_the_nearest_reference_counts() -> None:
    item = Item("1", references=("return x", "return xs"))
    assert edit_similarity(item, Answer("return xy")) == pytest.approx(8 / 9)
    assert (exact(item, Answer(" return x\n")), exact(item, Answer("return"))) == (1.0, 0.0)


def test_bits_per_byte_counts_bytes_of_utf8() -> None:
    metric, items = bits_per_byte(), [Item("1", choices=("日本",)), Item("2", choices=("ab",))]
    answers = [Answer(scores=(-6 * math.log(2),)), Answer(scores=(-10 * math.log(2),))]
    assert metric.reduce(metric.rows(items, answers)) == pytest.approx(2.0)


def test_separation_needs_no_threshold_and_its_f1_finds_one_on_other_items() -> None:
    auc, f1 = separation()
    items = [Item(str(n), label=n % 3 == 0) for n in range(60)]
    perfect = [Answer(scores=(0.0, -50.0 + item.label)) for item in items]
    assert auc.reduce(auc.rows(items, perfect)) == 1.0
    assert f1.reduce(f1.rows(items, perfect)) == 1.0
    blind = [Answer(scores=(0.0, 0.0)) for _ in items]
    assert auc.reduce(auc.rows(items, blind)) == 0.5


def test_ndcg_wants_what_is_right_at_the_top() -> None:
    metric, item = ndcg(), Item("1", references=("d1",))
    found = [("d1", "x"), ("x", "d1"), ("x", "y")]
    assert [metric.row(item, Answer(found=one))[0] for one in found] == [1.0, pytest.approx(1 / math.log2(3)), 0.0]


def test_recall_is_over_one_class() -> None:
    metric = recall_of("recall", lambda item: item.label == 1, lambda item, answer: float(answer.text == "yes"))
    items = [Item(str(n), label=int(n < 4)) for n in range(10)]
    answers = [Answer("yes" if n in (0, 7) else "no") for n in range(10)]
    assert metric.reduce(metric.rows(items, answers)) == 0.25
    assert math.isnan(metric.reduce(np.zeros((3, 2))))
