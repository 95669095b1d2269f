"""The programs in examples/, run as they are against a server with the bundled models."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from openai import OpenAI

from owngpt.build import load, open_app
from owngpt.config import EngineConfig, Settings
from tests.clients.serving import running
from tests.fakes.engine import KEY

EXAMPLES = Path(__file__).parents[2] / "examples"
MAX_LINES = 40  # of one that shows a single thing


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    engine = EngineConfig(kv_memory=64 * 1024**2, threads=1)
    app = open_app(Settings(data_dir=tmp_path_factory.mktemp("data"), api_key=KEY, engine=engine)).app
    load(app)
    with running(app) as server, OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client:
        yield client


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> ModuleType:
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module(request.param)


@pytest.mark.parametrize("example", ["ask_documents"], indirect=True)
@pytest.mark.parametrize("mode", ["extract", "quote"])
def test_ask_documents(example: ModuleType, mode: str, client: OpenAI, capsys: pytest.CaptureFixture[str]) -> None:
    """Three PDFs and a DOCX; two questions that they answer, and one that they do not."""
    example.main(["--mode", mode], client)
    first, leave, meals, absent = capsys.readouterr().out.split("\n\n")
    assert first.endswith(": 4 of 4 files are in it")
    for answer, quote, place in (
        (leave, "Employees get 25 days of annual leave per year.", "leave.pdf, page 1, characters 0-47"),
        (meals, "Meals are paid up to 40 euros a day.", "travel.pdf, page 2, characters 112-148"),
    ):
        assert f'"{quote}"' in answer
        assert "\nsupported (" in answer
        assert answer.endswith(f"\n  {place}: {quote!r}")
    assert "\nabstained (" in absent
    assert "characters" not in absent


@pytest.mark.parametrize("example", ["ask_documents"], indirect=True)
def test_ask_ones_own(example: ModuleType, client: OpenAI, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("Sick leave needs a note.")
    (tmp_path / "b.pdf").write_bytes(b"no PDF at all")
    (tmp_path / "c.txt").touch()
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    example.main([*files, "--question", "What does sick leave need?", "--model", "garlic"], client)
    out = capsys.readouterr().out
    assert "2 of 3 files are in it\n  not in it: c.txt: the file is empty" in out
    assert "a.txt, characters 0-24: 'Sick leave needs a note.'" in out


@pytest.mark.parametrize("example", ["batches", "conversations", "background"], indirect=True)
def test_shows_what_it_says(example: ModuleType, client: OpenAI, capsys: pytest.CaptureFixture[str]) -> None:
    example.main(client)
    out = capsys.readouterr().out
    for words in {
        "batches": ["completed BatchRequestCounts(completed=3, failed=0, total=3)", "question-0", "question-2"],
        "conversations": ["after resp_", "tokens were cached", "user: Hello!", "assistant: "],
        "background": ["queued", "completed -> ", "left after the event", "followed it to response.completed -> "],
    }[example.__name__]:
        assert words in out
    assert len((EXAMPLES / f"{example.__name__}.py").read_text().splitlines()) <= MAX_LINES


def test_every_example_is_run_here() -> None:
    tested = Path(__file__).read_text()
    assert [path.stem for path in EXAMPLES.glob("*.py") if f'"{path.stem}"' not in tested] == []


HELPERS = ("sample_documents",)  # run by others
