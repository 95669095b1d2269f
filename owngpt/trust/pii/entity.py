"""What is found: a span of text, its type, and how sure we are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from owngpt.trust.pii.window import Window

TYPES: Mapping[str, str] = {  # every type, with what it means
    "PERSON": "names of people",
    "EMAIL": "e-mail addresses",
    "PHONE": "telephone and fax numbers",
    "ADDRESS": "street and postal addresses, postal codes",
    "DATE_OF_BIRTH": "dates that are said to be of birth",
    "AGE": "ages of people",
    "MY_NUMBER": "Japan's individual numbers (マイナンバー), by their check digit",
    "CORPORATE_NUMBER": "Japan's corporate numbers (法人番号), by their check digit",
    "PASSPORT": "passport numbers",
    "DRIVER_LICENSE": "driver's licence numbers",
    "HEALTH_INSURANCE": "health insurance numbers",
    "US_SSN": "social security numbers",
    "NATIONAL_ID": "identification numbers of other countries (presidio's recognizers)",
    "BANK_ACCOUNT": "bank account numbers",
    "IBAN": "international bank account numbers",
    "CREDIT_CARD": "payment card numbers",
    "CRYPTO": "addresses of crypto currencies",
    "IP_ADDRESS": "IP and MAC addresses",
    "SECRET": "API keys, passwords, private keys, URLs with credentials",
    "URL": "web addresses",
}


@dataclass(frozen=True, slots=True)
class Entity:
    """`text[start:end]` is of this type. Scores are from 0 to 1; `source` names the rule that found it."""

    start: int
    end: int
    type: str
    score: float
    source: str

    def __len__(self) -> int:
        return self.end - self.start


class Recognizer(Protocol):
    """Finds entities of one type in text that is normalized already."""

    @property
    def type(self) -> str: ...

    def find(self, window: Window) -> Iterable[Entity]: ...


Accept = Callable[[str, float], bool]  # type, score -> whether it counts


def resolve(entities: Iterable[Entity]) -> list[Entity]:
    """Entities that do not overlap, in order, and that cover all that the given ones cover.

    Of two that overlap the longer one stays, of equals the surer one; where neither holds the other, the surer one
    takes the rest of both.
    """
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda each: (each.start, -each.end, -each.score, each.type, each.source)):
        last = kept[-1] if kept else None
        if last is None or entity.start >= last.end:
            kept.append(entity)
        elif entity.end > last.end:
            kept[-1] = _joined(last, entity)
    return kept


def _joined(one: Entity, other: Entity) -> Entity:
    surer = max(one, other, key=lambda each: (each.score, len(each)))
    return Entity(one.start, other.end, surer.type, surer.score, surer.source)


def replaced(text: str, entities: Sequence[Entity], write: Callable[[Entity], str]) -> str:
    """The text with each entity written anew; they must be in order, without overlaps."""
    pieces, end = [], 0
    for entity in entities:
        pieces += [text[end : entity.start], write(entity)]
        end = entity.end
    return "".join([*pieces, text[end:]])
