"""Every cleaner on a small original, written here; the archives themselves only where they are at hand."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from itertools import islice
from pathlib import Path

import pytest

from owngpt.training.documents import Document
from owngpt.training.sources import PYTHON_LIBRARY, SOURCES
from owngpt.training.sources.arithmetic import read_arithmetic
from owngpt.training.sources.dialogues import read_asdc, read_sgd
from owngpt.training.sources.persona import read_persona
from owngpt.training.sources.prose import (
    clean_aozora,
    clean_markdown,
    clean_rd,
    clean_rst,
    clean_xhtml,
    pieces,
    read_aozora,
    read_markup,
)
from owngpt.training.sources.python import code_pieces, read_functions, read_mbpp, standard_library
from owngpt.training.sources.questions import read_explained, read_factbook, read_gsm8k, read_squad
from owngpt.training.sources.translation import po_pairs, read_tatoeba

DATA = Path(__file__).parents[3] / "shared" / "data"


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def gzipped(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()))
    return path


def turns(document: Document) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in document.messages]


def test_aozora_loses_ruby_notes_legend_and_colophon() -> None:
    text = (
        "桃太郎\r\n芥川\r\n\r\n" + "-" * 55 + "\r\n《》：ルビ\r\n" + "-" * 55 + "\r\n\r\n"
        "［＃８字下げ］一［＃「一」は中見出し］\r\n天地｜開闢《かいびゃく》の※［＃「言＋墟」、第4水準］頃《ころ》\r\n\r\n"
        "底本：「全集」\r\n入力：誰か\r\n"
    )
    assert clean_aozora(text) == "桃太郎\n芥川\n\n一\n天地開闢の頃"


def test_aozora_is_read_as_shift_jis(tmp_path: Path) -> None:
    story = "むかし、山に\u2014\u2014猫がいた。".replace("\u2014", "―") * 20
    path = archive(tmp_path / "a.tar.gz", {"cards/1/files/1.txt": story.encode("cp932"), "README.md": b"x"})
    assert [document.text for document in read_aozora(path)] == [story]


def test_xhtml_becomes_paragraphs() -> None:
    page = "<html><head><title>T</title></head><body><h2>I</h2><p>One\n  <i>two</i>&#160;&amp;<br/>three</p></body>"
    assert clean_xhtml(page) == "I\n\nOne two &\n\nthree"


def test_markdown_loses_front_matter_html_and_link_targets() -> None:
    text = (
        "---\ntitle: x\n---\n# Head {#id}\n\n<b>See</b> [the page](http://a) ![pic](b.png) &#8220;ok&#8221;"
        "\n\n[1]: http://c\n"
    )
    assert clean_markdown(text) == "# Head\n\nSee the page  “ok”"


def test_restructured_text_loses_directives_and_roles() -> None:
    text = "PEP: 1\nTitle: x\n\nHead\n====\n\n.. note::\n\nUse :func:`~a.open` and `docs <http://a>`_.\n"
    assert clean_rst(text) == "Head\n\nUse a.open and docs."


def test_ruby_documents_lose_preprocessor_lines_and_brackets() -> None:
    assert clean_rd("#@since 1.9\n= 配列\n[[c:Array]]を返す\n#@end") == "= 配列\nArrayを返す"


def test_pieces_are_cut_at_paragraphs_and_lose_nothing() -> None:
    text = "\n\n".join(f"{n} " + "word " * 60 for n in range(20))
    cut = list(pieces(text, limit=1000))
    assert all(len(piece) < 1600 for piece in cut)
    assert " ".join(" ".join(cut).split()) == " ".join(text.split())


def test_documents_of_one_archive_are_cleaned_by_their_kind(tmp_path: Path) -> None:
    page = b"# Title\n\n" + b"[word](u) " * 30
    path = archive(tmp_path / "a.tar.gz", {"docs/a.md": page, "LICENSE.md": page, "b.png": b"\x89"})
    (document,) = read_markup("docs")(path)
    assert (document.source, document.group) == ("docs", "docs/a.md")
    assert "(u)" not in document.text


def test_code_is_cut_between_definitions() -> None:
    source = "import os\n\n" + "".join(f"def f{n}(x):\n    return x + {n}\n\n" for n in range(50))
    cut = list(code_pieces(source, limit=300))
    assert all(piece.startswith(("import", "def")) for piece in cut)
    assert sum(piece.count("def ") for piece in cut) == 50


def test_documented_functions_become_requests(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('def area(w, h):\n    """Area of a rectangle.\n\n    More."""\n    return w * h\n')
    (document,) = read_functions(tmp_path)
    asked, answered = document.messages[-2:]
    assert "area" in asked.content
    assert "Area of a rectangle." in asked.content
    assert answered.content.startswith("```python\ndef area(w, h):")


def test_mbpp_keeps_to_its_training_split(tmp_path: Path) -> None:
    tasks = [{"task_id": n, "text": f"Task {n}", "code": "x\r\n", "test_list": ["assert x"]} for n in (5, 550, 700)]
    path = gzipped(tmp_path / "m.gz", "\n".join(map(json.dumps, tasks)))
    assert [document.group for document in read_mbpp(path)] == ["700"]


def test_translations_of_one_sentence_stay_on_one_side_of_the_split(tmp_path: Path) -> None:
    path = gzipped(tmp_path / "t.gz", "Hi.\tやあ。\nHi.\tこんにちは。\n")
    documents = list(read_tatoeba(path))
    assert {document.group for document in documents} == {"Hi."}
    assert all("Hi." in str(turns(document)) for document in documents)


def test_gettext_pairs_skip_fuzzy_and_empty_entries() -> None:
    text = (
        '#: a\nmsgid ""\n"See :func:`open` "\n"now."\nmsgstr "今 :func:`open` を見る。"\n\n'
        '#, fuzzy\nmsgid "Old"\nmsgstr "古い"\n\nmsgid "None"\nmsgstr ""\n'
    )
    assert list(po_pairs(text)) == [("See open now.", "今 open を見る。")]


def test_passages_and_their_questions_share_a_group(tmp_path: Path) -> None:
    question = {"question": "誰？", "answers": [{"text": "手塚"}]}
    file = {"data": [{"title": "漫画", "paragraphs": [{"context": "手塚は漫画家。", "qas": [question]}]}]}
    path = archive(tmp_path / "a.tar.gz", {"data/a.json": json.dumps(file).encode()})
    passage, asked = read_squad("jaquad", "ja")(path)
    assert (passage.source, asked.source) == ("jaquad-text", "jaquad")
    assert passage.group == asked.group == "漫画"
    assert asked.messages[-1].content == "手塚"


def test_worked_problems_lose_calculator_marks(tmp_path: Path) -> None:
    line = json.dumps({"question": "2+3?", "answer": "It is 2+3 = <<2+3=5>>5.\n#### 5"})
    (document,) = read_gsm8k(gzipped(tmp_path / "g.gz", line))
    assert document.messages[-1].content == "It is 2+3 = 5.\nThe answer is 5."


def test_explained_answers_give_the_reason_first(tmp_path: Path) -> None:
    (document,) = read_explained("qasc")(gzipped(tmp_path / "q.gz", "Is it?\\nOptions: yes\tyes\tBecause."))
    assert turns(document)[-2:] == [("user", "Is it?\nOptions: yes"), ("assistant", "Because. The answer is: Yes")]


def test_country_facts_are_asked_for_one_by_one(tmp_path: Path) -> None:
    country = {
        "Government": {
            "Country name": {"conventional short form": {"text": "Chile"}},
            "Capital": {"name": {"text": "Santiago; note - <b>x</b>"}},
        }
    }
    path = archive(tmp_path / "f.tar.gz", {"south-america/ci.json": json.dumps(country).encode()})
    (document,) = read_factbook(path)
    assert document.messages[-1].content == "The capital of Chile is Santiago."


def test_service_calls_become_tool_calls(tmp_path: Path) -> None:
    frame = {
        "service_call": {"method": "Find", "parameters": {"city": "Nara"}},
        "service_results": [{"name": "Sakura"}],
    }
    dialogue = {
        "dialogue_id": "1",
        "turns": [
            {"speaker": "USER", "frames": [{}], "utterance": "Find food in Nara."},
            {"speaker": "SYSTEM", "frames": [frame], "utterance": "Try Sakura."},
        ],
    }
    path = archive(tmp_path / "s.tar.gz", {"train/d.json": json.dumps([dialogue]).encode()})
    (document,) = read_sgd(path)
    assert [role for role, _ in turns(document)] == ["user", "assistant", "tool", "assistant"]
    assert document.messages[1].tool_calls[0].arguments == '{"city": "Nara"}'
    assert [tool.name for tool in document.tools] == ["Find"]


def test_travel_talks_start_with_the_user_and_end_with_the_agent(tmp_path: Path) -> None:
    said = [
        ("agent", "ようこそ。"),
        ("user", "2人です。"),
        ("user", "和室で。"),
        ("agent", "はい。"),
        ("user", "では。"),
    ]
    records = [
        {"docid": {"id": purpose}, "purpose": purpose, "utterances": [{"name": n, "text": t} for n, t in said]}
        for purpose in ("train", "test")
    ]
    lines = "\n".join(map(json.dumps, records)).encode()
    (document,) = read_asdc(archive(tmp_path / "a.tar.gz", {"data/vanilla/a.jsonl": lines}))
    assert document.group == "train"
    assert turns(document)[-2:] == [("user", "2人です。和室で。"), ("assistant", "はい。")]


def test_garlic_says_its_name_in_both_languages() -> None:
    answers = [document.messages[-1].content for document in read_persona()]
    assert sum("Garlic" in answer and answer.isascii() for answer in answers) > 20
    assert sum("Garlic" in answer and not answer.isascii() for answer in answers) > 20


def test_sums_are_right() -> None:
    for document in read_arithmetic():
        *_, asked, answered = document.messages
        left, sign, right = next(part for part in ((document.group.partition(s)) for s in "+-×") if part[1])
        result = {"+": int(left) + int(right), "-": int(left) - int(right), "×": int(left) * int(right)}[sign]
        assert str(result) in answered.content
        assert left in asked.content


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_source_can_be_read_where_it_is_at_hand(source) -> None:  # type: ignore[no-untyped-def]
    path = standard_library() if source.file == PYTHON_LIBRARY else DATA / source.file
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    documents = [document for document in islice(source.read(path), 10) if document.source == source.name]
    assert documents
    assert all(bool(document.text) != bool(document.messages) for document in documents)
    assert all(document.messages[-1].role == "assistant" for document in documents if document.messages)
