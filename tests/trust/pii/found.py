"""What is found in a text, as pairs of type and value."""

from __future__ import annotations

from owngpt.trust.pii import Detector

_DETECTOR = Detector()


def found(text: str, threshold: float = 0.5) -> list[tuple[str, str]]:
    entities = _DETECTOR.find(text, lambda kind, score: score >= threshold and kind != "NATIONAL_ID")
    return [(entity.type, text[entity.start : entity.end]) for entity in entities]
