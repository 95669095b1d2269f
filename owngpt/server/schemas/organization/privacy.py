"""The body of POST /v1/organization/projects/{project_id}/privacy, and its way into a policy."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from owngpt.server.schemas.base import Few, WireModel
from owngpt.service.privacy import Policy
from owngpt.service.privacy.policy import EntityRule, check_kinds

Action = Literal["off", "mask", "block"]
Threshold = Annotated[float, Field(ge=0, le=1)]


class EntityPolicy(WireModel):
    """What happens to one type; what is left out is as for all."""

    action: Action | None = None
    threshold: Threshold | None = None


def _entity(value: Any) -> Any:
    """An action alone says enough."""
    return {"action": value} if isinstance(value, str) else value


class UpdatePrivacy(WireModel):
    """A whole policy: what is left out gets its default, not its former value."""

    mode: Action
    threshold: Threshold | None = None
    restore: bool | None = None
    entities: Annotated[dict[str, Annotated[EntityPolicy, BeforeValidator(_entity)]], Few] | None = None


def to_policy(body: UpdatePrivacy) -> Policy:
    """Wire -> `Policy`. Raises `InvalidRequest` for types that nobody looks for."""
    entities = body.entities or {}
    check_kinds(entities)
    default = Policy()
    return Policy(
        body.mode,
        default.threshold if body.threshold is None else body.threshold,
        default.restore if body.restore is None else body.restore,
        {kind: EntityRule(entity.action, entity.threshold) for kind, entity in entities.items()},
    )
