"""Names of people in Japanese text: by honorific, by label, by introduction, or as a common surname with a given name.

There are no spaces to tell words apart, so a name alone is believed only where both of its parts are known, or where
its neighbours say that it is one. What this misses: rare surnames without any such sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from owngpt.trust.pii.entity import Entity
from owngpt.trust.pii.names_ja import GIVEN, GIVEN_CHARACTERS, KATAKANA_SURNAMES, NOT_NAMES, PLACES, SURNAMES
from owngpt.trust.pii.window import Window

_K = r"一-龥々〆ヶ髙﨑濵邉"  # kanji, with forms that only names have
_NAME = (
    rf"[{_K}]{{1,3}}[ぁ-ん]{{2,4}}(?=[ \t\n、。,.)」様氏殿]|さん|\Z)"
    rf"|[{_K}]{{1,7}}(?:[ \t・][{_K}ぁ-んァ-ヴー]{{1,5}})?"
    r"|[ァ-ヴー]{2,8}(?:[ \t・=][ァ-ヴー]{2,10}){0,2}"
)
_HONORIFIC = (
    r"(?:様方|様|さま|さん|氏(?![名神族])|先生|殿(?![下堂])|どの|くん(?![ぁ-ん])|君(?![主臨])|ちゃん|女史|選手|教授"
    r"|医師|弁護士|部長|課長|係長|社長|主任|専務|常務|店長)"
)
_HONORIFICS = (
    *(
        "様",
        "さま",
        "さん",
        "氏",
        "先生",
        "殿",
        "どの",
        "くん",
        "君",
        "ちゃん",
        "女史",
        "選手",
        "教授",
        "医師",
        "弁護士",
    ),
    *("部長", "課長", "係長", "社長", "主任", "専務", "常務", "店長"),
)
_BY_HONORIFIC = re.compile(rf"(?<![{_K}ァ-ヴー])(?P<pii>{_NAME})[ \t]?(?P<title>{_HONORIFIC})")
_WHO = (
    "氏名|お?名前|ご?芳名|姓名|フルネーム|担当(?:者|医|営業|窓口)?|契約者|申込者|申請者|被保険者|患者|世帯主|保護者"
    "|代表者|代表取締役|連絡者|宛名?先?|差出人|依頼人|振込人|口座名義人?|名義人?|受取人|送付先|配偶者|署名|記入者"
    "|作成者|承認者|起票者|発信者|報告者|責任者|会員名|顧客名|お客様名|フリガナ|ふりがな|カナ|ヨミ"
)
_LABEL = re.compile(
    rf"(?:{_WHO})(?:名|氏名|のお名前|の氏名)?(?:\([^)\n]{{0,8}}\))?[\"']?"
    r"[ \t]{0,3}(?:[:=はが][ \t\n\"']{0,3}|\n[ \t]{0,3}|[ \t]{1,3})"
    rf"(?P<pii>{_NAME}|[ぁ-ん]{{2,6}}[ \t]?[ぁ-ん]{{2,6}})"
)
_I = r"(?:私|僕|わたし|わたくし|俺)(?:の名前)?は[、 ]?"
_ME = ("私", "僕", "わたし", "わたくし", "俺")
_SAYING = ("と申し", "と言い", "といい", "という")
_INTRODUCTION = re.compile(
    rf"(?:{_I}|(?<=[のは、。\n 「])|^)(?P<pii>{_NAME})(?=と(?:申し|言い|いい|いう者)|という(?:名前|者))", re.MULTILINE
)
_I_AM = re.compile(rf"{_I}(?P<pii>{_NAME})(?=です|だ[。よ]|と申)")
_JAPANESE = re.compile(rf"[{_K}ぁ-んァ-ヴ]")
_RUN = re.compile(rf"[{_K}]{{2,12}}(?:[ \t][{_K}]{{1,4}})?|[{_K}]{{1,4}}[ \t]?[ぁ-ん]{{2,4}}(?![ぁ-ん])")
_ALONE = re.compile(
    rf"(?<![{_K}ァ-ヴー])(?P<pii>[{_K}]{{2,3}})(?=(?:が|は|も|に|と|から|より|宛)(?![ぁ-ん]{{0,1}}(?:、|。)))"
)
_TELLING = "子郎介輔斗翔香菜奈太"  # at the end of given names, and of few other words
_OFFICES = ("業者", "会社", "銀行", "担当", "学校", "病院", "委員", "部", "課", "社", "係", "店", "省", "庁")


class JapaneseNames:
    """Finds names of people in Japanese."""

    type = "PERSON"

    def find(self, window: Window) -> Iterator[Entity]:
        text = window.text
        if window.is_ascii or _JAPANESE.search(text) is None:
            return
        if window.has(_HONORIFICS):
            yield from _by_honorific(text)
        yield from _named(text, _LABEL, "japanese_label", 0.9)
        if window.has(_SAYING):
            yield from _named(text, _INTRODUCTION, "japanese_introduction", 0.9)
        if window.has(_ME):
            yield from _named(text, _I_AM, "japanese_introduction", 0.75)
        for match in _ALONE.finditer(text):
            if match["pii"] in SURNAMES and match["pii"] not in PLACES:
                yield Entity(*match.span("pii"), "PERSON", 0.5, "japanese_surname")
        for run in _RUN.finditer(text):
            found = _full_name(run[0]) or _by_given_name(run[0])
            if found is not None:
                length, score = found
                yield Entity(run.start(), run.start() + length, "PERSON", score, "japanese_full_name")


def _by_honorific(text: str) -> Iterator[Entity]:
    for match in _BY_HONORIFIC.finditer(text):
        name = match["pii"]
        if not _is_nobody(name):
            ends_well = name[-1] in GIVEN_CHARACTERS or "ぁ" <= name[-1] <= "ん"
            is_likely = len(name) > 1 and (len(name) <= 4 or " " in name or ends_well)
            score = 0.92 if _surname(name) else (0.6 if is_likely else 0.4)
            yield Entity(*match.span("pii"), "PERSON", score, "japanese_honorific")


def _named(text: str, pattern: re.Pattern[str], source: str, score: float) -> Iterator[Entity]:
    for match in pattern.finditer(text):
        if not _is_nobody(match["pii"]):
            is_said = text[match.start("pii") - 1] in "はが" and " " not in match["pii"]  # more than names follow these
            unknown = score - (0.5 if is_said and source == "japanese_label" else 0.3)
            yield Entity(*match.span("pii"), "PERSON", score if _surname(match["pii"]) else unknown, source)


def _surname(name: str) -> str:
    """The longest surname that the name begins with; empty if there is none."""
    parts = name.replace("・", " ").split()
    if parts and parts[0] in KATAKANA_SURNAMES:
        return parts[0]
    return next((name[:length] for length in (4, 3, 2, 1) if len(name) >= length and name[:length] in SURNAMES), "")


def _is_nobody(name: str) -> bool:
    return name in NOT_NAMES or (not _surname(name) and name.endswith(_OFFICES))


def _full_name(run: str) -> tuple[int, float] | None:
    """Length and score of a surname that is known with a given name, at the beginning of a run of kanji."""
    for length in (4, 3, 2, 1):
        surname, rest = run[:length], run[length:]
        if surname in SURNAMES and rest:
            found = _given_name(rest, is_short=length == 1)
            if found is not None:
                return length + found[0], found[1]
    return None


def _by_given_name(run: str) -> tuple[int, float] | None:
    """The same by a given name that is known, at the end of a run of kanji or apart from them."""
    surname, _, given = run.partition(" ")
    if given:
        return (len(run), 0.6) if given in GIVEN and len(surname) <= 4 else None
    cut = next((cut for cut in (3, 2) if len(run) > cut + 1 and run[-cut:] in GIVEN), 0)
    return (len(run), 0.5) if cut and len(run) <= 6 and run[-1] in _TELLING else None


def _given_name(rest: str, *, is_short: bool) -> tuple[int, float] | None:
    """The same for what follows a surname; short surnames are words as well, so they prove less."""
    given = rest.lstrip(" \t")
    is_apart = len(given) < len(rest)
    if given in GIVEN:
        return len(rest), 0.85 if is_apart or not is_short else 0.55
    if is_short:
        return None
    if 2 <= len(given) <= 3 and all(character in GIVEN_CHARACTERS for character in given):
        return len(rest), 0.75 if is_apart else 0.55
    cut = next((cut for cut in (3, 2) if given[:cut] in GIVEN and len(given) > cut), 0)  # 田中太郎宛
    return (cut, 0.6) if cut and not is_apart else None
