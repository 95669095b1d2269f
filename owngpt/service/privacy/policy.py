"""A project's policy: what happens to which type of personal data, from which score on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Literal, get_args

from owngpt.errors import InvalidRequest
from owngpt.trust.pii import TYPES

Action = Literal["off", "mask", "block"]
ACTIONS: tuple[Action, ...] = get_args(Action)
ASKED = frozenset({"URL", "CORPORATE_NUMBER", "NATIONAL_ID"})  # off unless a policy names them: see docs/privacy.md


@dataclass(frozen=True, slots=True)
class EntityRule:
    """What happens to one type; None: as the policy has it for all."""

    action: Action | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What happens to personal data. `restore`: the caller's own values come back to the caller."""

    mode: Action = "off"
    threshold: float = 0.5
    restore: bool = True
    entities: Mapping[str, EntityRule] = field(default_factory=dict)

    @property
    def is_on(self) -> bool:
        """Whether anything is looked for at all."""
        return any(self.action(kind) != "off" for kind in TYPES)

    def action(self, kind: str) -> Action:
        """What happens to a type."""
        rule = self.entities.get(kind)
        if rule is not None and rule.action is not None:
            return rule.action
        return "off" if kind in ASKED else self.mode

    def minimum(self, kind: str) -> float:
        """From which score on a type counts."""
        rule = self.entities.get(kind)
        return self.threshold if rule is None or rule.threshold is None else rule.threshold

    def accepts(self, kind: str, score: float) -> bool:
        """Whether what was found counts."""
        return score >= self.minimum(kind) and self.action(kind) != "off"

    def document(self) -> dict[str, Any]:
        """As JSON values, with every type as it applies."""
        entities = {kind: {"action": self.action(kind), "threshold": self.minimum(kind)} for kind in TYPES}
        return {"mode": self.mode, "threshold": self.threshold, "restore": self.restore, "entities": entities}

    def write(self) -> str:
        """As stored: only what was set."""
        entities = {kind: {"action": rule.action, "threshold": rule.threshold} for kind, rule in self.entities.items()}
        return json.dumps(
            {"mode": self.mode, "threshold": self.threshold, "restore": self.restore, "entities": entities}
        )

    @classmethod
    def read(cls, text: str) -> Policy:
        """From what `write` made."""
        values = json.loads(text)
        rules = {kind: EntityRule(**rule) for kind, rule in values.pop("entities").items()}
        return cls(**values, entities=rules)


def check_kinds(kinds: Mapping[str, object]) -> None:
    """Raise `InvalidRequest` for a type that nobody looks for, here."""
    if "NATIONAL_ID" in kinds and find_spec("presidio_analyzer") is None:
        raise InvalidRequest(
            "NATIONAL_ID needs presidio's recognizers, which are not installed: `pip install 'owngpt[privacy]'`.",
            param="entities",
            code="invalid_value",
        )
    for kind in kinds:
        if kind not in TYPES:
            raise InvalidRequest(
                f"Invalid value for 'entities': {kind[:40]!r} is not a type of personal data; the types are "
                f"{', '.join(TYPES)}.",
                param="entities",
                code="invalid_value",
            )
