"""Every task: its items are the same each time, held out, and its baselines answer all of them."""

from __future__ import annotations

import ast
import gzip
import json
from pathlib import Path

import pytest

from owngpt.errors import ConfigError
from owngpt.evals.task import Item, Task
from owngpt.evals.tasks.code import code_lines
from owngpt.evals.tasks.materials import Materials
from owngpt.evals.tasks.registry import ALL, chosen
from owngpt.text.held_out import is_held_out_of

DATA = Path(__file__).parents[3] / "shared" / "data"
TASKS = list(ALL.values())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus with two sources of each language."""
    folder = tmp_path_factory.mktemp("corpus")
    sources = [{"name": f"{kind}-{n}", "kind": kind} for kind in ("english", "japanese") for n in range(2)]
    (folder / "manifest.json").write_text(json.dumps({"sources": sources}))
    for source in sources:
        documents = [{"source": source["name"], "group": str(n), "text": f"{n} words\n" * 60} for n in range(4)]
        lines = "\n".join(json.dumps(document) for document in documents)
        (folder / f"{source['name']}.held_out.jsonl").write_text(lines)
    return folder


@pytest.fixture(scope="module")
def materials(corpus: Path) -> Materials:
    return Materials(DATA if DATA.is_dir() else None, corpus)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_items_are_the_same_each_time_and_baselines_answer_all(task: Task, materials: Materials) -> None:
    if not materials.has(task.needs):
        pytest.skip(f"needs {task.needs}")
    items = task.build(materials)
    assert task.digest(items) == task.digest(task.build(materials))
    assert len({item.id for item in items}) == len(items)
    assert [Item.from_json(json.loads(json.dumps(item.to_json()))) for item in items] == list(items)
    for answer in task.baselines.values():
        few = items[:20]
        answers = answer(few)
        for metric in task.metrics:
            assert metric.rows(few, answers).shape[0] == len(few)


def test_sources_take_turns_in_bits_per_byte(materials: Materials) -> None:
    items = ALL["bits.en"].build(materials)
    assert len(items) == 8
    assert all(400 <= len(item.choices[0].encode()) < 2_000 for item in items)


def test_only_whole_lines_of_code_are_asked_for() -> None:
    source = '"""Docs\nof two lines."""\nimport os  # why\n\nx = """\ntext\n"""\nvalue = os.getcwd()\n# said\n'
    assert [source.splitlines()[n] for n in code_lines(source)] == ["value = os.getcwd()"]
    assert code_lines("def broken(:\n  'x") == []


@pytest.mark.parametrize("name", ["fim.line", "fim.span", "nextline"])
def test_a_gap_is_cut_out_of_its_file(name: str) -> None:
    materials = Materials()
    sources = [source for _, source in materials.library_files()]
    items = ALL[name].build(materials)
    assert len(items) == 300
    for item in items[:40]:
        whole = item.text + item.references[0] + (item.suffix or "")
        assert any(whole in source for source in sources)


def test_library_files_are_held_out_and_can_be_read() -> None:
    files = list(Materials().library_files())
    assert len(files) > 5
    for name, source in files:
        assert is_held_out_of("python", name)
        ast.parse(source)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the data folder")
def test_a_question_without_an_answer_gets_a_passage_that_has_none() -> None:
    items = ALL["qa.en"].build(Materials(DATA))
    absent = [item for item in items if not item.label]
    assert len(absent) == len(items) // 5
    assert all(item.references == ("The text does not say.",) for item in absent)
    assert all(item.references[0] in item.fields["passage"] for item in items if item.label)


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tatoeba_eng_jpn\.tsv\.gz is missing"):
        ALL["translate.en-ja"].build(Materials(tmp_path))
    with pytest.raises(ConfigError, match="cannot be read"):
        ALL["bits.en"].build(Materials(None, tmp_path))


def test_translations_have_all_references_of_a_sentence(tmp_path: Path) -> None:
    english = next(text for text in (f"This is sentence {n}." for n in range(999)) if is_held_out_of("tatoeba", text))
    lines = f"{english}\tこれは文です。\n{english}\tこれは文だ。\nThis one is not held out, is it?\tいいえ。\n"
    (tmp_path / "mt").mkdir()
    (tmp_path / "mt" / "tatoeba_eng_jpn.tsv.gz").write_bytes(gzip.compress(lines.encode()))
    (item,) = ALL["translate.en-ja"].build(Materials(tmp_path))
    assert item.references == ("これは文です。", "これは文だ。")
    assert item.messages[0].content == f"Translate into Japanese: {english}"
    assert len(ALL["translate.ja-en"].build(Materials(tmp_path))) == 2


def test_tasks_are_chosen_by_name_and_pattern() -> None:
    assert [task.name for task in chosen(["qa.*", "nextline"])] == ["nextline", "qa.en", "qa.ja"]
    assert chosen([]) == TASKS
