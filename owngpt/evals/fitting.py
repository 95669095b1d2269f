"""Logistic regression and what it is judged by. For a few features and some ten thousand examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_MAX_STEPS = 50
_CLOSE = 1e-8


def fit_logistic(
    features: Sequence[Mapping[str, float]], labels: Sequence[bool], *, ridge: float = 1.0
) -> dict[str, object]:
    """Newton's method with a ridge penalty; `{"bias", "weights"}` as `trust/logistic.py` reads them."""
    names = sorted({name for row in features for name in row})
    x_NF = np.array([[*(row.get(name, 0.0) for name in names), 1.0] for row in features])
    y_N = np.array(labels, dtype=float)
    penalty = np.eye(len(names) + 1) * ridge
    penalty[-1, -1] = 1e-6
    w_F = np.zeros(len(names) + 1)
    for _ in range(_MAX_STEPS):
        p_N = 1 / (1 + np.exp(-np.clip(x_NF @ w_F, -30, 30)))
        hessian = (x_NF * (p_N * (1 - p_N))[:, None]).T @ x_NF + penalty
        step = np.linalg.solve(hessian, x_NF.T @ (p_N - y_N) + penalty @ w_F)
        w_F -= step
        if np.abs(step).max() < _CLOSE:
            break
    weights = {name: round(float(value), 4) for name, value in zip(names, w_F, strict=False) if abs(value) > 5e-5}
    return {"bias": round(float(w_F[-1]), 4), "weights": weights}


def auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The probability that a true one has a higher score than a false one; ties count half (Mann and Whitney)."""
    s_N, y_N = np.asarray(scores, dtype=float), np.asarray(labels, dtype=bool)
    _, place_N, count_U = np.unique(s_N, return_inverse=True, return_counts=True)
    rank_U = np.cumsum(count_U) - (count_U - 1) / 2
    num_true, num_false = int(y_N.sum()), int((~y_N).sum())
    if not num_true or not num_false:
        return float("nan")
    return float((rank_U[place_N][y_N].sum() - num_true * (num_true + 1) / 2) / (num_true * num_false))


def best_f1(scores: Sequence[float], labels: Sequence[bool]) -> tuple[float, float]:
    """(threshold, F1) where F1 is highest."""
    order = np.argsort(-np.asarray(scores, dtype=float))
    y_N = np.asarray(labels, dtype=float)[order]
    hits_N = np.cumsum(y_N)
    f1_N = 2 * hits_N / (np.arange(1, len(y_N) + 1) + y_N.sum())
    best = int(f1_N.argmax())
    return float(np.asarray(scores)[order][best]), float(f1_N[best])


def f1_at(scores: Sequence[float], labels: Sequence[bool], threshold: float) -> float:
    """F1 of calling everything from the threshold on true."""
    called = [score >= threshold for score in scores]
    hits = sum(c and bool(label) for c, label in zip(called, labels, strict=True))
    return 2 * hits / max(1, sum(called) + sum(map(bool, labels)))
