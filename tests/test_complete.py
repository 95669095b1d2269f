"""`owngpt complete`: a place in a file, the neighbours of the file, and what is printed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from owngpt.cli import main
from owngpt.cli.complete import Place, request_for
from owngpt.cli.neighbours import imports, neighbours
from owngpt.cli.repository import around
from tests.clients.serving import Running, running
from tests.fakes.engine import engine_of, make_app

MODEL = "class Invoice:\n    def total_amount(self):\n        return sum(self.lines)\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(make_app("total_amount()\n    return 1\n\ndef g():\n")) as server:
        yield server


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a file that is imported, one that is not, and one that git is told to ignore."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "models.py").write_text(MODEL)
    (tmp_path / "shop" / "weather.py").write_text("def is_sunny(day):\n    return day.clouds < 3\n")
    (tmp_path / "secret.py").write_text(MODEL)
    (tmp_path / ".gitignore").write_text("secret.py\n")
    (tmp_path / "shop" / "views.py").write_text(
        "from shop.models import Invoice\n\n\ndef show(invoice: Invoice):\n    return invoice.\n"
    )
    for arguments in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    return tmp_path


def complete(server: Running, *arguments: str, input: str | None = None) -> str:
    options = ["--base-url", server.url, "--api-key", server.key]
    result = CliRunner().invoke(main, ["complete", *arguments, *options], input=input, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["complete", *arguments])
    assert result.exit_code == 2
    return result.output


def test_it_prints_what_could_stand_at_a_place(server: Running, repository: Path) -> None:
    views = repository / "shop" / "views.py"
    assert complete(server, f"{views}:5") == "total_amount()\n"
    assert complete(server, f"{views}:5:20") == "total_amount()\n"


def test_the_model_sees_what_is_imported_but_nothing_ignored(server: Running, repository: Path) -> None:
    answer = json.loads(complete(server, f"{repository / 'shop' / 'views.py'}:5", "--json"))
    assert answer["text"] == "total_amount()"
    assert answer["context"]["included"][0] == "shop/models.py"
    assert "secret.py" not in answer["context"]["included"]
    engine = engine_of(server.app)
    assert "def total_amount" in engine.tokenizer.decode(engine.submissions[-1].prompt)
    alone = json.loads(complete(server, f"{repository / 'shop' / 'views.py'}:5", "--json", "--context-tokens", "0"))
    assert alone["context"]["included"] == []


def test_a_file_that_is_not_saved_comes_from_standard_input(server: Running, tmp_path: Path) -> None:
    printed = complete(server, f"{tmp_path / 'new.py'}:1", "--stdin", input="x = invoice.")
    assert printed == "total_amount()\n"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("views.py", "names no place; write FILE:LINE"),
        ("{folder}/views.py:9", "has 6 lines; there is no line 9"),
        ("{folder}/views.py:5:99", "has 19 characters; column is 99"),
        ("{folder}/nothing.py:1", "cannot be read: No such file"),
    ],
)
def test_what_is_no_place_is_said(repository: Path, place: str, words: str) -> None:
    output = " ".join(refused(place.format(folder=repository / "shop")).split())
    assert words in output


def test_the_request_has_both_sides_of_the_place(repository: Path) -> None:
    views = repository / "shop" / "views.py"
    body = request_for(Place(views, 4, 5), views.read_text(), 0)
    assert (body["prompt"][-4:], body["suffix"][:4]) == ("def ", "show")
    assert (body["path"], body["repository"]) == ("shop/views.py", repository.name)


def test_what_was_changed_lately_comes_first(repository: Path) -> None:
    same = "def total_amount(invoice):\n    return invoice\n"
    for name in ("a.py", "b.py"):
        (repository / name).write_text(same)
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["add", "."], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *arguments], cwd=repository, check=True)
    (repository / "b.py").write_text(same + "\n")
    found = neighbours(around(repository / "new.py"), "new.py", "invoice.total_amount", 0)
    assert [neighbour.path for neighbour in found if neighbour.path in ("a.py", "b.py")] == ["b.py", "a.py"]


def test_without_git_the_folder_is_the_repository(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODEL)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "models.py").write_text(MODEL)
    repository = around(tmp_path / "views.py")
    found = neighbours(repository, "views.py", "invoice.total_amount", 0)
    assert [neighbour.path for neighbour in found] == ["models.py"]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from ..models.user import User", "user"),
        ("import shop.models as m", "models"),
        ('import { a } from "./lib/tools";', "tools"),
        ("const x = require('../config')", "config"),
        ('#include "net/socket.h"', "socket"),
        ("use crate::store::db;", "db"),
    ],
)
def test_imports_of_many_languages(line: str, name: str) -> None:
    assert name in set(imports(line))
