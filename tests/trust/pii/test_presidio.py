"""presidio's recognizers of identification numbers: what they add, and that nothing is skipped."""

from __future__ import annotations

import subprocess
import sys

import pytest

from owngpt.trust.pii import Detector

pytest.importorskip("presidio_analyzer", reason="needs owngpt[privacy]")


def found(text: str) -> list[str]:
    entities = Detector().find(text, lambda kind, score: kind == "NATIONAL_ID" and score >= 0.5)
    return [text[entity.start : entity.end] for entity in entities]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("my NI number is AB123456C", "AB123456C"),
        ("NHS number 943 476 5919", "943 476 5919"),
        ("DNI 12345678Z", "12345678Z"),
        ("codice fiscale RSSMRA85T10A562S", "RSSMRA85T10A562S"),
        ("PESEL: 44051401359", "44051401359"),
        ("Aadhaar 2234 5678 9010 is wrong, PAN ABCPE1234F is not", "ABCPE1234F"),
    ],
)
def test_finds(text: str, number: str) -> None:
    assert number in found(text)


@pytest.mark.parametrize("text", ["order 44051401359", "12345678A is no DNI: 12345678A", "The quick brown fox"])
def test_leaves_alone(text: str) -> None:
    assert found(text) == []


def test_it_is_loaded_only_where_it_is_asked_for() -> None:
    script = (
        "import sys; from owngpt.trust.pii import Detector;"
        "Detector().find('AB123456C', lambda kind, score: kind != 'NATIONAL_ID');"
        "assert 'presidio_analyzer' not in sys.modules and 'spacy' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_pattern_that_takes_too_long_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """presidio itself would skip it, and take the text for clean."""
    monkeypatch.setattr("owngpt.trust.pii.presidio._SECONDS", 1e-9)
    with pytest.raises(TimeoutError):
        found("AB123456C " * 20_000)
