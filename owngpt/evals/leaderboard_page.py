"""A leaderboard as one page of HTML: no script, no font and no picture from elsewhere, light or dark as one likes it.

Headings are in English and Japanese.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from owngpt.evals.leaderboard import Cell, Leaderboard, Line, Published

_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d8d8d8, #3a3a3a); --faint: light-dark(#666, #aaa);
  --best: light-dark(#e7f3e8, #1f3a24); --ground: light-dark(#fff, #161616); --ink: light-dark(#1b1b1b, #eee); }
body { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .7rem; text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; }
small, .ja { color: var(--faint); display: block; font-size: .8rem; font-weight: normal; }
.best { background: var(--best); font-weight: 600; }
""".strip()
_NOTES = (
    (
        "Green: the best of a task. ✓: better than every baseline, and the 95% intervals do not overlap. Everybody was "
        "asked the same items with the same prompts; the code beside a task names them.",
        "緑はその課題で最良の値、✓はすべての基準より良く95%区間が重ならないことを示します。全員が同じ問題と同じ"
        "プロンプトで測られ、課題の横の符号がそれを表します。",
    ),
)


def page(board: Leaderboard, published: Sequence[Published] = ()) -> str:
    """The whole document."""
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Leaderboard</title>\n<style>\n{_STYLE}\n</style>",
            _heading(1, "Leaderboard", "リーダーボード"),
            *(f'<p>{escape(english)}<span class="ja" lang="ja">{japanese}</span></p>' for english, japanese in _NOTES),
            *_table(board),
            *(_published(published) if published else ()),
            "</html>\n",
        ]
    )


def _table(board: Leaderboard) -> Iterator[str]:
    yield '<div class="scroll"><table>\n<thead><tr>'
    yield _head("Task", "課題") + _head("Items", "問題数")
    for name, kind in board.columns.items():
        yield f'<th scope="col">{escape(name)}<small>{_KINDS[kind]}</small></th>'
    yield _head("Best baseline", "最良の基準") + "</tr></thead>\n<tbody>"
    for line in board.lines:
        cells = "".join(_cell(line.cells.get(name)) for name in board.columns)
        cells += _cell(line.baseline_cell, line.baseline)
        yield f"<tr>{_task(line)}<td>{line.num_items}</td>{cells}</tr>"
    yield "</tbody></table></div>"


_KINDS = {"model": "model モデル", "product": "product 製品"}


def _task(line: Line) -> str:
    about = f"<small>{escape(line.metric)} · {line.digest}</small>"
    japanese = f'<span class="ja" lang="ja">{escape(line.title_ja)}</span>'
    return f'<th scope="row">{escape(line.title)}{japanese}{about}</th>'


def _cell(cell: Cell | None, by: str = "") -> str:
    if cell is None:
        return "<td></td>"
    value, low, high = (f"{number:.3f}" for number in cell.figure)
    best, clear = (' class="best"' if cell.is_best else ""), (" ✓" if cell.is_clear else "")
    return f"<td{best}>{value}{clear}<small>{low}–{high}</small>{by and f'<small>{escape(by)}</small>'}</td>"


def _published(published: Sequence[Published]) -> Iterator[str]:
    yield _heading(2, "Published by vendors, not measured here", "各社の公表値（ここでは測っていません）")
    yield '<div class="scroll"><table>\n<thead><tr>'
    heads = (("Model", "モデル"), ("Task", "課題"), ("Metric", "指標"), ("Value", "値"), ("Source", "出典"))
    yield "".join(_head(*head) for head in heads) + "</tr></thead>\n<tbody>"
    for one in published:
        cells = (one.model, one.task, one.metric, one.value, one.source)
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
    yield "</tbody></table></div>"


def _heading(level: int, english: str, japanese: str) -> str:
    return f'<h{level}>{escape(english)}<span class="ja" lang="ja">{escape(japanese)}</span></h{level}>'


def _head(english: str, japanese: str) -> str:
    return f'<th scope="col">{escape(english)}<span class="ja" lang="ja">{escape(japanese)}</span></th>'
