"""Postings that are joined or thinned out equal those that were made of the documents at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from owngpt.retrieval.postings import Postings, term_id

documents = st.lists(st.lists(st.sampled_from("abcdefg"), max_size=8), max_size=8)


def check_equal(one: Postings, other: Postings) -> None:
    for name in ("terms", "starts", "rows", "counts", "lengths"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@given(pieces=st.lists(documents, min_size=1, max_size=4))
def test_joined(pieces: list[list[list[str]]]) -> None:
    joined = Postings.joined([Postings.of(piece) for piece in pieces])
    check_equal(joined, Postings.of([document for piece in pieces for document in piece]))


@given(kept=st.lists(st.tuples(st.booleans(), st.lists(st.sampled_from("abcdefg"), max_size=8)), max_size=8))
def test_only(kept: list[tuple[bool, list[str]]]) -> None:
    thinned = Postings.of([document for _, document in kept]).only(np.array([keep for keep, _ in kept], np.bool_))
    check_equal(thinned, Postings.of([document for keep, document in kept if keep]))


@given(pieces=documents)
def test_bytes(pieces: list[list[str]]) -> None:
    postings = Postings.of(pieces)
    check_equal(Postings.from_bytes(postings.to_bytes()), postings)


def test_a_term_is_found_where_it_stands() -> None:
    postings = Postings.of([["a", "b", "a"], [], ["b"] * 300])
    found = postings.find(term_id("b"))
    assert found is not None
    assert (found.rows.tolist(), found.counts.tolist()) == ([0, 2], [1, 255])
    assert postings.lengths.tolist() == [3, 0, 300]
    assert postings.find(term_id("z")) is None
    assert Postings.of([]).find(term_id("a")) is None
