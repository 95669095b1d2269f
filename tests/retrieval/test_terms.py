"""What a text is found by."""

from __future__ import annotations

import pytest

from owngpt.retrieval.terms import query_terms, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Running, RUNS; run!", ["run", "run", "run"]),
        ("The company’s café", ["the", "compani", "cafe"]),
        ("ｆｕｌｌ　ｗｉｄｔｈ ５", ["full", "width", "5"]),
        ("max_num_results", ["max", "num", "result", "maxnumresult"]),
        ("getUserName", ["get", "user", "name", "getusernam"]),
        ("GPT-5.2", ["gpt", "5", "2", "gpt52"]),
        ("e-mail email", ["e", "mail", "email", "email"]),
        ("東京都", ["東京", "京都", "東", "京", "都"]),
        ("サーバー", ["サー", "ーバ", "バー", "サーバ"]),
        ("さくら", ["さく", "くら"]),
        ("の", ["の"]),
        ("2026年", ["2026", "年"]),
        ("안녕하세요", ["안녕", "녕하", "하세", "세요"]),
        ("x" * 200, ["x" * 64]),
        ("。、!? \n", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert list(terms(text)) == expected


def test_half_width_katakana_is_the_same_word() -> None:
    assert list(terms("ｻｰﾊﾞｰ")) == list(terms("サーバー"))


def test_a_query_is_what_it_is_about() -> None:
    assert query_terms("How do I get to the airport in 東京?") == ["airport", "東京", "東", "京"]
    assert query_terms("What is it?") == ["what", "is", "it"]
