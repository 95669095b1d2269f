"""Names of people in Latin letters: by title, by what is said of them, by a greeting, or because they are well known.

What this misses: rare names without any such sign. What it takes for names by mistake: companies that are called
like people.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from owngpt.trust.pii.entity import Entity
from owngpt.trust.pii.names_abroad import GIVEN_ABROAD, SURNAME_ENDING
from owngpt.trust.pii.names_en import AMBIGUOUS, GIVEN, NOT_NAMES, SURNAMES
from owngpt.trust.pii.names_ja import ROMAJI_SURNAMES
from owngpt.trust.pii.window import Window

_U = "A-ZÀ-ÖØ-ÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮİĶĹĻĽŁŃŅŇŌŎŐŒŔŖŘŚŜŞŠŢŤŨŪŬŮŰŲŴŶŸŹŻŽ"
_L = "a-zß-öø-ÿāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįıķĺļľłńņňōŏőœŕŗřśŝşšţťũūŭůűųŵŷźżž"
_WORD = rf"(?:[{_U}][{_L}]{{1,20}}(?:['-]?[{_U}][{_L}]{{1,20}}){{0,2}}|[{_U}]'[{_U}][{_L}]{{1,20}})"
_PARTICLE = r"(?:(?:von|van|der|den|de|da|di|del|della|dos|du|la|le|al|el|bin|ibn|ben|ter)[ \t]+){0,2}"
_MORE = rf"(?:[ \t]+(?:[{_U}]\.?(?![{_L}{_U}])|{_PARTICLE}{_WORD}))"
_NAME = rf"{_WORD}{_MORE}{{0,4}}"
_SMALL = rf"[{_L}]{{2,20}}(?:[ \t]+[{_L}]{{2,20}})?(?=[.!?,\n]|\Z)"  # a name that is written without capitals
_BOUND = rf"(?<![{_U}{_L}0-9_@./'-])"
_GIVEN = GIVEN | GIVEN_ABROAD
_FIRST = (  # _BOUND and _WORD, written so that a search can leap to the next capital
    rf"[{_U}](?<![{_U}{_L}0-9_@./'-][{_U}])"
    rf"(?:[{_L}]{{1,20}}(?:['-]?[{_U}][{_L}]{{1,20}}){{0,2}}|'[{_U}][{_L}]{{1,20}})"
)
_TITLES = "Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Madam|Lady|Lord|Herr|Frau|Monsieur|Madame|Señora?|MR|MRS|MS|DR"
_MY_NAME = (
    r"my (?:full |first |last |real )?name(?:'s| is| was)?|\bname is|\bnamed|\bi am called|\bcall me"
    r"|\bname on (?:the|my|your) \w{1,12} is"
)
_WHOSE = (
    "full |first |last |middle |given |family |sur|maiden |customer |client |patient |employee |contact |card ?holder |"
    "account ?holder |holder |user ?"
)
_FIELDS = (
    "from|to|cc|bcc|sender|recipient|attn|attention|author|signed|contact|owner|assignee|reviewed-by|signed-off-by|"
    "co-authored-by"
)
_GREETINGS = "dear|hi|hello|hey|thanks|thank you|congratulations|good (?:morning|afternoon|evening)"
_CLOSINGS = "regards|sincerely|cheers|best wishes|yours truly|thanks|respectfully|yours faithfully|love"
_VERBS = (
    r"i'?m|\bi am|\bthis is|\bspeaking with|\bspeak (?:to|with)|\bmeet|\bask for|\bcontact|\bsigned by|\bborn to"
    r"|\bmarried to|\bson of|\bdaughter of|\bby"
)
_DOES = (  # what people do, and little else
    r"(?:said|says|lives|lived|told|asked|replied|answered|wrote|thinks|thought|knows|knew|married|died|was born"
    r"|is from|came from|works (?:at|for)|worked (?:at|for)|joined|spent a|had given|called me|phoned|retired|resigned)"
)
_DONE = r"(?:said|asked|told|named (?:him|her|them)|directed by|written by|sung by|played by|starring|mr and mrs)"
_WITH = (
    r"follow(?:ing)? up with|spoke (?:with|to)|talk(?:ed)? (?:with|to)|meeting with|appointment with|on behalf of"
    r"|under (?:the name )?|partner'?s name|wife'?s name|husband'?s name|guardian|your name\?|we need to add"
)
_ROLE = (  # who somebody is, before the name
    r"(?:brother|sister|mother|father|son|daughter|wife|husband|uncle|aunt|cousin|nephew|niece|friend|colleague|boss|"
    r"neighbou?r|assistant to|secretary|singer|songwriter|actor|actress|player|author|writer|poet|painter|composer|"
    r"journalist|reporter|lawyer|attorney|senator|judge|officer|detective|minister|president|chairman|founder|director|"
    r"manager|teacher|coach|captain|nurse|engineer|scientist|researcher|CEO|everyone calls me|people call me)"
)
_SMALL_PAIR = rf"[{_L}]{{2,20}}(?: [{_L}]\.?)? [{_L}]{{3,20}}(?=[ .,!?\n]|\Z)"


class _Sign(NamedTuple):
    """What says that a name follows or precedes, and how sure that makes us."""

    needs: Sequence[str]  # one of these is in each match, or right behind it
    pattern: re.Pattern[str]
    score: float


def _sign(needs: str, pattern: str, score: float) -> _Sign:
    return _Sign(needs.split("|"), re.compile(pattern), score)


_SMALL_SIGNS = (  # after these, names may be written without capitals
    _sign("name|i am called|call me", rf"(?i:\b{_MY_NAME})[ \t:]{{1,3}}(?P<pii>{_NAME}|{_SMALL})", 0.85),
    _sign(
        "follow|spoke |talk|meeting with|appointment with|on behalf of|under |name|guardian|need to add",
        rf"(?i:\b(?:{_WITH}))[ \t]+(?P<pii>{_WORD}{_MORE}{{1,3}}|{_SMALL_PAIR})",
        0.6,
    ),
)
_SIGNS = (
    *_SMALL_SIGNS,
    _sign(
        "mr|mrs|ms|miss|mx|dr|prof|sir|madam|lady|lord|herr|frau|monsieur|señor",
        rf"{_BOUND}(?:{_TITLES})\.?[ \t]+(?P<pii>{_NAME})",
        0.9,
    ),
    _sign(
        "name", rf"(?i:\b(?:{_WHOSE})?name)[\"']?[ \t]{{0,3}}[:=][ \t]{{0,3}}[\"']?(?P<pii>{_NAME})(?![-_]?\d)", 0.85
    ),
    _sign(":", rf"(?m:^|(?<=[>*]))[ \t]*(?i:{_FIELDS})[ \t]{{0,2}}:[ \t]{{0,3}}\"?(?P<pii>{_NAME})", 0.75),
    _sign("<", rf"(?P<pii>{_NAME})\"?[ \t]{{1,2}}<(?=[^\s<>@]{{1,64}}@)", 0.9),
    _sign(
        "dear|hi |hi,|hello|hey|thank|congratulations|good ",
        rf"{_BOUND}(?i:{_GREETINGS}),?[ \t]+(?P<pii>{_NAME})(?=[ \t]?[,!.:\n]|\Z)",
        0.75,
    ),
    _sign(
        "regards|sincerely|cheers|wishes|yours |thanks|respectfully|love",
        rf"(?i:{_CLOSINGS})[,.]?[ \t]{{0,3}}\n[ \t\n]{{0,4}}(?P<pii>{_NAME})(?=[ \t]*(?:\n|\Z))",
        0.85,
    ),
    _sign(
        "im |i'm |i am |this is |speak|meet |ask for |contact |signed by |born to |married to |son of |"
        "daughter of |by ",
        rf"(?i:\b{_VERBS})[ \t]+(?P<pii>{_WORD}{_MORE}{{1,3}})",
        0.6,
    ),
    _sign(": ", rf"(?m:^)[ \t]*(?P<pii>{_WORD}{_MORE}{{1,3}})(?=:[ \t]+[{_U}\"'])", 0.55),
    _sign(
        "\n", rf"(?m:^)[ \t]*(?P<pii>{_WORD}{_MORE}{{1,3}})(?=[ \t]*\n(?:[^\n]{{0,60}}\n){{0,6}}[^\n]{{0,60}}\d)", 0.55
    ),
    _sign(
        "said|says|live|told|asked|replied|answered|wrote|think|thought|know|knew|married|died|was born|"
        "is from|came from|work|joined|spent a|had given|called me|phoned|retired|resigned",
        rf"{_BOUND}(?P<pii>{_WORD}{_MORE}{{0,3}})[ \t]+(?={_DOES}\b)",
        0.55,
    ),
    _sign(
        "said |asked |told |named |directed by|written by|sung by|played by|starring|mr and mrs",
        rf"(?i:\b{_DONE})[ \t]+(?P<pii>{_NAME})(?![ \t]+(?:Street|Road|Avenue|University|Inc|Ltd))",
        0.55,
    ),
    _sign(
        "er |or |other |son |wife |husband |aunt |uncle |cousin |nephew |niece |friend |league |boss |assistant to |"
        "secretary |actress |poet |journalist |lawyer |attorney |judge |detective |president |chairman |coach |"
        "captain |nurse |scientist |ceo |call me |calls me ",
        rf"(?i:\b{_ROLE})[ \t]+(?P<pii>{_NAME})(?![ \t]+(?:Street|Road|Avenue|University|Inc|Ltd|Group|Bank))",
        0.55,
    ),
    _sign("'s", rf"{_BOUND}(?P<pii>{_WORD}{_MORE}{{1,3}})(?='s\b)", 0.5),
)
_PAIR = re.compile(rf"{_FIRST}{_MORE}{{1,4}}(?!['-]?[{_L}])")
_ALONE = re.compile(rf"{_FIRST}(?:(?![{_U}{_L}0-9_@'-]|\.[{_L}])|(?='s\b))")
_CAPITALS = re.compile(
    rf"[{_U}](?<![{_U}{_L}0-9_@./'-][{_U}])[{_U}]{{1,19}}[ \t]+[{_U}][{_L}{_U}]{{1,20}}(?![{_U}{_L}0-9_@])"
)
_CAPITAL = re.compile(f"[{_U}]")
_PLACE = re.compile(
    r"(?:San|Santa|Santo|St|Saint|Fort|Port|Lake|Mount|New|El|Los|Las|Cape|Glen|North|South|East|West)\.? $"
)
_PLACE_BEFORE = re.compile(r"(?:\d[A-Za-z]?,?|\b(?:at|on|in|near|from|to|of|via|de|du|la|le|di))[ \t]+\Z")
_NUMBER_BEHIND = re.compile(r",?[ \t]+\d")
_COMPANY = re.compile(
    r"[ \t,]{1,2}(?:Inc|Ltd|LLC|Corp|Co|GmbH|PLC|plc|AG|SA|Group|Bank|University|College|Street|St|Avenue|Ave|Road|Rd|"
    r"Lane|Drive|Dr|Blvd|Foundation|Hospital|School|Award|Prize)\b"
)


class EnglishNames:
    """Finds names of people in text of Latin letters."""

    type = "PERSON"

    def find(self, window: Window) -> Iterator[Entity]:
        text = window.text
        has_capital = _CAPITAL.search(text) is not None
        for sign in _SIGNS if has_capital else _SMALL_SIGNS:
            if window.has(sign.needs):
                for match in sign.pattern.finditer(text):
                    yield from _trimmed(text, *match.span("pii"), sign.score)
        if has_capital:
            yield from _well_known(text)


def _well_known(text: str) -> Iterator[Entity]:
    for match in _PAIR.finditer(text):
        if not _COMPANY.match(text, match.end()):
            before = _PLACE_BEFORE.search(text[max(0, match.start() - 12) : match.start()])
            yield from _known_pair(match, is_place=bool(before or _NUMBER_BEHIND.match(text, match.end())))
    for match in _CAPITALS.finditer(text):
        surname, given = map(_plain, match[0].split())
        if (surname in ROMAJI_SURNAMES and given in _GIVEN) or (given in ROMAJI_SURNAMES and surname in _GIVEN):
            yield Entity(match.start(), match.end(), "PERSON", 0.8, "english_known")
    for match in _ALONE.finditer(text):
        name = _plain(match[0])
        is_place = _PLACE.search(text[max(0, match.start() - 8) : match.start()])
        if name in _GIVEN and name not in NOT_NAMES and name not in AMBIGUOUS and not is_place:
            yield Entity(match.start(), match.end(), "PERSON", 0.5, "english_given")


def _known_pair(match: re.Match[str], *, is_place: bool) -> Iterator[Entity]:
    """A given name that is known, and what follows it; or a surname that is known after anything."""
    parts = [_plain(part) for part in match[0].split()]
    first = next((i for i, part in enumerate(parts) if part not in NOT_NAMES), len(parts))
    if len(parts) - first < 2 or parts[-1] in NOT_NAMES:
        return
    start = match.start() + _offset(match[0], first)
    last_known = parts[-1] in SURNAMES or parts[-1] in ROMAJI_SURNAMES
    if parts[first] in _GIVEN or (last_known and parts[first] in SURNAMES):
        is_sure = last_known or parts[first] not in AMBIGUOUS
        yield Entity(start, match.end(), "PERSON", (0.85 if last_known else 0.7) if is_sure else 0.4, "english_known")
    elif parts[first] in ROMAJI_SURNAMES and parts[-1] in _GIVEN:
        yield Entity(start, match.end(), "PERSON", 0.8, "english_known")
    elif last_known:
        yield Entity(start, match.end(), "PERSON", 0.5, "english_surname")
    elif not is_place and not set(parts[first:]) & NOT_NAMES and _looks_foreign(match[0], parts[-1]):
        yield Entity(start, match.end(), "PERSON", 0.5, "english_foreign")
    elif len(parts) - first <= 3 and not set(parts[first:]) & NOT_NAMES:  # may be a place or a company as well
        yield Entity(start, match.end(), "PERSON", 0.4, "english_capitals")


def _looks_foreign(name: str, surname: str) -> bool:
    """Whether a surname ends as many do, or letters have accents that English words do not have."""
    return SURNAME_ENDING.fullmatch(surname) is not None or not name.isascii()


def _trimmed(text: str, start: int, end: int, score: float) -> Iterator[Entity]:
    """Without words in front that are no names, such as `Dear All`; in small letters, only names that are known."""
    parts = text[start:end].split()
    if text[start:end].islower() and parts[0] not in _GIVEN:
        return
    first = next((i for i, part in enumerate(parts) if _plain(part) not in NOT_NAMES), len(parts))
    if first < len(parts):
        yield Entity(start + _offset(text[start:end], first), end, "PERSON", score, "english_sign")


def _offset(text: str, number: int) -> int:
    """Where the part of that number begins."""
    place = 0
    for _ in range(number):
        place += len(text[place:].split(maxsplit=1)[0])
        place += len(text[place:]) - len(text[place:].lstrip())
    return place


def _plain(word: str) -> str:
    """Lower case, without accents and dots."""
    decomposed = word if word.isascii() else unicodedata.normalize("NFD", word)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).strip(".'-").lower()
