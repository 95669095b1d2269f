"""What a project may use: its models, its hosted tools. Columns of the table of projects."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from owngpt.store.db import Row, Transaction

Mode = Literal["allow_list", "deny_list"]
HOSTED_TOOLS = ("file_search", "web_search", "image_generation", "mcp", "code_interpreter")


@dataclass(frozen=True, slots=True)
class ModelRule:
    """The models that a project may use, by name or alias: only these, or all but these."""

    mode: Mode
    names: tuple[str, ...]

    def permits(self, names: Collection[str]) -> bool:
        """Whether a model that goes by these names may be used."""
        is_listed = not set(self.names).isdisjoint(names)
        return is_listed == (self.mode == "allow_list")


def set_model_rule(transaction: Transaction, project_id: str, rule: ModelRule | None) -> None:
    """None: every model."""
    mode, names = (None, ()) if rule is None else (rule.mode, rule.names)
    transaction.execute(
        "UPDATE projects SET model_mode = ?, model_ids = ? WHERE id = ?", (mode, json.dumps(names), project_id)
    )


def model_rule(row: Row) -> ModelRule | None:
    """Of a row of projects."""
    return None if row["model_mode"] is None else ModelRule(row["model_mode"], tuple(json.loads(row["model_ids"])))


def set_disabled_tools(transaction: Transaction, project_id: str, tools: Iterable[str]) -> None:
    """These hosted tools are refused from now on, all others allowed."""
    transaction.execute("UPDATE projects SET disabled_tools = ? WHERE id = ?", (" ".join(sorted(tools)), project_id))


def disabled_tools(row: Row) -> frozenset[str]:
    """Of a row of projects."""
    return frozenset(row["disabled_tools"].split())
