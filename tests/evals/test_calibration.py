"""A customer's questions: read, asked, and turned into a project's threshold."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from owngpt.cli.eval_calibrate import calibrate as calibrate_command
from owngpt.cli.eval_calibrate import passages_of, put, show
from owngpt.cli.library import index_folder
from owngpt.errors import InvalidRequest, NotFound
from owngpt.evals.calibration import ask_all, read_questions
from owngpt.store.db import SQLite, database_file
from owngpt.store.projects import Projects
from owngpt.store.thresholds import Thresholds
from owngpt.trust.calibrate import calibrate

FRUITS = {"apples": "Anna", "pears": "Bruno", "plums": "Clara", "figs": "Dmitri"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    shops = [f"The shop of {owner} sells {fruit} every day of the week." for fruit, owner in FRUITS.items()]
    (tmp_path / "shops.txt").write_text("\n\n".join(shops))
    rows = [
        {"question": f"Who sells {fruit}?", "answer": owner, "file": "shops.txt"} for fruit, owner in FRUITS.items()
    ]
    rows.append({"question": "How high is the tower of Pisa?", "answer": None, "file": None})
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@pytest.mark.anyio
async def test_questions_are_asked_of_all_documents(file: Path) -> None:
    questions = read_questions(file)
    outcomes = (await ask_all(questions, passages_of(file.parent, questions)))["en"]
    assert [outcome.is_right for outcome in outcomes] == [True] * 4 + [False]
    assert min(outcome.confidence for outcome in outcomes[:4]) > outcomes[4].confidence


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"answer": "x"}', '{"question": "x", "answer": 3}', '{"question": "x", "answer": " "}']
)
def test_a_line_that_cannot_be_used_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(f'{{"question": "ok?"}}\n\n{line}\n')
    with pytest.raises(InvalidRequest, match="line 3"):
        read_questions(path)


def test_a_document_that_is_not_there_is_named(file: Path) -> None:
    (file.parent / "shops.txt").unlink()
    with pytest.raises(InvalidRequest, match=r"shops\.txt"):
        passages_of(file.parent, read_questions(file))


@pytest.mark.anyio
async def test_the_threshold_becomes_the_projects(file: Path, tmp_path: Path) -> None:
    questions = read_questions(file)
    outcomes = (await ask_all(questions * 40, passages_of(file.parent, questions)))["en"]
    found = calibrate(outcomes)
    assert found.answered == pytest.approx(0.8)
    database = SQLite(tmp_path / "owngpt.db")
    project = Projects(database).ensure()
    put(database, project.name, "en", found)
    stored = Thresholds(database).get(project.id, "en")
    assert stored is not None
    assert (stored.threshold, stored.num_questions) == (found.threshold, 200)
    with pytest.raises(NotFound):
        put(database, "nobody", "en", found)
    database.close()


def test_the_threshold_reaches_owngpt_ask(file: Path, tmp_path: Path) -> None:
    """The library of a folder is a database of its own, which `--project` does not reach."""
    rows = file.read_text().splitlines()
    file.write_text("\n".join(rows * 40))
    data = tmp_path / "data"
    command = [str(file), "--folder", str(file.parent), "--data-dir", str(data), "--json"]
    called = CliRunner().invoke(calibrate_command, command)
    assert called.exit_code == 0, called.output
    with closing(SQLite(database_file(index_folder(data, file.parent)))) as database:
        stored = Thresholds(database).get(Projects(database).ensure().id, "en")
    assert stored is not None
    assert stored.threshold == json.loads(called.stdout)["en"]["threshold"]


def test_it_says_when_nothing_can_be_certified() -> None:
    import click

    @click.command()
    def shown() -> None:
        show({"en": calibrate([])})

    assert "no threshold can be certified" in CliRunner().invoke(shown).output
