"""`owngpt eval run | list` with the bundled model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from owngpt.cli import main

SMALL = ["--task", "grammar.*", "--limit", "6", "--threads", "1"]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["eval", *arguments])


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNGPT_DATA_DIR", str(tmp_path / "home"))


def test_options_alone_mean_run(tmp_path: Path) -> None:
    out = tmp_path / "garlic.json"
    done = invoke("--model", "garlic", *SMALL, "--out", str(out))
    assert done.exit_code == 0, done.output
    assert "| grammar.ja | 6 | garlic | accuracy" in done.stdout
    assert done.stdout == out.with_suffix(".md").read_text()
    again = invoke("run", *SMALL, "--json")
    first, second = json.loads(out.read_text()), json.loads(again.stdout)
    for report in (first, second):
        for result in report["results"]:
            del result["seconds"]
    assert first["results"] == second["results"], "greedy answers and seeded intervals: the same each time"


def test_what_cannot_be_run_here_is_named() -> None:
    done = invoke("run", "--task", "no.such")
    assert done.exit_code == 2
    assert "there is no task 'no.such'; there are bits.en" in done.output


def test_the_list_names_every_task_and_what_it_is_compared_with() -> None:
    done = invoke("list")
    assert "arithmetic" in done.stdout
    assert "exact match; beside majority, copy" in done.stdout


def test_items_are_built_exported_and_measured_from_files(tmp_path: Path) -> None:
    items, harness = tmp_path / "items", tmp_path / "harness"
    done = invoke("tasks", "build", "--task", "grammar.*", "--out", str(items))
    assert done.stdout == "grammar.en: 480 items\ngrammar.ja: 480 items\n"
    done = invoke(
        "tasks", "export", "--task", "grammar.ja", "--task", "fim.*", "--lm-eval", str(harness), "--limit", "3"
    )
    assert done.stdout == "owngpt_grammar_ja\n"
    assert len((harness / "owngpt_grammar_ja.jsonl").read_text().splitlines()) == 3
    reports = [str(tmp_path / name) for name in ("made.json", "read.json")]
    for arguments in (["--out", reports[0]], ["--items", str(items), "--out", reports[1]]):
        assert invoke("run", *SMALL, *arguments).exit_code == 0
    done = invoke("leaderboard", *reports, "--out", str(tmp_path / "board.html"))
    assert "| grammar.ja | accuracy | 6 |" in done.stdout
    assert "文法（日本語の最小対）" in (tmp_path / "board.html").read_text()


def test_a_corpus_without_a_language_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"sources": [{"name": "own-english", "kind": "english"}]}')
    document = {"source": "own-english", "group": "1", "text": "All is well that ends well.\n" * 20}
    (tmp_path / "own-english.held_out.jsonl").write_text(json.dumps(document))
    done = invoke("run", "--task", "bits.en", "--task", "bits.ja", "--corpus", str(tmp_path), "--threads", "1")
    assert done.exit_code == 0, done.output
    assert "| bits.en | 1 | garlic | bits per byte" in done.stdout
    assert "- bits.ja: nothing to ask" in done.stdout


def test_reports_of_other_items_make_no_leaderboard(tmp_path: Path) -> None:
    reports = [str(tmp_path / name) for name in ("six.json", "five.json")]
    invoke("run", *SMALL, "--out", reports[0])
    invoke("run", "--task", "grammar.*", "--limit", "5", "--threads", "1", "--out", reports[1])
    done = invoke("leaderboard", *reports)
    assert done.exit_code == 2
    assert "grammar.en was asked with different items or prompts" in done.output


def test_a_5_gram_of_the_same_tokens_takes_part(tmp_path: Path) -> None:
    tokens = np.random.default_rng(0).integers(0, 16_384, 3_000).astype(np.uint16)
    tokens.tofile(tmp_path / "train.stable.bin")
    done = invoke("run", *SMALL, "--ngram", str(tmp_path / "train.stable.bin"))
    assert done.exit_code == 0, done.output
    assert "| grammar.en | 6 | *5-gram* | accuracy" in done.stdout
    np.array([16_384], dtype=np.uint16).tofile(tmp_path / "strange.bin")
    done = invoke("run", *SMALL, "--ngram", str(tmp_path / "strange.bin"))
    assert done.exit_code == 2
    assert "the files hold token 16384, and garlic has 16384" in done.output
