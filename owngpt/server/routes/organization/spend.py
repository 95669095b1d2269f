"""spend_limit and spend_alerts of the organization and of each project. Costs are those of calendar months (UTC)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from starlette.routing import Route

from owngpt.server.routes.organization.desk import Change, Desk, Document, deleting, reading, writing
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.server.schemas.organization.limits import (
    SpendAlertBody,
    UpdateSpendLimit,
    spend_alert_document,
    spend_limit_document,
)
from owngpt.store import spend
from owngpt.store.projects import Project
from owngpt.store.spend import ORGANIZATION
from owngpt.store.usage import month_of


def retrieve_spend_limit(desk: Desk) -> Document:
    """Raises `NotFound` where none is set."""
    return _limit_document(desk)


def update_spend_limit(change: Change, body: UpdateSpendLimit) -> Document:
    """Set or replace it; it holds within two seconds, here at once."""
    project = _project(change)
    spend.set_limit(change.transaction, change.organization_id, _owner(change), body.threshold_amount)
    change.log("tenant.billing.overage_limit.updated", None, project, threshold_amount=body.threshold_amount)
    return _limit_document(change)


def delete_spend_limit(change: Change) -> Document:
    """From now on a month may cost what it costs."""
    project = _project(change)
    spend.delete_limit(change.transaction, change.organization_id, _owner(change))
    change.log("tenant.billing.overage_limit.updated", None, project, threshold_amount=None)
    return {"object": f"{_word(change)}.spend_limit.deleted", "deleted": True}


def list_spend_alerts(desk: Desk) -> Document:
    page = page_request(desk.request, default_order="asc")
    alerts, has_more = spend.alerts_of(desk.db, desk.organization_id, _owner(desk), page)
    return list_document([spend_alert_document(alert) for alert in alerts], has_more)


def create_spend_alert(change: Change, body: SpendAlertBody) -> Document:
    """A new one; it is triggered when costs come in that reach its threshold."""
    project, channel = _project(change), body.notification_channel
    alert = spend.add_alert(
        change.transaction,
        change.organization_id,
        _owner(change),
        body.threshold_amount,
        channel.recipients,
        channel.subject_prefix,
    )
    change.log("tenant.billing.alerts.updated", alert.id, project, threshold_amount=alert.threshold_amount)
    return spend_alert_document(alert)


def retrieve_spend_alert(desk: Desk) -> Document:
    return spend_alert_document(_alert(desk))


def update_spend_alert(change: Change, body: SpendAlertBody) -> Document:
    """Replace it. With another threshold it can be triggered again in this month."""
    project, former, channel = _project(change), _alert(change), body.notification_channel
    alert = replace(
        former,
        threshold_amount=body.threshold_amount,
        recipients=tuple(channel.recipients),
        subject_prefix=channel.subject_prefix,
    )
    spend.update_alert(change.transaction, former, alert)
    change.log("tenant.billing.alerts.updated", alert.id, project, threshold_amount=alert.threshold_amount)
    return spend_alert_document(_alert(change))


def delete_spend_alert(change: Change) -> Document:
    project, alert = _project(change), _alert(change)
    spend.delete_alert(change.transaction, alert)
    change.log("tenant.billing.alerts.updated", alert.id, project, deleted=True)
    return {"object": f"{_word(change)}.spend_alert.deleted", "id": alert.id, "deleted": True}


def _limit_document(desk: Desk) -> Document:
    owner = _owner(desk)
    cents = spend.limit_of(desk.read, desk.organization_id, owner)
    if cents is None:
        raise spend.no_limit()
    standing = spend.standing_of(desk.read, desk.organization_id, owner, month_of(time.time()))
    return spend_limit_document(_word(desk), cents, standing)


def _alert(desk: Desk) -> spend.SpendAlert:
    return spend.find_alert(desk.read, desk.organization_id, _owner(desk), desk.path("alert_id"))


def _project(desk: Desk) -> Project | None:
    """The project that the URL names, if it names one; where something is changed, it must not be archived."""
    return desk.project if "project_id" in desk.request.path_params else None


def _owner(desk: Desk) -> str:
    project = _project(desk)
    return ORGANIZATION if project is None else project.id


def _word(desk: Desk) -> str:
    return "organization" if _owner(desk) == ORGANIZATION else "project"


def _routes(place: str) -> Iterator[Route]:
    """The operations of the organization, or of a project."""
    limit, alerts, alert = f"{place}/spend_limit", f"{place}/spend_alerts", f"{place}/spend_alerts/{{alert_id}}"
    operations: tuple[tuple[str, str, Any], ...] = (
        (limit, "GET", reading(retrieve_spend_limit)),
        (limit, "POST", writing(UpdateSpendLimit, update_spend_limit)),
        (limit, "DELETE", deleting(delete_spend_limit)),
        (alerts, "GET", reading(list_spend_alerts)),
        (alerts, "POST", writing(SpendAlertBody, create_spend_alert)),
        (alert, "GET", reading(retrieve_spend_alert)),
        (alert, "POST", writing(SpendAlertBody, update_spend_alert)),
        (alert, "DELETE", deleting(delete_spend_alert)),
    )
    for path, method, endpoint in operations:
        yield Route(path, endpoint, methods=[method])


ROUTES = (*_routes("/v1/organization"), *_routes("/v1/organization/projects/{project_id}"))
