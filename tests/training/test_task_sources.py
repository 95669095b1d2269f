"""Sources of tasks, each on a small original: what is asked is asked as `text/prompts.py` words it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from owngpt.text.held_out import ONE_IN
from owngpt.text.prompts import NOT_IN_TEXT, OUT_OF_SCOPE, read_quoted
from owngpt.training.documents import Document
from owngpt.training.quality import is_usable
from owngpt.training.sources import (
    MADE_HERE,
    PACKAGES,
    PYTHON_LIBRARY,
    SOURCES,
    WRITTEN_HERE,
    grounded,
    summaries,
    support,
    translation,
)
from owngpt.training.sources.explain import read_completions, read_headings, read_titles, sections
from owngpt.training.sources.pages import page_of, paragraph_pairs, read_page_pairs, read_pages
from owngpt.training.sources.prose import clean_gutenberg
from tests.training.test_sources import archive, gzipped, turns

PASSAGE = (
    "The museum was founded in 1852. It moved to South Kensington in 1857, where it still stands. "
    "Its collection has more than two million objects. Entry is free on all days of the week."
)


def answer(document: Document) -> str:
    return document.messages[-1].content


def squad(path: Path) -> Path:
    questions = [("When was it founded?", "1852"), ("Where did it move?", "South Kensington")]
    first = {
        "context": PASSAGE,
        "qas": [{"question": q, "answers": [{"text": a, "answer_start": PASSAGE.index(a)}]} for q, a in questions * 20],
    }
    other = "Chlorophyll is green, and every leaf has some of it in its cells."
    second = {
        "context": other,
        "qas": [{"question": "What is green?", "answers": [{"text": "Chlorophyll", "answer_start": 0}]}] * 40,
    }
    articles = [{"title": f"article {n}", "paragraphs": [first, second]} for n in range(3)]
    return gzipped(path, json.dumps({"data": articles}))


def test_every_source_has_a_usable_licence_and_a_name_of_its_own() -> None:
    assert all(is_usable(source.licence) for source in SOURCES)
    assert len({source.name for source in SOURCES}) == len(SOURCES)


def test_sources_of_one_file_hold_out_alike() -> None:
    """Else a passage would be learnt from in one source and measured in another."""
    files: dict[str, set[int]] = {}
    for source in SOURCES:
        if source.file not in (WRITTEN_HERE, MADE_HERE, PACKAGES):
            files.setdefault(source.file, set()).add(ONE_IN.get(source.name, 100))
    assert {file: shares for file, shares in files.items() if len(shares) > 1} == {}
    assert PYTHON_LIBRARY in files


def test_only_sources_stand_in_the_table_of_what_is_held_out() -> None:
    names = {source.name for source in SOURCES} | {"own-english", "own-japanese", "own-code", "own-chat"}
    assert set(ONE_IN) <= names


def test_answers_are_quoted_or_alone_or_not_in_the_text(tmp_path: Path) -> None:
    read = grounded.read_quoted("squad", "squad-quotes", "en", by_paragraph=True)
    documents = list(read(squad(tmp_path / "s.gz")))
    kinds = Counter[str]()
    for document in documents:
        asked, answered = document.messages[-2].content, read_quoted(answer(document))
        if answered.answer == NOT_IN_TEXT["en"]:
            kinds["absent"] += 1
            continue
        assert answered.answer in asked, "the passage shown contains the answer"
        if answered.quote:
            assert answered.quote in asked
            assert answered.answer in answered.quote
        kinds["quoted" if answered.quote else "alone"] += 1
    assert min(kinds[kind] / len(documents) for kind in ("absent", "quoted", "alone")) > 0.15
    assert {document.group for document in documents} == {f"article {a}/{p}" for a in range(3) for p in range(2)}


def test_a_passage_is_cut_down_to_sentences_around_the_answer() -> None:
    start = PASSAGE.index("two million")
    one = grounded.Asked("g", PASSAGE, "How many?", "two million", start)
    assert grounded.window(one, 60) == "Its collection has more than two million objects."
    assert grounded.window(one, 10) == "Its collection has more than two million objects."
    assert grounded.window(one, 1000) == PASSAGE


def test_a_proof_is_whole_words_without_quotation_marks() -> None:
    proof = grounded.proof_of(PASSAGE, "two million", 40)
    assert proof == "has more than two million objects. Entry is"
    assert grounded.proof_of('He said "the answer is 42" twice.', "42", 60) == "the answer is 42"
    assert grounded.proof_of("text", "absent", 60) == ""
    assert (
        grounded.proof_of("漱石は松山に帰省し、のちに英国へ留学した。次の年、", "英国", 20)
        == "松山に帰省し、のちに英国へ留学した"
    )


def test_statements_are_judged(tmp_path: Path) -> None:
    lines = [
        json.dumps(
            {
                "context": [{"text": "ご予算は？"}],
                "sources": ["839円。"],
                "targets": ["予算は839円だ。"],
                "correct": True,
            }
        )
    ]
    (document,) = grounded.read_asdc_correctness(gzipped(tmp_path / "a.gz", "\n".join(lines)))
    assert answer(document) == "はい"
    assert document.group == "ご予算は？\n839円。"
    header = "pair_ID\tsentence_A_Ja\tsentence_B_Ja\tentailment_label_Ja"
    table = f"{header}\n1\t猫がいる\t動物がいる\tentailment\n2\t猫がいる\t犬がいる\tneutral\n"
    assert [answer(d) for d in grounded.read_jsick(gzipped(tmp_path / "j.gz", table))] == ["はい", "いいえ"]
    claim = {"id": "7", "text": "It is free.", "label": "REFUTES", "gold_evidence": [{"text": "It costs ten."}]}
    (judged,) = grounded.read_fool_me_twice(gzipped(tmp_path / "f.gz", json.dumps(claim)))
    assert answer(judged) == "No"


def test_tables_are_shown_with_their_text(tmp_path: Path) -> None:
    question = {
        "uid": "q", "question": "Change?", "answer": -12.6, "derivation": "44.1-56.7", "answer_type": "arithmetic",
        "scale": "million", "rel_paragraphs": ["1"],
    }  # fmt: skip
    report = {
        "table": {"uid": "t", "table": [["", "2019", "2018"], ["Other", "44.1", "56.7"]]},
        "paragraphs": [{"order": 1, "text": "In millions."}],
        "questions": [question],
    }
    (document,) = grounded.read_tatqa(gzipped(tmp_path / "t.gz", json.dumps([report])))
    assert "Other | 44.1 | 56.7\nIn millions." in document.messages[0].content
    assert answer(document) == "44.1-56.7 = -12.6 million"


def test_intents_are_chosen_from_lists_that_may_lack_the_right_one() -> None:
    items = [(f"please do thing {n} for me", f"thing_{n % 30}") for n in range(600)] + [("what is life", OUT_OF_SCOPE)]
    listed = 0
    for document in support.intents("banking77", items):
        asked, answered = document.messages[-2].content, answer(document)
        if asked.count("thing_") > 1:
            listed += 1
            name = (
                f"thing_{int(document.group.removeprefix('pleasedothing').removesuffix('forme')) % 30}"
                if "thing" in document.group
                else ""
            )
            in_list = [word.strip(" ,:.") for word in asked.split() if word.startswith("thing_")]
            assert answered == (name if name in in_list else OUT_OF_SCOPE)
    assert 200 < listed < 400


def test_a_message_stands_on_one_side_of_the_split_whatever_its_case() -> None:
    one, other = support.intents("clinc150", [("Call mom", "call"), ("call mom!", "call")])
    assert one.group == other.group == "callmom"
    assert one.keys == other.keys


def test_turns_of_businesses_without_an_intent_are_left_out(tmp_path: Path) -> None:
    rows = "utterance\tintent\nhi\tcontentonly\nmy card is lost\treportlostcard\nno\trejection\nbroken row\n"
    path = archive(tmp_path / "m.tar.gz", {"data/finance/train.tsv": rows.encode()})
    assert [answer(document) for document in support.read_multidogo(path)] in (["reportlostcard"], [OUT_OF_SCOPE])


def test_statements_of_a_talk_become_its_summary(tmp_path: Path) -> None:
    item = {
        "context": [{"name": "agent", "text": "ご希望は？"}], "correct": True, "purpose": "train",
        "sources": ["温泉がいいです。"], "targets": ["温泉のあるホテルを【customer】が希望する。"],
    }  # fmt: skip
    lines = [json.dumps({**item, "sid": {"id": f"asdc.sup.x.{n:03}.1-0"}}) for n in range(20)]
    lines.append(json.dumps({**item, "correct": False, "sid": {"id": "asdc.sup.x.999.1-0"}}))
    path = archive(tmp_path / "a.tar.gz", {"data/supplemental/scud/x.jsonl": "\n".join(lines).encode()})
    documents = list(summaries.read_scud(path))
    assert [document.group for document in documents] == [f"asdc.sup.x.{n:03}" for n in range(20)]
    assert all(answer(document) == "温泉のあるホテルをお客様は希望する。" for document in documents)
    assert all("店員: ご希望は？\nお客様: 温泉がいいです。" in document.messages[0].content for document in documents)


def test_dialogues_are_summarized_by_their_service_calls(tmp_path: Path) -> None:
    call = {"service_call": {"method": "FindBus", "parameters": {"to_city": "Nara"}}}
    dialogue = {
        "dialogue_id": "1",
        "turns": [
            {"speaker": "USER", "frames": [{}], "utterance": "A bus to Nara."},
            {"speaker": "SYSTEM", "frames": [call], "utterance": "There is one at 9."},
        ],
    }
    path = archive(tmp_path / "s.tar.gz", {"train/d.json": json.dumps([dialogue]).encode()})
    (document,) = summaries.read_sgd_summaries(path)
    assert answer(document) == "The user asked the agent to find bus (to city Nara)."


def test_minutes_are_of_short_parts_of_a_meeting(tmp_path: Path) -> None:
    turn = {"speaker": "PM", "content": "Um {disfmarker} we take the red one , right ?"}
    query = {"query": "?", "answer": "They took red.", "relevant_text_span": [["0", "0"]]}
    long = {"query": "?", "answer": "Much was said.", "relevant_text_span": [["0", "99"]]}
    meeting = {"meeting_transcripts": [turn] * 100, "specific_query_list": [query, long]}
    path = archive(tmp_path / "q.tar.gz", {"data/ALL/train/m1.json": json.dumps(meeting).encode()})
    (document,) = summaries.read_qmsum(path)
    assert "PM: Um we take the red one, right?" in document.messages[0].content
    assert (document.group, answer(document)) == ("m1", "They took red.")


def test_facts_become_copy(tmp_path: Path) -> None:
    path = gzipped(tmp_path / "e.gz", 'mr,ref\n"name[Aroma], area[city centre]","Aroma is in the city centre."\n')
    (document,) = summaries.read_e2e(path)
    assert "name: Aroma, area: city centre" in document.messages[0].content


def test_sentences_without_spaces_are_whole_again(tmp_path: Path) -> None:
    gzipped(tmp_path / "x.en.gz", "i can 't tell who will arrive first .\n")
    gzipped(tmp_path / "x.ja.gz", "誰 が 一番 に 着 く か 分か り ま せ ん 。\n")
    (document,) = translation.read_tanaka(tmp_path / "x.en.gz")
    assert answer(document) == "誰が一番に着くか分かりません。"
    assert "I can't tell who will arrive first." in document.messages[-2].content


def test_both_sentences_of_a_translation_are_its_keys() -> None:
    from random import Random

    one = translation.translation("tatoeba", "g", "I can't go there.", "そこには行けません。", Random(0))
    other = translation.translation("tanaka", "h", "i can 't go there .", "そこには行けません", Random(1))
    assert set(one.keys) & set(other.keys)


def test_pages_of_both_languages_have_one_name() -> None:
    for english, japanese in (
        ("react_en/src/content/learn/a.md", "react_ja/src/content/learn/a.md"),
        ("angular_ja/adev-ja/src/x.en.md", "angular_ja/adev-ja/src/x.md"),
        ("astro/src/content/docs/en/a.mdx", "astro/src/content/docs/ja/a.mdx"),
        ("fastapi/docs/en/docs/a/b.md", "fastapi/docs/ja/docs/a/b.md"),
        ("rails/guides/source/testing.md", "rails/guides/source/ja/testing.md"),
        ("opensource_guide/_articles/metrics.md", "opensource_guide/_articles/ja/metrics.md"),
    ):
        pages = [page_of(path, "text") for path in (english, japanese)]
        assert pages[0] is not None
        assert pages[1] is not None
        assert (pages[0].name, pages[0].language, pages[1].language) == (pages[1].name, "en", "ja")
    assert page_of("react_en/LICENSE-DOCS.md", "text") is None


def test_paragraphs_at_the_same_place_are_pairs() -> None:
    code, english, japanese = "```\nrun it\n```", "# More\n\nOne.\n\nTwo.", "# 詳細\n\n一つだけ。"
    english = f"# Setup\n\nInstall the package with the tool.\n\n{code}\n\nThen start the server at once.\n\n{english}"
    japanese = f"# 準備\n\nツールでインストールします。\n\n{code}\n\nそれからサーバーを起動します。\n\n{japanese}"
    assert list(paragraph_pairs(english, japanese)) == [
        ("Install the package with the tool.", "ツールでインストールします。"),
        ("Then start the server at once.", "それからサーバーを起動します。"),
    ]


def test_pages_are_text_and_pairs_of_one_group(tmp_path: Path) -> None:
    english = "# Setup\n\n" + "Install the package with the tool of your choice. " * 4
    japanese = "# 準備\n\n" + "お好みのツールでパッケージをインストールしてください。" * 4
    path = archive(
        tmp_path / "p.tar.gz",
        {"react_en/src/content/a.md": english.encode(), "react_ja/src/content/a.md": japanese.encode()},
    )
    (text,) = read_pages("pages-ja", "ja")(path)
    (pair,) = read_page_pairs(path)
    assert text.group == pair.group == "pages/react/a"
    assert text.text.startswith("# 準備")


def test_headings_ask_for_their_paragraph(tmp_path: Path) -> None:
    paragraph = "It is a platform that you run on your own machine, with your own models."
    page = f"# Guide\n\n- a list\n\n## What is owngpt?\n\n{paragraph}\n\n"
    assert list(sections(page)) == [("What is owngpt?", paragraph)]
    (document,) = read_headings("headings-en", "en")(archive(tmp_path / "h.tar.gz", {"a/b.md": page.encode()}))
    assert "What is owngpt?" in document.messages[-2].content


def test_titles_ask_for_their_first_sentence(tmp_path: Path) -> None:
    first = (
        "手塚治虫は日本の漫画家であり、アニメーターでもあり、" + "多くの作品を残して、" * 5 + "今も読み継がれている。"
    )
    file = {"data": [{"title": "手塚治虫", "paragraphs": [{"context": f"{first}次の文。", "qas": []}]}]}
    documents = list(
        read_titles("jaquad-titles", "ja", by_paragraph=False)(gzipped(tmp_path / "j.gz", json.dumps(file)))
    )
    assert [answer(document) for document in documents] == [first, first]
    assert len({document.messages[-2].content for document in documents}) == 2


def test_functions_are_gone_on_with(tmp_path: Path) -> None:
    body = "".join(f"    value = value + {n}\n" for n in range(6))
    (tmp_path / "a.py").write_text(f"def add(value):\n{body}    return value\n\n\nx = 1\n")
    (document,) = read_completions(tmp_path)
    asked, answered = document.messages
    code = asked.content.partition("```python\n")[2].removesuffix("\n```")
    rest = answered.content.removeprefix("```python\n").removesuffix("\n```")
    assert f"{code}\n{rest}\n" == f"def add(value):\n{body}    return value\n"


def test_gutenberg_texts_lose_notes_and_line_ends() -> None:
    head = "\n\nProduced by Greg Weeks and the Team at http://www.pgdp.net\n\n[Transcriber's Note: x]\n\n"
    text = f"{head}One\ntwo.\n \n  Three.\n"
    assert clean_gutenberg(text) == "One two.\n\nThree."


@pytest.mark.parametrize("name", ["begin", "pubmedqa", "mts-dialog", "scitldr", "banking77", "clinc150"])
def test_readers_of_archives_at_hand_fill_their_prompts(name: str) -> None:
    data = Path(__file__).parents[3] / "shared" / "data"
    (source,) = (source for source in SOURCES if source.name == name)
    path = data / source.file
    if not path.exists():
        pytest.skip(f"{path} is not at hand")
    document = next(iter(source.read(path)))
    assert [role for role, _ in turns(document)][-2:] == ["user", "assistant"]
