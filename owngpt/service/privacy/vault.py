"""Placeholders and what they stand for, in one conversation. Never written anywhere but sealed (`seal.py`)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PLACEHOLDER = re.compile(r"<([A-Z][A-Z_]{1,24})_([0-9]{1,9})>")
LITERAL = "TEXT"  # the type of what somebody wrote that looks like a placeholder: nobody can forge one


@dataclass(frozen=True, slots=True)
class Secret:
    """What a placeholder stands for."""

    kind: str
    value: str
    is_own: bool  # the caller sent it; otherwise the model said it first


class Vault:
    """The same value always has the same placeholder, and no placeholder stands for two values."""

    def __init__(self) -> None:
        self._secrets: dict[str, Secret] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Secret]:
        return iter(self._secrets.values())

    def __len__(self) -> int:
        return len(self._secrets)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many values of each type there are."""
        return Counter(secret.kind for secret in self if secret.kind != LITERAL)

    def put(self, kind: str, value: str, *, is_own: bool) -> str:
        """The placeholder of a value, made now if there is none."""
        known = self._names.get((kind, value))
        if known is not None:
            if is_own and not self._secrets[known].is_own:
                self._secrets[known] = Secret(kind, value, True)
            return known
        self._counts[kind] += 1
        name = f"<{kind}_{self._counts[kind]}>"
        self._names[kind, value] = name
        self._secrets[name] = Secret(kind, value, is_own)
        return name

    def get(self, name: str) -> Secret | None:
        """What a placeholder stands for; None if it is not one of ours."""
        return self._secrets.get(name)

    def owns(self, value: str) -> bool:
        """Whether the caller sent this very value."""
        return any(secret.value == value and secret.is_own for secret in self)

    def reserve(self, text: str) -> None:
        """Give none of the numbers that stand in this text: what they stood for is not known any more."""
        for kind, number in PLACEHOLDER.findall(text):
            self._counts[kind] = max(self._counts[kind], int(number))

    def write(self) -> str:
        """As JSON."""
        values = {name: [secret.kind, secret.value, secret.is_own] for name, secret in self._secrets.items()}
        return json.dumps({"secrets": values, "counts": self._counts})

    @classmethod
    def read(cls, text: str) -> Vault:
        """From what `write` made."""
        document: dict[str, Any] = json.loads(text)
        vault = cls()
        for name, (kind, value, is_own) in document["secrets"].items():
            vault._secrets[name] = Secret(kind, value, is_own)
            vault._names[kind, value] = name
        vault._counts.update(document["counts"])
        return vault
