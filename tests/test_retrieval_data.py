"""The questions on the handbook point at sections that are there; needs the public data beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.retrieval_data import handbook, jaquad, squad

SHARED = Path(__file__).parents[2] / "shared"
pytestmark = pytest.mark.skipif(not (SHARED / "data" / "kb").is_dir(), reason="no public data here")


def test_every_question_on_the_handbook_has_few_right_chunks() -> None:
    data = handbook(SHARED, lambda text: len(text) // 4)
    assert len(data.questions) >= 60
    assert all(1 <= len(question.relevant) <= 4 for question in data.questions)
    known = {document.id for document in data.documents}
    assert all(set(question.relevant) <= known for question in data.questions)


def test_questions_are_those_that_chose_no_constant() -> None:
    for data, documents in ((squad(SHARED), 1827), (jaquad(SHARED), 9713)):
        assert len(data.documents) == documents
        assert len({question.text for question in data.questions}) > 1_900
