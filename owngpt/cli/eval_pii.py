"""`owngpt eval pii`: how much personal data is found, on labelled and on generated texts."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from owngpt.evals.pii import Report, Sample

_ANSWER, _ANSWERS, _PIECE = 1_000, 30, 4  # characters of an answer, how many, characters of a piece of it


@click.command()
@click.option(
    "--presidio",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="English texts of presidio-research (presidio_synth_v2.json.gz). Without it, only generated Japanese ones.",
)
@click.option("--number", default=1_000, show_default=True, help="How many Japanese texts are generated.")
@click.option("--seed", default=0, show_default=True, help="Of the generated texts.")
@click.option("--threshold", default=0.5, show_default=True, help="From which score on something counts.")
@click.option(
    "--seen",
    is_flag=True,
    help="The templates that were looked at while the recognizers were written, instead of those that were held out.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def pii(presidio: Path | None, number: int, seed: int, threshold: float, seen: bool, as_json: bool) -> None:
    """Recall and precision of the detector of personal data, per type and language, and what it costs.

    An entity is found if at least half of it is; `masked` also counts what was found as another type.
    """
    from owngpt.evals.pii import evaluate, presidio_samples
    from owngpt.evals.pii_japanese import japanese_samples
    from owngpt.trust.pii import Detector

    sets: dict[str, list[Sample]] = {"Japanese, generated": japanese_samples(number, seed, held_out=not seen)}
    if presidio is not None:
        sets["English, presidio-research"] = presidio_samples(presidio, "even" if seen else "odd")
    reports = {name: evaluate(Detector(), samples, threshold) for name, samples in sets.items()}
    for name, samples in sets.items():
        reports[name].streamed += streamed(samples, threshold)
    if as_json:
        click.echo(json.dumps({name: summary(report) for name, report in reports.items()}, ensure_ascii=False))
        return
    for name, report in reports.items():
        click.echo(f"{described(name, report)}\n")


def streamed(samples: Sequence[Sample], threshold: float) -> list[float]:
    """What it costs to look through an answer that comes in pieces: milliseconds of thread time, for each of some
    answers of 1,000 characters.
    """
    from owngpt.service.privacy.finder import Finder
    from owngpt.service.privacy.guard import Guard
    from owngpt.service.privacy.policy import Policy

    text, costs = "\n".join(sample.text for sample in samples)[: _ANSWER * _ANSWERS], []
    for begin in range(0, len(text) - _ANSWER + 1, _ANSWER):
        stream = Guard(Finder(Policy("mask", threshold))).stream()
        start = time.thread_time()
        for i in range(begin, begin + _ANSWER, _PIECE):
            stream.feed(text[i : i + _PIECE])
        stream.finish()
        costs.append((time.thread_time() - start) * 1e3)
    return costs


def described(name: str, report: Report) -> str:
    """A heading, the table, and what stands beside it."""
    from owngpt.evals.pii import table

    lines = [f"### {name}: {report.num_texts:,} texts", "", table(report), ""]
    if report.num_clean:
        lines.append(f"False alarms: {report.num_false_alarms} of {report.num_clean} texts without personal data.")
    if report.milliseconds:
        median = statistics.median(report.milliseconds)
        lines.append(f"Thread time: median {median:.1f} ms per 1,000 characters (texts of 200 characters and more).")
    if report.streamed:
        median = statistics.median(report.streamed)
        lines.append(f"Of an answer that comes in pieces: median {median:.1f} ms per 1,000 characters.")
    if report.missed:
        labels = ", ".join(f"{label} {count}" for label, count in report.missed.most_common())
        lines.append(f"Labelled, and not looked for: {labels}.")
    return "\n".join(lines)


def summary(report: Report) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "texts": report.num_texts,
        "clean_texts": report.num_clean,
        "false_alarms": report.num_false_alarms,
        "milliseconds": round(statistics.median(report.milliseconds), 2) if report.milliseconds else None,
        "milliseconds_streamed": round(statistics.median(report.streamed), 2) if report.streamed else None,
        "types": {
            name: {
                "examples": score.num_gold,
                "recall": round(score.recall, 4),
                "masked": round(score.coverage, 4),
                "precision": round(score.precision, 4),
                "f1": round(score.f1, 4),
            }
            for name, score in [*sorted(report.scores.items()), ("all", report.total)]
        },
    }
