"""Names of people in Latin letters: by title, by what is said of them, by a greeting, or because they are well known.

What this misses: rare names without any such sign. What it takes for names by mistake: companies that are called
like people.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from owngpt.trust.pii.entity import Entity
from owngpt.trust.pii.names_en import AMBIGUOUS, GIVEN, NOT_NAMES, SURNAMES
from owngpt.trust.pii.names_ja import ROMAJI_SURNAMES

_U = "A-ZÀ-ÖØ-ÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮİĶĹĻĽŁŃŅŇŌŎŐŒŔŖŘŚŜŞŠŢŤŨŪŬŮŰŲŴŶŸŹŻŽ"
_L = "a-zß-öø-ÿāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįıķĺļľłńņňōŏőœŕŗřśŝşšţťũūŭůűųŵŷźżž"
_WORD = rf"(?:[{_U}][{_L}]{{1,20}}(?:['-]?[{_U}][{_L}]{{1,20}}){{0,2}}|[{_U}]'[{_U}][{_L}]{{1,20}})"
_PARTICLE = r"(?:(?:von|van|der|den|de|da|di|del|della|dos|du|la|le|al|el|bin|ibn|ben|ter)[ \t]+){0,2}"
_MORE = rf"(?:[ \t]+(?:[{_U}]\.?(?![{_L}{_U}])|{_PARTICLE}{_WORD}))"
_NAME = rf"{_WORD}{_MORE}{{0,4}}"
_SMALL = rf"[{_L}]{{2,20}}(?:[ \t]+[{_L}]{{2,20}})?(?=[.!?,\n]|\Z)"  # a name that is written without capitals
_BOUND = rf"(?<![{_U}{_L}0-9_@./'-])"
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
_SMALL_PAIR = rf"[{_L}]{{2,20}}(?: [{_L}]\.?)? [{_L}]{{3,20}}(?=[ .,!?\n]|\Z)"
_SIGNS = tuple(  # what says that a name follows, and how sure that makes us
    (re.compile(pattern), score)
    for pattern, score in (
        (rf"{_BOUND}(?:{_TITLES})\.?[ \t]+(?P<pii>{_NAME})", 0.9),
        (rf"(?i:\b{_MY_NAME})[ \t:]{{1,3}}(?P<pii>{_NAME}|{_SMALL})", 0.85),
        (rf"(?i:\b(?:{_WHOSE})?name)[\"']?[ \t]{{0,3}}[:=][ \t]{{0,3}}[\"']?(?P<pii>{_NAME})(?![-_]?\d)", 0.85),
        (rf"(?m:^|(?<=[>*]))[ \t]*(?i:{_FIELDS})[ \t]{{0,2}}:[ \t]{{0,3}}\"?(?P<pii>{_NAME})", 0.75),
        (rf"(?P<pii>{_NAME})\"?[ \t]{{1,2}}<(?=[^\s<>@]{{1,64}}@)", 0.9),
        (rf"{_BOUND}(?i:{_GREETINGS}),?[ \t]+(?P<pii>{_NAME})(?=[ \t]?[,!.:\n]|\Z)", 0.75),
        (rf"(?i:{_CLOSINGS})[,.]?[ \t]{{0,3}}\n[ \t\n]{{0,4}}(?P<pii>{_NAME})(?=[ \t]*(?:\n|\Z))", 0.85),
        (rf"(?i:\b{_VERBS})[ \t]+(?P<pii>{_WORD}{_MORE}{{1,3}})", 0.6),
        (rf"(?m:^)[ \t]*(?P<pii>{_WORD}{_MORE}{{1,3}})(?=:[ \t]+[{_U}\"'])", 0.55),
        (rf"(?m:^)[ \t]*(?P<pii>{_WORD}{_MORE}{{1,3}})(?=[ \t]*\n(?:[^\n]{{0,60}}\n){{0,6}}[^\n]{{0,60}}\d)", 0.55),
        (rf"{_BOUND}(?P<pii>{_WORD}{_MORE}{{0,3}})[ \t]+(?={_DOES}\b)", 0.55),
        (rf"(?i:\b{_DONE})[ \t]+(?P<pii>{_NAME})(?![ \t]+(?:Street|Road|Avenue|University|Inc|Ltd))", 0.55),
        (rf"(?i:\b(?:{_WITH}))[ \t]+(?P<pii>{_WORD}{_MORE}{{1,3}}|{_SMALL_PAIR})", 0.6),
        (rf"{_BOUND}(?P<pii>{_WORD}{_MORE}{{1,3}})(?='s\b)", 0.5),
    )
)
_PAIR = re.compile(rf"{_BOUND}{_WORD}{_MORE}{{1,4}}(?!['-]?[{_L}])")
_ALONE = re.compile(rf"{_BOUND}{_WORD}(?![{_U}{_L}0-9_@'-]|\.[{_L}])|{_BOUND}{_WORD}(?='s\b)")
_CAPITALS = re.compile(rf"{_BOUND}[{_U}]{{2,20}}[ \t]+[{_U}][{_L}{_U}]{{1,20}}(?![{_U}{_L}0-9_@])")
_PLACE = re.compile(
    r"(?:San|Santa|Santo|St|Saint|Fort|Port|Lake|Mount|New|El|Los|Las|Cape|Glen|North|South|East|West)\.? $"
)
_COMPANY = re.compile(
    r"[ \t,]{1,2}(?:Inc|Ltd|LLC|Corp|Co|GmbH|PLC|plc|AG|SA|Group|Bank|University|College|Street|St|Avenue|Ave|Road|Rd|"
    r"Lane|Drive|Dr|Blvd|Foundation|Hospital|School|Award|Prize)\b"
)


class EnglishNames:
    """Finds names of people in text of Latin letters."""

    type = "PERSON"

    def find(self, text: str) -> Iterator[Entity]:
        for pattern, score in _SIGNS:
            for match in pattern.finditer(text):
                yield from _trimmed(text, *match.span("pii"), score)
        yield from _well_known(text)


def _well_known(text: str) -> Iterator[Entity]:
    for match in _PAIR.finditer(text):
        if not _COMPANY.match(text, match.end()):
            yield from _known_pair(match)
    for match in _CAPITALS.finditer(text):
        surname, given = map(_plain, match[0].split())
        if (surname in ROMAJI_SURNAMES and given in GIVEN) or (given in ROMAJI_SURNAMES and surname in GIVEN):
            yield Entity(match.start(), match.end(), "PERSON", 0.8, "english_known")
    for match in _ALONE.finditer(text):
        name = _plain(match[0])
        is_place = _PLACE.search(text[max(0, match.start() - 8) : match.start()])
        if name in GIVEN and name not in NOT_NAMES and name not in AMBIGUOUS and not is_place:
            yield Entity(match.start(), match.end(), "PERSON", 0.5, "english_given")


def _known_pair(match: re.Match[str]) -> Iterator[Entity]:
    """A given name that is known, and what follows it; or a surname that is known after anything."""
    parts = [_plain(part) for part in match[0].split()]
    first = next((i for i, part in enumerate(parts) if part not in NOT_NAMES), len(parts))
    if len(parts) - first < 2 or parts[-1] in NOT_NAMES:
        return
    start = match.start() + _offset(match[0], first)
    last_known = parts[-1] in SURNAMES or parts[-1] in ROMAJI_SURNAMES
    if parts[first] in GIVEN or (last_known and parts[first] in SURNAMES):
        is_sure = last_known or parts[first] not in AMBIGUOUS
        yield Entity(start, match.end(), "PERSON", (0.85 if last_known else 0.7) if is_sure else 0.4, "english_known")
    elif parts[first] in ROMAJI_SURNAMES and parts[-1] in GIVEN:
        yield Entity(start, match.end(), "PERSON", 0.8, "english_known")
    elif last_known:
        yield Entity(start, match.end(), "PERSON", 0.5, "english_surname")
    elif len(parts) - first <= 3 and not set(parts[first:]) & NOT_NAMES:  # may be a place or a company as well
        yield Entity(start, match.end(), "PERSON", 0.4, "english_capitals")


def _trimmed(text: str, start: int, end: int, score: float) -> Iterator[Entity]:
    """Without words in front that are no names, such as `Dear All`; in small letters, only names that are known."""
    parts = text[start:end].split()
    if text[start:end].islower() and parts[0] not in GIVEN:
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
