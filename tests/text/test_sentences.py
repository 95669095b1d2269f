"""Where sentences end. In these examples `|` stands between two sentences."""

from __future__ import annotations

import pytest

from owngpt.text.sentences import sentences


@pytest.mark.parametrize(
    "marked",
    [
        "Dr. Smith paid 3.50 dollars. |He left at 5 p.m. on Jan. 3 with J. Doe. |Why? |Nobody knows!",
        "See e.g. Fig. 3 and Sec. 2. |“It ends.” |Then it goes on... and on.",
        "He said so.) |And again.",
        "これは一文です。|次は「はい。」と言いました。|本当ですか？|はい！|値は３．５です．|終わり",
        "（注意。）|次",
        "A title\n|Verse one,\nand it goes on\n|Verse two",
        "日本語。|English follows. |Yes.",
    ],
)
def test_sentences(marked: str) -> None:
    text = marked.replace("|", "")
    assert [text[start:end] for start, end in sentences(text)] == [part.strip() for part in marked.split("|")]


def test_a_span_of_a_text() -> None:
    text = "One. Two. Three."
    assert [text[start:end] for start, end in sentences(text, 5, 9)] == ["Two."]
    assert list(sentences("  \n ")) == []
