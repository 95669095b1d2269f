"""`owngpt eval retrieval` on a small folder, with the bundled embedder."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from owngpt.cli import main
from tests.evals.test_retrieval import write

CORPUS: list[object] = [
    {"_id": "cats", "title": "Pets", "text": "A cat sleeps for most of the day."},
    {"_id": "stocks", "text": "Shares fell on Monday after the central bank raised rates."},
    {"_id": "休暇", "text": "年次有給休暇は入社半年後に十日付与されます。"},
]
QUERIES: list[object] = [
    {"_id": "q1", "text": "How long do kittens rest?"},
    {"_id": "q2", "text": "有給休暇は何日もらえますか"},
]


def test_three_searches_are_compared(tmp_path: Path) -> None:
    folder = write(tmp_path / "small", CORPUS, QUERIES, "q1\tcats\t1\nq2\t休暇\t1\n")
    index = str(tmp_path / "index.db")
    for _ in range(2):  # the second time, nothing is embedded again
        done = CliRunner().invoke(main, ["eval", "retrieval", str(folder), "--json", "--index", index])
        assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["data"], result["documents"], result["questions"]) == ("small", 3, 2)
    assert result["modes"]["hybrid"]["ndcg@10"]["mean"] == 1.0
    assert result["modes"]["lexical"]["recall@10"]["mean"] < 1.0, "no word of it is about kittens"
    done = CliRunner().invoke(main, ["eval", "retrieval", str(folder), "--index", index, "--questions", "1"])
    assert "| hybrid | 1.000 (1.000-1.000) |" in done.stdout


def test_a_folder_without_data_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["eval", "retrieval", str(tmp_path)])
    assert done.exit_code == 2
    assert "corpus.jsonl" in done.output
