"""Which encoding a text is in, and what is no text at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from owngpt.retrieval.parse.detect import detect
from owngpt.retrieval.parse.encoding import decode, encoding_of, is_text

JAPANESE = "吾輩は猫である。名前はまだ無い。\nどこで生れたかとんと見当がつかぬ。"
SHORT = ("会議の議事録", "東京都港区", "テスト", "はい。", "契約書（案）", "①②", "株式会社　御中")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp932", "euc_jp", "iso2022_jp"]
)
def test_japanese_in_every_encoding(encoding: str) -> None:
    assert decode(JAPANESE.encode(encoding)) == (JAPANESE, ())


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "euc_jp"])
@pytest.mark.parametrize("text", SHORT)
def test_a_few_characters_are_enough(text: str, encoding: str) -> None:
    data = text.encode(encoding, "ignore")
    assert decode(data)[0] == data.decode(encoding)


@pytest.mark.parametrize(
    "text",
    [
        "Un été à la plage, garçon; l'élève est très fatigué.",
        "Größe übermäßig schön — “quoted” … Straße",
        "El niño comió jamón en España. ¿Qué?",
        "Price: 5 £, temperature 20 °C, ½ cup",
        "naïve café",
    ],
)
def test_western_text_of_one_byte(text: str) -> None:
    assert decode(text.encode("cp1252")) == (text, ())


def test_what_is_declared_is_believed_where_it_fits() -> None:
    page = '<html><meta charset="windows-1251"><p>Привет, как дела?</p></html>'
    assert decode(page.encode("windows-1251"))[0] == page
    assert decode("Привет, как дела?".encode("koi8-r"), "koi8-r")[0] == "Привет, как дела?"
    assert encoding_of("日本".encode(), "koi8-r") == "utf-8"
    assert decode(b"caf\xe9", "no-such-encoding")[0] == "café"


def test_a_few_broken_bytes_are_told_and_do_not_change_the_rest() -> None:
    text, notes = decode(JAPANESE.encode() * 20 + b"\xff" + JAPANESE.encode())
    assert text.count("吾輩") == 21
    assert notes == ("1 bytes are no characters in utf-8",)


@given(st.binary(max_size=400))
def test_nothing_fails_to_be_decoded(data: bytes) -> None:
    assert isinstance(decode(data)[0], str)
    is_text(data)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1))
def test_utf8_is_utf8(text: str) -> None:
    assert decode(text.encode())[0].removeprefix("\ufeff") == text.removeprefix("\ufeff")


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.txt", b"%PDF-1.7", "pdf"),
        ("a.md", b"# hello", "markdown"),
        ("README", b"hello", "text"),
        ("a.pdf", b"hello", "text"),
        ("a.csv", b"a,b", "csv"),
        ("a.json", b"hello", "text"),
        ("a.txt", b'{"a": 1}', "json"),
        ("a.py", b"{1}", "code"),
        ("Makefile", b"all:\n\techo", "code"),
        ("a.txt", b"<!DOCTYPE html><p>x", "html"),
        ("a.html", b"<p>a fragment", "html"),
        ("a.eml", b"just text", "text"),
        ("a.md", b"Note: a list\nDate: today\n\ntext", "markdown"),
        ("a.txt", b"From: a@b.c\r\nSubject: x\r\n\r\nbody", "email"),
        ("BMW.txt", b"BMW is a car maker", "text"),
        ("a.txt", "MZ is text".encode("utf-16"), "text"),
    ],
)
def test_what_kind_of_file_it_is(name: str, data: bytes, kind: str) -> None:
    assert detect(name, data) == kind
