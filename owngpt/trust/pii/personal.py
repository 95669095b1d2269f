"""Dates of birth and ages."""

from __future__ import annotations

import re

from owngpt.trust.pii.rules import Rule

_ERA = r"(?:明治|大正|昭和|平成|令和|[MTSHR])\s?(?:\d{1,2}|元)[年./-]\s?\d{1,2}[月./-]\s?\d{1,2}日?"
_MONTH = (
    r"(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_NUMERIC = (
    r"\d{4}\s?[-/.年]\s?\d{1,2}\s?[-/.月]\s?\d{1,2}日?|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})|(?:19|20)\d{6}(?!\d)"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
DATE = rf"(?:{_NUMERIC}|{_ERA}|{_MONTH} {_DAY},? \d{{4}}|{_DAY}(?: of)? {_MONTH},? \d{{4}})"

_BIRTH = (
    r"(?:生年月日|誕生日|生まれた日"
    r"|(?i:\bd\.?o\.?b\.?|date.of.birth|birth.?date|birthday|born)(?i: is| was)?(?i: on| in)?)"
)
_YEARS = r"(?:[ -]?(?:(?i:years?|yrs?|y)[ -]?(?i:old|o\b)|(?i:yo|y/o)\b)|\s?[歳才](?!以|未|から|時|児|用|の誕))"

RULES = (
    Rule(
        "DATE_OF_BIRTH",
        "birth_label",
        re.compile(rf"{_BIRTH}[\"']?\)?\s{{0,3}}[:はが=]?\s{{0,3}}[\"']?(?P<pii>{DATE})"),
        0.92,
        needs=("生年月日", "誕生日", "生まれた日", "dob", "d.o", "do.b", "birth", "born"),
    ),
    Rule(
        "DATE_OF_BIRTH",
        "born_then",
        re.compile(rf"(?=[\dA-Za-z明大昭平令])(?<!\d)(?P<pii>{DATE})\s?(?:に?生まれ|生(?![産成活徒地]))"),
        0.9,
        digits=0,
        needs=("生",),
    ),
    Rule("AGE", "age", re.compile(rf"(?<![\d.,$€£¥-])(?P<pii>1?\d{{1,2}}){_YEARS}"), 0.75, needs=("y", "歳", "才")),
    Rule(
        "AGE",
        "age_reached",
        re.compile(
            r"(?i:\b(?:turn(?:ed|s|ing)|when (?:he|she|they|i) (?:was|were)))[ ](?P<pii>1?\d{1,2})"
            r"(?=[.,;!?\n]|\Z| (?i:in|on|this|last|next)\b)"
        ),
        0.7,
        needs=("turn", "when "),
    ),
    Rule(
        "AGE",
        "age_label",
        re.compile(
            r"(?:年齢|(?<![A-Za-z])(?i:aged?))(?i: of| is)?\s?[:は=]?\s?(?P<pii>1?\d{1,2})"
            r"(?![\d.%-])(?! ?(?i:days|weeks|months|minutes|hours))"
        ),
        0.7,
        needs=("年齢", "age"),
    ),
)
