"""How near a translation is to its references: chrF and BLEU, as sacrebleu counts them, resampled by sentence.

chrF (Popović 2015) is here, and equals sacrebleu's to the last digit (tested); BLEU is sacrebleu's own (Post 2018) and
is measured where the extra `evals` is installed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from owngpt.evals.task import Answer, Array, Item, Metric
from owngpt.text.prompts import Language

_ORDERS = range(1, 7)
_BETA_SQUARED = 4.0
_BLEU_TOKENS = {"en": "13a", "ja": "char"}


def chrf() -> Metric:
    """Of characters without white space, 0 to 1; of several references the nearest counts."""

    def row(item: Item, answer: Answer) -> Sequence[float]:
        counted = [_counts(answer.text, reference) for reference in item.references]
        return max(counted, key=_f_score)

    return Metric("chrF", row, lambda rows: _f_score(rows.sum(axis=0)))


def bleu(to: Language) -> tuple[Metric, ...]:
    """BLEU over words (English) or characters (Japanese), 0 to 1; nothing where sacrebleu is not installed."""
    if find_spec("sacrebleu") is None:
        return ()

    def row(item: Item, answer: Answer) -> Sequence[float]:
        score = _bleu(to).sentence_score(answer.text, list(item.references))
        return *score.counts, *score.totals, score.sys_len, score.ref_len

    return (Metric("BLEU", row, lambda rows: _corpus_bleu(rows.sum(axis=0))),)


def _counts(said: str, right: str) -> tuple[float, ...]:
    """Of each order: n-grams of what was said, of the reference, and of both."""
    found: list[float] = []
    for order in _ORDERS:
        ours, theirs = _ngrams(said, order), _ngrams(right, order)
        found += [ours.total() if theirs else 0, theirs.total(), (ours & theirs).total()]
    return tuple(found)


@lru_cache(maxsize=8192)
def _ngrams(text: str, order: int) -> Counter[str]:
    letters = "".join(text.split())
    return Counter(letters[i : i + order] for i in range(len(letters) - order + 1))


def _f_score(counts: Sequence[float] | Array) -> float:
    """Precision and recall are means over the orders that both sides have."""
    ours, theirs, both = np.asarray(counts, dtype=np.float64).reshape(-1, 3).T
    known = (ours > 0) & (theirs > 0)
    if not known.any():
        return 0.0
    precision, recall = float((both[known] / ours[known]).mean()), float((both[known] / theirs[known]).mean())
    weighed = _BETA_SQUARED * precision + recall
    return (1 + _BETA_SQUARED) * precision * recall / weighed if weighed else 0.0


@lru_cache(maxsize=2)
def _bleu(to: Language) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=_BLEU_TOKENS[to], effective_order=True)


def _corpus_bleu(sums: Array) -> float:
    from sacrebleu.metrics.bleu import BLEU

    whole = [round(value) for value in sums]
    score = BLEU.compute_bleu(whole[:4], whole[4:8], whole[8], whole[9], smooth_method="exp")
    return float(score.score) / 100
