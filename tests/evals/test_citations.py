"""`owngpt eval citations`, and the short version of `benchmarks/citations.py`: not one quote that is not verbatim."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner

from owngpt.cli.attacked import answer_all
from owngpt.cli.eval import eval as eval_group
from owngpt.evals.citations import HOSTILE, Attacked, Case, Tally, cases, has_loose_marks, is_verbatim, made_up
from owngpt.service.app import App
from owngpt.types import Citation, Passage
from tests.clients.serving import tiny_app, tiny_checkpoint

NUM_ANSWERS = 100


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("citations")
    app = tiny_app(tiny_checkpoint(folder / "tiny"), folder / "data")
    yield app
    app.close()


def test_no_model_and_no_document_can_make_a_quote_that_is_not_verbatim(app: App) -> None:
    tally = anyio.run(answer_all, app, list(cases(made_up(50), HOSTILE, NUM_ANSWERS)))
    assert tally.num_answers == NUM_ANSWERS
    assert tally.num_citations > NUM_ANSWERS // 10
    assert (tally.not_verbatim, tally.not_readable, tally.unlocked) == (0, 0, 0), tally.faults


def case(text: str, *, is_hidden: bool = False) -> Case:
    return Case("?", [Attacked("file-1", text, 0, len(text), is_hidden)], 0)


@pytest.mark.parametrize(
    ("text", "citation", "is_right"),
    [
        ('It "is so" now', Citation(10, "is so", "file-1", "a.txt", 3, 8), True),
        ('It "is so" now', Citation(10, "is so", "file-1", "a.txt", 2, 7), False),
        ('It "is so" now', Citation(9, "is so", "file-1", "a.txt", 3, 8), False),
        ("It is so. now", Citation(10, "is so", "file-1", "a.txt", 3, 8), False),
        ('It "is so" now', Citation(10, "is so", "file-2", "a.txt", 3, 8), False),
    ],
)
def test_the_check_sees_what_is_wrong(text: str, citation: Citation, is_right: bool) -> None:
    assert is_verbatim(Tally.of([case("So is so.")]).documents, text, citation) == is_right


def test_the_tally_counts_marks_that_nothing_vouches_for() -> None:
    asked = case("So it is.")
    tally = Tally.of([asked])
    tally.add(asked, 'He said "no".', [])
    tally.add(asked, "No.", [Citation(1, "x", "file-9", "z", 0, 1)])
    assert (tally.unlocked, tally.not_readable, tally.not_verbatim) == (1, 1, 1)
    assert not has_loose_marks("It's so.", [])


def test_the_tally_counts_what_is_for_somebody_else_whether_it_is_found_or_cited() -> None:
    asked = case("So it is.", is_hidden=True)
    tally = Tally.of([asked])
    tally.found(asked, [Passage("p", "So it is.", "file-1", "a.txt")])
    tally.add(asked, '"So it"', [Citation(7, "So it", "file-1", "a.txt", 0, 5)])
    assert (tally.not_readable, tally.not_verbatim) == (2, 0)


def test_cases_hide_documents_some_of_which_say_what_others_say() -> None:
    documents = [document for asked in cases(made_up(20), HOSTILE, 50) for document in asked.documents]
    open_ones = {document.passage for document in documents if not document.is_hidden}
    hidden = [document for document in documents if document.is_hidden]
    assert len(documents) // 8 < sum(document.passage in open_ones for document in hidden) < len(hidden)


def test_cases_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    texts = made_up(5)
    assert list(cases(texts, [], 5, seed=1)) == list(cases(texts, [], 5, seed=1))
    assert list(cases(texts, [], 5, seed=1)) != list(cases(texts, [], 5, seed=2))


def test_the_command_prints_a_table_and_its_status_says_whether_all_quotes_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = tmp_path / "tower.txt"
    document.write_text("The Eiffel Tower was built in 1889 by Gustave Eiffel. " * 3)
    command = ["citations", str(tmp_path), "--answers", "6", "--json"]
    checked = CliRunner().invoke(eval_group, command)
    assert checked.exit_code == 0, checked.output
    found = json.loads(checked.stdout)
    assert (found["answers"], found["not_verbatim"], found["loose_marks"]) == (6, 0, 0)
    monkeypatch.setattr("owngpt.evals.citations.is_verbatim", lambda *_: False)
    assert CliRunner().invoke(eval_group, [*command[:-1], "--seed", "1"]).exit_code == 1
