"""What a search is worth, and data sets in BEIR's layout."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from owngpt.errors import ConfigError
from owngpt.evals.beir import Question, read_beir
from owngpt.evals.retrieval import difference, evaluate, interval, judge


def test_one_right_answer() -> None:
    assert judge(["a", "b"], {"a": 1})[:3] == (1.0, 1.0, 1.0)
    assert judge(["b", "a"], {"a": 1})[:3] == (pytest.approx(1 / math.log2(3)), 1.0, 0.5)
    assert judge(["b"], {"a": 1})[:3] == (0.0, 0.0, 0.0)
    assert judge([*"bcdefghijk", "a"], {"a": 1})[:3] == (0.0, 0.0, 0.0)


def test_grades_and_repetitions() -> None:
    """A document that is found by two of its chunks counts once."""
    outcome = judge(["b", "b", "a"], {"a": 2, "b": 1, "c": 1})
    ideal = 2 + 1 / math.log2(3) + 1 / 2
    assert outcome.ndcg == pytest.approx((1 + 2 / math.log2(3)) / ideal)
    assert outcome.recall == pytest.approx(2 / 3)


def test_a_report_has_intervals_and_latencies() -> None:
    questions = [Question(str(i), str(i), {"a": 1}) for i in range(40)]
    good = evaluate(lambda text: ["a"], questions)
    half = evaluate(lambda text: ["a"] if int(text) % 2 else ["b"], questions)
    assert good.ndcg == (1.0, 1.0, 1.0)
    assert half.ndcg.low < half.ndcg.mean == 0.5 < half.ndcg.high
    assert difference(good, half).low > 0
    assert 0 <= good.latency(0.5) <= good.latency(0.99)
    assert interval([0.0, 1.0]) == interval([0.0, 1.0])


def write(folder: Path, corpus: list[object], queries: list[object], qrels: str) -> Path:
    (folder / "qrels").mkdir(parents=True)
    for name, lines in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels, "utf-8")
    return folder


def test_a_folder_is_read(tmp_path: Path) -> None:
    corpus = [{"_id": "d1", "title": "T", "text": "one"}, {"_id": "d2", "text": "二"}]
    queries = [{"_id": "q1", "text": "?"}, {"_id": "q2", "text": "without an answer"}]
    data = read_beir(write(tmp_path / "set", corpus, queries, "q1\td1\t2\nq1\td2\t0\n"))
    assert data.name == "set"
    assert [(document.id, document.title, document.text) for document in data.documents] == [
        ("d1", "T", "one"),
        ("d2", "", "二"),
    ]
    assert data.questions == [Question("q1", "?", {"d1": 2})]


@pytest.mark.parametrize(
    ("corpus", "qrels", "message"),
    [
        ([{"_id": "d1"}], "q1\td1\t1\n", r"corpus\.jsonl:1: needs a text 'text'"),
        ([{"_id": "d1", "text": "x"}], "q1\td9\t1\n", "document 'd9' is not in corpus"),
        ([{"_id": "d1", "text": "x"}], "q1 d1 1\n", r"test\.tsv:2: expected query id"),
        ([{"_id": "d1", "text": "x"}], "q9\td1\t1\n", "no query"),
        (["d1"], "", r"corpus\.jsonl:1"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, corpus: list[object], qrels: str, message: str) -> None:
    folder = write(tmp_path / "set", corpus, [{"_id": "q1", "text": "?"}], qrels)
    with pytest.raises(ConfigError, match=message):
        read_beir(folder)
    with pytest.raises(ConfigError, match="No such file"):
        read_beir(tmp_path / "nothing")
