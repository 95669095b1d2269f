"""Reports, written, read back and put side by side; those that cannot be compared are refused."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from owngpt.errors import ConfigError
from owngpt.evals.leaderboard import Published, markdown, read_published, side_by_side
from owngpt.evals.leaderboard_page import page
from owngpt.evals.report import Report, read_report, write_report
from owngpt.evals.report import markdown as report_markdown
from owngpt.evals.run import Contestant, run_task
from owngpt.evals.task import Answer, Item, Metric, Task, mean

RIGHT = mean("right", lambda item, answer: float(answer.text == item.references[0]))
BITS = Metric("bits", lambda item, answer: (len(answer.text),), lambda rows: float(rows.mean()), is_lower_better=True)
ITEMS = [Item(str(n), text=f"Say {n}", references=(str(n),)) for n in range(30)]


def report(model: str, share: float, items: list[Item] = ITEMS, name: str = "echo", metric: Metric = RIGHT) -> Report:
    """Of a model that is right on this share of the items."""
    task = Task(
        name, "Echo <1>", "反復", (metric,), {"blank": lambda asked: [Answer("")] * len(asked)}, lambda _: items
    )
    right = int(share * len(items))
    answers = [Answer(item.references[0] if n < right else "wrong") for n, item in enumerate(items)]
    result = run_task(task, items, [Contestant(model, "model", lambda _: answers)])
    return Report(
        model, "2026-11-20T20:00:00+00:00", "owngpt 0", [result], {"qa.en": "needs --data"}, {"dtype": "bf16"}
    )


def test_a_report_is_read_back_as_it_was(tmp_path: Path) -> None:
    one = report("m", 0.5)
    write_report(one, tmp_path / "m.json")
    assert read_report(tmp_path / "m.json") == one
    text = (tmp_path / "m.md").read_text()
    assert re.search(r"\| echo \| 30 \| m \| right 0\.500 \(0\.3\d+-0\.[67]\d+\) \| ✓ \|", text)
    assert "- qa.en: needs --data" in text


def test_a_figure_that_nothing_could_be_measured_by_is_null(tmp_path: Path) -> None:
    nothing = Metric("recall", lambda item, answer: (0.0,), lambda rows: math.nan)
    write_report(report("m", 0.5, metric=nothing), tmp_path / "m.json")
    assert "NaN" not in (tmp_path / "m.json").read_text()
    assert all(map(math.isnan, read_report(tmp_path / "m.json").results[0].rows[0].figures["recall"]))


def test_what_is_not_clear_of_a_baseline_is_said() -> None:
    assert "echo: m against blank is not better (+0.000, +0.000 to +0.000)" in report_markdown(report("m", 0.0))
    assert "echo: m against blank is better, but the intervals overlap" not in report_markdown(report("m", 0.5))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 2}'])
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "no.json").write_text(text)
    with pytest.raises(ConfigError, match=r"no\.json is no report"):
        read_report(tmp_path / "no.json")


def test_models_stand_side_by_side_and_the_best_is_marked() -> None:
    board = side_by_side([report("small", 0.2), report("large", 0.9)])
    assert list(board.columns) == ["small", "large"]
    (line,) = board.lines
    assert [name for name, cell in line.cells.items() if cell.is_best] == ["large"]
    assert "| echo | right | 30 | 0.200" in markdown(board)
    assert "| *blank* 0.000 (0.000-0.000) |" in markdown(board)
    assert "**0.900" in markdown(board)


def test_the_least_is_best_where_less_is_better() -> None:
    (line,) = side_by_side([report("m", 0.0, metric=BITS)]).lines
    assert (line.baseline, line.baseline_cell.is_best) == ("blank", True)
    assert not line.cells["m"].is_best


def test_other_items_or_prompts_are_refused_by_name() -> None:
    changed = [Item(item.id, text=f"Please say {item.id}", references=item.references) for item in ITEMS]
    with pytest.raises(ConfigError, match=r"echo was asked with different items or prompts: a .*30 items.*, b "):
        side_by_side([report("a", 0.5), report("b", 0.5, changed)])
    board = side_by_side([report("a", 0.5), report("b", 0.5, changed, name="other")])
    assert [sorted(line.cells) for line in board.lines] == [["a"], ["b"]]


class _Tags(HTMLParser):
    """Counts what is open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "html"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "html":
            assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_from_elsewhere() -> None:
    theirs = [Published("gpt-x", "qa", "F1", "0.9", "https://example.com/<card>")]
    text = page(side_by_side([report("m<script>", 0.5)]), theirs)
    tags = _Tags()
    tags.feed(text)
    assert tags.open == []
    assert "<script" not in text
    assert not re.search(r"(src|href)=", text)
    assert all(word in text for word in ("リーダーボード", "反復", "light-dark(", "各社の公表値", "not measured here"))


def test_published_figures_are_marked_as_such(tmp_path: Path) -> None:
    fields = {"model": "gpt-x", "task": "qa", "metric": "F1", "value": 0.9, "source": "https://example.com"}
    (tmp_path / "p.json").write_text(json.dumps([fields]))
    shown = markdown(side_by_side([report("m", 0.5)]), read_published(tmp_path / "p.json"))
    assert "Published by vendors, on other items and prompts; not measured here" in shown
    (tmp_path / "p.json").write_text('[{"model": "x"}]')
    with pytest.raises(ConfigError, match=r"p\.json: expected a list of objects with model"):
        read_published(tmp_path / "p.json")
