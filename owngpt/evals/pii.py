"""How much personal data is found, and how much of what is found is any: recall and precision per type and language."""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from owngpt.trust.pii import Detector, Entity

Half = Literal["all", "even", "odd"]

# presidio-research's labels -> ours; its labels GPE, ORGANIZATION, DATE_TIME, TITLE and NRP are not looked for
PRESIDIO: Mapping[str, str] = {
    "PERSON": "PERSON",
    "STREET_ADDRESS": "ADDRESS",
    "ZIP_CODE": "ADDRESS",
    "CREDIT_CARD": "CREDIT_CARD",
    "PHONE_NUMBER": "PHONE",
    "EMAIL_ADDRESS": "EMAIL",
    "IBAN_CODE": "IBAN",
    "US_SSN": "US_SSN",
    "IP_ADDRESS": "IP_ADDRESS",
    "US_DRIVER_LICENSE": "DRIVER_LICENSE",
    "DOMAIN_NAME": "URL",
    "AGE": "AGE",
}


class Span(NamedTuple):
    """`text[start:end]` is of this type."""

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A text, and all the personal data in it. `others`: what is labelled, and not looked for."""

    text: str
    spans: Sequence[Span]
    language: str
    others: Sequence[Span] = ()


@dataclass(slots=True)
class Score:
    """Counts of one type. An entity is found if what was found (of its type; of any) covers at least half of it."""

    num_gold: int = 0
    num_found: int = 0
    num_covered: int = 0  # by whatever type: it would have been masked
    num_predicted: int = 0
    num_right: int = 0  # at least half of it is of that type

    @property
    def recall(self) -> float:
        return self.num_found / self.num_gold if self.num_gold else 0.0

    @property
    def coverage(self) -> float:
        return self.num_covered / self.num_gold if self.num_gold else 0.0

    @property
    def precision(self) -> float:
        return self.num_right / self.num_predicted if self.num_predicted else 0.0

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(slots=True)
class Report:
    """Scores by type; how fast it was; which labelled things were found though nobody asks for them."""

    scores: dict[str, Score] = field(default_factory=lambda: defaultdict(Score))
    num_texts: int = 0
    num_clean: int = 0  # texts without personal data
    num_false_alarms: int = 0  # of them, those in which some was found
    milliseconds: list[float] = field(default_factory=list)  # of thread time, per 1,000 characters
    streamed: list[float] = field(default_factory=list)  # the same of answers that come in pieces
    missed: Counter[str] = field(default_factory=Counter)  # labels that are not looked for

    @property
    def total(self) -> Score:
        """Of all types."""
        scores = self.scores.values()
        names = ("num_gold", "num_found", "num_covered", "num_predicted", "num_right")
        return Score(*(sum(getattr(score, name) for score in scores) for name in names))


def evaluate(detector: Detector, samples: Iterable[Sample], threshold: float = 0.5) -> Report:
    """Look through all samples; every type counts from `threshold` on."""
    report = Report()
    for sample in samples:
        start = time.thread_time()
        found = detector.find(sample.text, lambda kind, score: score >= threshold and kind != "NATIONAL_ID")
        seconds = time.thread_time() - start
        if len(sample.text) >= 200:
            report.milliseconds.append(seconds * 1e6 / len(sample.text))
        _count(report, sample, found)
    return report


def _count(report: Report, sample: Sample, found: Sequence[Entity]) -> None:
    spans = [Span(entity.start, entity.end, entity.type) for entity in found]
    report.num_texts += 1
    report.num_clean += not sample.spans
    report.num_false_alarms += not sample.spans and bool(spans)
    for gold in sample.spans:
        score = report.scores[gold.type]
        score.num_gold += 1
        score.num_found += _is_covered(gold, [span for span in spans if span.type == gold.type])
        score.num_covered += _is_covered(gold, spans)
    for span in spans:
        score = report.scores[span.type]
        score.num_predicted += 1
        score.num_right += _is_covered(span, [gold for gold in sample.spans if gold.type == span.type])
    report.missed.update(other.type for other in sample.others)


def _is_covered(one: Span, others: Sequence[Span]) -> bool:
    covered = sum(max(0, min(one.end, other.end) - max(one.start, other.start)) for other in others)
    return 2 * covered >= one.end - one.start


def presidio_samples(file: Path, half: Half = "all") -> list[Sample]:
    """From presidio-research's generated English set (`presidio_synth_v2.json.gz`); `half`: of its templates."""
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        documents = json.load(stream)
    chosen = {"all": (0, 1), "even": (0,), "odd": (1,)}[half]
    return [_presidio(document) for document in documents if document["template_id"] % 2 in chosen]


def _presidio(document: Mapping[str, object]) -> Sample:
    labels = document["spans"]
    assert isinstance(labels, list)
    spans = [
        (Span(label["start_position"], label["end_position"], PRESIDIO.get(label["entity_type"], "")), label)
        for label in labels
    ]
    known = [span for span, _ in spans if span.type]
    others = [span._replace(type=label["entity_type"]) for span, label in spans if not span.type]
    return Sample(str(document["full_text"]), known, "en", others)


def table(report: Report) -> str:
    """As Markdown."""
    rows = ["| type | examples | recall | masked | precision | F1 |", "|---|---|---|---|---|---|"]
    scores = sorted(report.scores.items(), key=lambda item: (-item[1].num_gold, item[0]))
    for name, score in [*scores, ("all", report.total)]:
        recall = f"{score.recall:.1%} | {score.coverage:.1%}" if score.num_gold else "- | -"
        precision = f"{score.precision:.1%}" if score.num_predicted else "-"
        rows.append(f"| {name} | {score.num_gold} | {recall} | {precision} | {score.f1:.3f} |")
    return "\n".join(rows)
