"""How recall and precision are counted, that generated texts are what they say, and floors under what is found."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from owngpt.cli.eval_pii import pii
from owngpt.evals.pii import Sample, Span, evaluate, presidio_samples, table
from owngpt.evals.pii_japanese import japanese_samples, luhn, my_number_digit, with_check
from owngpt.trust.pii import Detector
from owngpt.trust.pii.checks import is_luhn, is_my_number

PRESIDIO = Path(__file__).parents[3] / "shared" / "data" / "safety" / "presidio_synth_v2.json.gz"


def test_what_counts_as_found() -> None:
    text = "taro@example.com and hanako@example.com, born in Kyoto"
    gold = [Span(0, 16, "EMAIL"), Span(21, 39, "PERSON"), Span(49, 54, "ADDRESS")]
    report = evaluate(Detector(), [Sample(text, gold, "en"), Sample("nothing", [], "en")])
    email, person, address = (report.scores[kind] for kind in ("EMAIL", "PERSON", "ADDRESS"))
    assert (email.recall, email.precision) == (1.0, 0.5)
    assert (person.recall, person.coverage) == (0.0, 1.0)  # found, as another type
    assert (address.num_gold, address.num_found) == (1, 0)
    assert (report.num_texts, report.num_clean, report.num_false_alarms) == (2, 1, 0)
    assert "| EMAIL | 1 | 100.0% | 100.0% | 50.0% | 0.667 |" in table(report)


def test_generated_texts_are_the_same_each_time_and_labelled_where_they_say() -> None:
    samples = japanese_samples(300)
    assert samples == japanese_samples(300)
    assert samples != japanese_samples(300, seed=1)
    assert all(not sample.spans for sample in samples[2::3])
    emails = [sample.text[a:b] for sample in samples for a, b, kind in sample.spans if kind == "EMAIL"]
    assert emails
    assert all("@" in email for email in emails)


def test_generated_numbers_pass_their_checks() -> None:
    assert is_luhn(luhn("411111111111111"))
    assert is_my_number(with_check("12345678901", my_number_digit))


def test_the_generated_japanese_set() -> None:
    report = evaluate(Detector(), japanese_samples(300))
    numbers = [name for name in report.scores if name not in ("PERSON", "ADDRESS")]
    assert min(report.scores[name].recall for name in numbers) >= 0.97
    assert report.scores["ADDRESS"].recall >= 0.95
    assert report.scores["PERSON"].recall >= 0.55
    assert report.total.precision >= 0.95


@pytest.mark.skipif(not PRESIDIO.exists(), reason="needs ../shared")
def test_the_english_set() -> None:
    report = evaluate(Detector(), presidio_samples(PRESIDIO, "odd")[:300])
    for name in ("EMAIL", "IBAN", "IP_ADDRESS", "URL", "CREDIT_CARD"):
        assert report.scores[name].recall >= 0.97
    assert report.total.recall >= 0.6
    assert report.total.precision >= 0.88


def test_it_costs_little() -> None:
    """p50 is under 5 ms of one thread's time for 1,000 characters; the bound leaves room for busy machines."""
    text = "\n".join(sample.text for sample in japanese_samples(200))
    detector, costs = Detector(), []
    for i in range(0, 8_000, 1_000):
        start = time.thread_time()
        detector.find(text[i : i + 1_000], lambda kind, score: score >= 0.5 and kind != "NATIONAL_ID")
        costs.append(time.thread_time() - start)
    assert statistics.median(costs) < 0.010


def test_the_command() -> None:
    result = CliRunner().invoke(pii, ["--number", "60", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.output)["Japanese, generated"]
    assert (report["texts"], report["clean_texts"]) == (60, 20)
    assert report["milliseconds_streamed"] > 0
    shown = CliRunner().invoke(pii, ["--number", "60"])
    assert "| PERSON |" in shown.output
