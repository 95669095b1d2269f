"""Telephone numbers: what looks like one, and whether libphonenumber, where it is installed, takes it for one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from owngpt.trust.pii.checks import digits_of
from owngpt.trust.pii.entity import Entity
from owngpt.trust.pii.rules import stands_near, words
from owngpt.trust.pii.window import Window

_CONTEXT = words(
    *("電話", "携帯", "連絡先", "ファックス", "内線", "直通", "でんわ", "代表番号", "フリーダイヤル"),
    *(
        "tel",
        "phone",
        "telephone",
        "cell",
        "mobile",
        "fax",
        "call",
        "contact",
        "dial",
        "whatsapp",
        "ring",
        "sms",
        "text me",
    ),
    *("reach", "number is", "hotline", "my number", "messages? to", "answer(?:ing|s)? at", "registered"),
)
_SHAPE = re.compile(  # an area in brackets or not, then groups; or one group
    r"(?=[+(\d])(?<![A-Za-z0-9_])(?<![\d][-.,/:])(?:(?:\+|00)\d{1,3}[-. \n()]{0,3})?"
    r"(?:\(\d{1,5}\)[-. \n]{0,2})?\d{1,11}"
    r"(?:[-. \n()ー/]{1,2}\d{2,8}){0,5}(?:\s?(?:x|ext\.?|内線)\s?\d{1,5})?(?![A-Za-z0-9_])(?![-./:]\d)"
)
_ABROAD = ("GB", "DE", "FR", "IT", "ES", "NL", "SE", "CH", "AU", "IN", "CN", "KR", "PL", "BE", "AT", "DK", "NO", "FI")
_JAPANESE = re.compile(r"0(?:[5789]0\d{8}|120\d{6}|800\d{7}|[1-9]\d{8})")
_AMERICAN = re.compile(r"1?[2-9]\d{2}[2-9]\d{6}")
_MOBILE = re.compile(r"0[5789]0\d{8}")
_DATE = re.compile(
    r"(?:19|20)\d\d[-./ ]\d{1,2}[-./ ]\d{1,2}(?:\D.*)?|\d{1,2}[-./ ]\d{1,2}[-./ ](?:19|20)\d\d", re.DOTALL
)
Valid = Callable[[str, str], bool]  # text, region -> whether such a number can be given out there


@lru_cache(maxsize=1)
def _library() -> Valid | None:
    try:
        import phonenumbers
    except ImportError:
        return None

    def is_valid(text: str, region: str) -> bool:
        try:
            return phonenumbers.is_valid_number(phonenumbers.parse(text, region))
        except phonenumbers.NumberParseException:
            return False

    return is_valid


class Phones:
    """Finds telephone numbers: international, Japanese, American; of other countries where words or zeros say so."""

    type = "PHONE"

    def find(self, window: Window) -> Iterator[Entity]:
        text = window.text
        for match in _SHAPE.finditer(text) if window.digits else ():
            found = match[0]
            if len(found) < 7 or _DATE.fullmatch(found):
                continue
            digits = digits_of(found)
            if 7 <= len(digits) <= 20:
                score = _score(found, digits) or _called(
                    found, digits, is_called=stands_near(_CONTEXT, text, *match.span(), before=32)
                )
                if score:
                    yield Entity(match.start(), match.end(), "PHONE", score, "phone")


def _score(found: str, digits: str) -> float:
    """What is sure without looking around; 0 where that has to be done."""
    is_grouped = not found.isdecimal()
    if found[0] == "+":
        return 0.95 if _is_international(digits) else 0.0
    if _MOBILE.fullmatch(digits):
        return 0.95 if is_grouped else 0.75
    is_usual = is_grouped and (found[0] in "0(" or found.count("-") >= 2)
    return 0.8 if is_usual and (_JAPANESE.fullmatch(digits) or _AMERICAN.fullmatch(digits)) else 0.0


def _called(found: str, digits: str, *, is_called: bool) -> float:
    """What is called a number is one; the library is asked last, because it takes its time."""
    is_grouped = not found.isdecimal()
    if is_called and len(digits) <= 16:
        return 0.85 if is_grouped or _JAPANESE.fullmatch(digits) else (0.6 if 8 <= len(digits) <= 13 else 0.3)
    if found.startswith("00") and _is_international(digits[2:]):
        return 0.6
    return 0.5 if is_grouped and found[0] in "0(" and _is_of_some_country(found) else 0.0


def _is_international(digits: str) -> bool:
    is_valid = _library()
    return is_valid("+" + digits, "ZZ") if is_valid else 8 <= len(digits) <= 15


def _is_of_some_country(text: str) -> bool:
    is_valid = _library()
    return is_valid is not None and any(is_valid(text, region) for region in _ABROAD)
