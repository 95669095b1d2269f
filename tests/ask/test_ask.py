"""`owngpt ask` with the bundled models and real files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from owngpt.cli import main
from owngpt.cli.library import index_folder
from owngpt.retrieval.parse import parse
from tests.ask.documents import make_documents


class Desk:
    """A folder of documents, and the command."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self.data = folder, data

    def ask(self, *arguments: str, path: Path | None = None) -> Result:
        return CliRunner().invoke(
            main, ["ask", str(path or self.folder), *arguments, "--data-dir", str(self.data), "--threads", "1"]
        )

    def json(self, *arguments: str) -> dict[str, Any]:
        result = self.ask(*arguments, "--json")
        assert result.exit_code in (0, 3), result.output
        document: dict[str, Any] = json.loads(result.stdout)
        return document


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("ask")
    return Desk(make_documents(folder / "documents"), folder / "data")


@pytest.mark.parametrize(
    ("question", "file", "page", "line", "quote"),
    [
        ("How many days of annual leave do employees receive?", "rules/leave.pdf", 1, None, "20 days of annual leave"),
        ("What must laptops be encrypted with?", "security.docx", None, None, "encrypted with BitLocker"),
        ("When does the cafeteria open?", "cafeteria.md", None, 3, "opens at 11:30"),
        ("病気のときは診断書をどこに提出しますか", "rules/kisoku.txt", None, 4, "診断書を人事部に提出"),
    ],
)
def test_answers_with_the_place(
    desk: Desk, question: str, file: str, page: int | None, line: int | None, quote: str
) -> None:
    answer = desk.json(question)
    assert (answer["verdict"], answer["mode"]) == ("supported", "extract")
    cited = answer["citations"][0]
    assert (cited["file"], cited["page"], cited["line"]) == (file, page, line)
    assert cited["path"] == str(desk.folder / file)
    assert quote in cited["quote"]
    document = parse(file, (desk.folder / file).read_bytes())
    assert document.text[cited["start"] : cited["end"]] == cited["quote"]
    assert answer["answer"][: cited["index"]].strip('"「」“”') == cited["quote"]


def test_json_has_these_fields_and_no_others(desk: Desk) -> None:
    """Scripts depend on them."""
    answered = desk.json("When does the cafeteria open?", "--files")
    common = "folder question model mode verdict support threshold answer citations nearest"
    assert " ".join(answered) == f"{common} files"
    assert " ".join(answered["citations"][0]) == "quote file path page line start end index support"
    assert " ".join(answered["files"][0]) == "file path status reason notes"
    abstained = desk.json("Who won the football cup in 1998?")
    assert " ".join(abstained) == common
    assert " ".join(abstained["nearest"][0]) == "file path page line start end text"


def test_what_is_not_there_is_status_3_with_the_nearest_passages(desk: Desk) -> None:
    result = desk.ask("Who won the football cup in 1998?")
    assert result.exit_code == 3
    assert result.stdout.startswith("I cannot find a reliable answer")
    assert "The nearest passages:" in result.stdout
    assert "abstained (support 0." in result.stdout


def test_an_answer_can_be_had_in_any_case(desk: Desk) -> None:
    result = desk.ask("Who won the football cup in 1998?", "--always")
    assert result.exit_code == 0
    assert "\npartly (support 0." in result.stdout


def test_the_nearest_passages_begin_with_the_nearest_sentence(desk: Desk) -> None:
    (nearest, *_) = desk.json("Who repairs lost devices of the cafeteria?")["nearest"]
    assert nearest["text"] == "Lost devices are reported within two hours."
    document = parse("security.docx", (desk.folder / "security.docx").read_bytes())
    assert document.text[nearest["start"] : nearest["end"]] == nearest["text"]


def test_people_see_numbers_places_and_the_verdict(desk: Desk) -> None:
    result = desk.ask("What must laptops be encrypted with?", "--mode", "quote")
    assert result.exit_code == 0
    assert '"Laptops must be encrypted with BitLocker." [1]' in result.stdout
    assert "[1] security.docx, characters 10-51\n" in result.stdout
    assert "supported (support 0." in result.stdout


def test_files_are_listed_with_reasons(desk: Desk) -> None:
    files = {file["file"]: file for file in desk.json("--files")["files"]}
    assert [name for name, file in files.items() if file["status"] == "read"] == [
        "cafeteria.md",
        "rules/kisoku.txt",
        "rules/leave.pdf",
        "security.docx",
    ]
    assert files["photo.png"]["reason"] == "it is a PNG image, which is not read here"
    assert "no text" in files["scan.pdf"]["reason"]
    lines = desk.ask("--files").stdout.splitlines()
    assert lines[0] == "read   cafeteria.md"
    assert lines[1] == "unread photo.png: it is a PNG image, which is not read here"


def test_a_single_file_can_be_asked(desk: Desk) -> None:
    result = desk.ask("What needs a note from a doctor?", path=desk.folder / "rules" / "leave.pdf")
    assert result.exit_code == 0
    assert "[1] leave.pdf, page 2, characters " in result.stdout


def test_the_index_is_deleted_on_demand(desk: Desk, tmp_path: Path) -> None:
    other = Desk(tmp_path / "one", desk.data)
    other.folder.mkdir()
    (other.folder / "a.txt").write_text("Sick leave needs a note.")
    assert other.ask("--files").exit_code == 0
    assert index_folder(desk.data, other.folder).exists()
    assert other.ask("--forget").stdout == f"The index of {other.folder} is deleted.\n"
    assert not index_folder(desk.data, other.folder).exists()
    assert other.ask("--forget").stdout == "There is none.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), 'ask something: owngpt ask FOLDER "question"'),
        (("  ",), 'ask something: owngpt ask FOLDER "question"'),
        (("When?", "--mode", "sing"), "'sing' is not one of"),
    ],
)
def test_bad_input_is_status_2(desk: Desk, arguments: tuple[str, ...], sentence: str) -> None:
    result = desk.ask(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_a_folder_without_documents_is_status_2(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    result = desk.ask("When?", path=tmp_path)
    assert result.exit_code == 2
    assert f"there is no document in {tmp_path} that can be read (empty.txt: the file is empty" in result.stderr
    assert desk.ask("When?", path=tmp_path / "nowhere").exit_code == 2
