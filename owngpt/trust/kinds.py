"""What kind of thing a question asks for (a date, a number, a person, ...), and whether a sentence has one."""

from __future__ import annotations

import re
from typing import NamedTuple


class Kind(NamedTuple):
    """`asks` is found in questions, `answers` in what may answer them."""

    name: str
    asks: re.Pattern[str]
    answers: re.Pattern[str]


def _kind(name: str, asks: str, answers: str) -> Kind:
    return Kind(name, re.compile(asks, re.IGNORECASE), re.compile(answers))


_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_NUMBERS = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|hundred|thousand|million|half"
_COUNTERS = "人|個|回|つ|歳|年|名|社|本|枚|軒|倍|番|件|パーセント|メートル|キロ|円"
_CAPITALIZED = r"(?<![.!?] )(?<!^)\b[A-Z][a-z]+"
_KATAKANA = "[\u30a1-\u30fa]{2,}"

KINDS = (
    _kind(
        "date",
        r"^(\w+ )?when\b|\bwhen (was|were|did|does|do|is|are|will|had|has)\b"
        r"|\b(what|which) (year|date|day|month|century|decade)\b|いつ|何年|何月|何日|何世紀",
        rf"\b\d{{3,4}}\b|\b({_MONTHS}|century|(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)\b"
        r"|\d+(年|月|日|世紀)|昭和|平成|令和|明治|大正",
    ),
    _kind(
        "number",
        r"\bhow (many|much|long|old|far|tall|big|often|large|high)\b|\bwhat (percent|number|amount)"
        rf"|いくつ|何({_COUNTERS})|どのくらい|どれくらい|いくら",
        rf"\d|\b({_NUMBERS})\b|[一二三四五六七八九十百千万億兆]+({_COUNTERS})",
    ),
    _kind(
        "person",
        r"\bwho(m|se)?\b|\bwhat (person|people|name)\b|誰|だれ|人物|何という人",
        rf"{_CAPITALIZED}|{_KATAKANA}|[\u4e00-\u9fff]{{2,}}",
    ),
    _kind(
        "place",
        r"\bwhere\b|\b(what|which) (city|country|state|place|location|region|continent)\b"
        r"|どこ|どの(国|都市|県|町|場所|地域)|何(県|市|町|国)",
        rf"\b(in|at|near|from|of|to) (the )?[A-Z]|{_KATAKANA}|[\u4e00-\u9fff]+[国県市町村区州島]",
    ),
    _kind(
        "reason",
        r"\bwhy\b|なぜ|どうして|理由|原因",
        r"\b([Bb]ecause|due to|since|so that|in order|reason)\b|ため|から|ので|理由|原因",
    ),
)


def kind_of(question: str) -> Kind | None:
    """What it asks for; None where that cannot be told."""
    return next((kind for kind in KINDS if kind.asks.search(question)), None)


def has_kind(kind: Kind, sentence: str, question: str) -> bool:
    """Whether the sentence has such a thing that the question does not have itself."""
    return any(hit[0] not in question for hit in kind.answers.finditer(sentence))
