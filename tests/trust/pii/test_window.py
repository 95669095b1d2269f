"""What is quickly known of a text never hides a match: a recognizer that is not tried would have found nothing."""

from __future__ import annotations

import pytest

from owngpt.evals.pii_japanese import japanese_samples
from owngpt.trust.pii import Detector, replaced
from owngpt.trust.pii.detector import recognizers
from owngpt.trust.pii.english_names import _SIGNS
from owngpt.trust.pii.rules import Rule
from owngpt.trust.pii.window import Window
from tests.trust.pii.test_detector import EXAMPLES, NAMES

RULES = [part for part in recognizers() if isinstance(part, Rule)]
TEXTS = [*(text for text, *_ in EXAMPLES), *(text for text, _ in NAMES), *(s.text for s in japanese_samples(300))]


@pytest.mark.parametrize(
    "change", [str, str.upper, lambda text: text.replace(" ", "\t"), lambda t: t.replace("i", "ı")]
)
def test_what_a_pattern_needs_is_in_all_that_it_finds(change) -> None:  # type: ignore[no-untyped-def]
    num_found = 0
    for window in (Window(change(text)) for text in TEXTS):
        for rule in RULES:
            if rule.pattern.search(window.text):
                num_found += 1
                assert window.digits >= rule.digits, rule.source
                assert not rule.needs or window.has(rule.needs), rule.source
        for sign in _SIGNS:
            assert window.has(sign.needs) or not sign.pattern.search(window.text), sign
    assert num_found > 200


def test_a_number_may_have_gaps() -> None:
    assert [Window(text).digits for text in ("none", "1, 23", "1234 5678 - 9018", "12 and 345")] == [0, 3, 12, 3]


@pytest.mark.parametrize("gap", ["\r", "\f", "\u2028", "\x85"])
def test_a_gap_may_be_of_any_kind_that_patterns_take_for_one(gap: str) -> None:
    text = f"ゆうちょ銀行 12345{gap}-{gap}1234567"
    assert "12345" not in replaced(text, Detector().find(text, lambda kind, score: score >= 0.5), lambda _: "●")


def test_words_are_found_in_whatever_case() -> None:
    window = Window("My\tNAME ıs")
    assert window.has(["my name is"])
    assert not window.has(["your name"])
