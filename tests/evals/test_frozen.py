"""Items written to files are the items that were made."""

from __future__ import annotations

from pathlib import Path

import pytest

from owngpt.errors import ConfigError
from owngpt.evals.tasks.frozen import freeze, items_of, pool_of
from owngpt.evals.tasks.materials import Materials
from owngpt.evals.tasks.registry import ALL, chosen

DATA = Path(__file__).parents[3] / "shared" / "data"


def test_what_needs_nothing_is_written_and_read_back(tmp_path: Path) -> None:
    written = freeze(chosen(["grammar.ja", "nextline", "qa.en"]), Materials(), tmp_path)
    assert written == {"grammar.ja": 480, "nextline": 300}
    for name in written:
        task = ALL[name]
        assert task.digest(items_of(task, Materials(), tmp_path) or ()) == task.digest(task.build(Materials()))
    assert items_of(ALL["qa.en"], Materials(), tmp_path) is None


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "qa.en.jsonl").write_text("{")
    with pytest.raises(ConfigError, match=r"qa\.en\.jsonl cannot be read"):
        items_of(ALL["qa.en"], Materials(), tmp_path)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the data folder")
def test_what_is_searched_travels_along(tmp_path: Path) -> None:
    task, materials = ALL["search.en"], Materials(DATA)
    freeze([task], materials, tmp_path)
    documents = pool_of(task, Materials(), tmp_path)
    assert documents == pool_of(task, materials, None)
    names = {document.id for document in documents}
    assert all(item.references[0] in names for item in items_of(task, Materials(), tmp_path) or ())
