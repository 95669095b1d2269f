"""Which language a text is in, as far as it matters here."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["en", "ja"]
_KANA = re.compile(r"[\u3041-\u30fa]")
_CJK = re.compile(r"[\u3400-\u9fff]")


def is_japanese(text: str) -> bool:
    """Whether there are kana in it, or more Chinese characters than other letters."""
    if _KANA.search(text):
        return True
    num_cjk = len(_CJK.findall(text))
    return num_cjk > sum(character.isalpha() for character in text) - num_cjk


def language_of(text: str) -> Language:
    """English stands for all that is not Japanese."""
    return "ja" if is_japanese(text) else "en"
