"""Cosines are close to the true ones, and the same bits in any company."""

from __future__ import annotations

import numpy as np
import pytest

from owngpt.retrieval.dense import Matrix

RANDOM = np.random.default_rng(3)


def unit(rows: int, dimensions: int) -> np.ndarray:
    vectors = RANDOM.standard_normal((rows, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("dimensions", [8, 384, 1024, 4096])
def test_cosines_are_right_within_their_precision(dimensions: int) -> None:
    vectors = unit(300, dimensions)
    query = vectors[7]
    cosines = Matrix.of(vectors).cosines(query)
    np.testing.assert_allclose(cosines, vectors @ query, atol=6e-3)
    assert cosines.argmax() == 7


def test_a_row_has_the_same_cosine_wherever_it_stands() -> None:
    """Sums of floats depend on their order, and that on the place of a row; here nothing is ever rounded."""
    vectors, query = unit(5000, 384), unit(1, 384)[0]
    order = RANDOM.permutation(5000)[:1234]
    whole = Matrix.of(vectors)
    expected = whole.cosines(query)[order]
    assert (Matrix.of(vectors[order]).cosines(query) == expected).all()
    keep = np.zeros(5000, np.bool_)
    keep[order] = True
    assert (whole.only(keep).cosines(query) == whole.cosines(query)[keep]).all()
    joined = Matrix.joined([Matrix.of(vectors[:10]), Matrix.of(vectors[10:])])
    assert (joined.cosines(query) == whole.cosines(query)).all()


def test_every_partial_sum_is_exact() -> None:
    """The worst case: all levels at their limit, all products of one sign."""
    ones = np.full((4, 384), 384**-0.5, np.float32)
    assert Matrix.of(ones).cosines(ones[0]) == pytest.approx([1.0] * 4, abs=1e-6)
    assert (Matrix.of(ones).cosines(ones[0]) == Matrix.of(ones[:1]).cosines(ones[0])).all()


def test_a_vector_of_zeros_is_like_nothing() -> None:
    assert Matrix.of(np.zeros((2, 8), np.float32)).cosines(unit(1, 8)[0]).tolist() == [0.0, 0.0]
    assert Matrix.of(unit(2, 8)).cosines(np.zeros(8, np.float32)).tolist() == [0.0, 0.0]
