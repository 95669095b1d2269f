"""The tokenizer keeps English as it was, and has pieces for Japanese."""

from __future__ import annotations

import pytest
import tokenizers

from owngpt.model.bundled import minilm_folder
from owngpt.training.reader.vocabulary import extend_vocabulary, is_japanese

TEXTS = ["東京都は日本の首都である。", "東京の人口は日本で最も多い。", "ガラスのグラス", "東京と日本"] * 3


def loaded(document: str) -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer.from_str(document)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@pytest.fixture(scope="module")
def base() -> str:
    return (minilm_folder() / "tokenizer.json").read_text("utf-8")


@pytest.fixture(scope="module")
def extended(base: str) -> tokenizers.Tokenizer:
    return loaded(extend_vocabulary(base, TEXTS, 200))


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox, 3.5 times!",
        "Café Zürich naïve résumé",
        "antidisestablishmentarianism won't",
        "def f(x):\n\treturn x_1 ** 2",
        "“quoted” — and so on",
    ],
)
def test_english_keeps_its_ids(base: str, extended: tokenizers.Tokenizer, text: str) -> None:
    assert extended.encode(text).ids == loaded(base).encode(text).ids


def test_japanese_words_are_pieces(extended: tokenizers.Tokenizer) -> None:
    assert extended.encode("東京は日本").tokens == ["[CLS]", "東京", "は", "日本", "[SEP]"]


def test_voicing_marks_stay(base: str, extended: tokenizers.Tokenizer) -> None:
    assert extended.encode("ガ").tokens != extended.encode("カ").tokens
    assert loaded(base).encode("ガ").tokens == loaded(base).encode("カ").tokens  # what BERT does


def test_width_does_not_matter(extended: tokenizers.Tokenizer) -> None:
    assert extended.encode("ｶﾞﾗｽ ＡＢＣ").ids == extended.encode("ガラス abc").ids


def test_offsets_are_those_of_the_text(extended: tokenizers.Tokenizer) -> None:
    text = "首都は東京です"
    encoding = extended.encode(text)
    place = encoding.tokens.index("東京")
    start, end = encoding.offsets[place]
    assert text[start:end] == "東京"


def test_learning_twice_gives_the_same(base: str) -> None:
    assert extend_vocabulary(base, TEXTS, 200) == extend_vocabulary(base, TEXTS, 200)


def test_knows_japanese_pieces() -> None:
    assert [is_japanese(piece) for piece in ("東京", "##です", "ー", "tokyo", "##ing", "、", "[CLS]")] == [
        True,
        True,
        True,
        False,
        False,
        False,
        False,
    ]
