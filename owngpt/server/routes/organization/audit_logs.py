"""GET /v1/organization/audit_logs: what was changed, by whom, from where."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.routing import Route

from owngpt.errors import InvalidRequest
from owngpt.server.routes.organization.desk import Desk, Document, reading
from owngpt.server.schemas.base import shown
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.store import audit
from owngpt.store.audit import AuditFilter

MAX_VALUES = 100  # of one filter


def list_audit_logs(desk: Desk) -> Document:
    """The newest first."""
    request = desk.request
    chosen = AuditFilter(
        since=_latest(_time(request, "gte"), _after(_time(request, "gt"))),
        until=_earliest(_time(request, "lt"), _after(_time(request, "lte"))),
        project_ids=_values(request, "project_ids"),
        types=_values(request, "event_types"),
        actor_ids=_values(request, "actor_ids"),
        emails=_values(request, "actor_emails"),
        resource_ids=_values(request, "resource_ids"),
    )
    page = audit.page(desk.db, desk.organization_id, chosen, page_request(request))
    return list_document([audit.document(row) for row in page.rows], page.has_more)


def _values(request: Request, name: str) -> list[str]:
    """A filter that may be given several times, with or without brackets."""
    values = [*request.query_params.getlist(f"{name}[]"), *request.query_params.getlist(name)]
    if len(values) > MAX_VALUES:
        raise InvalidRequest(f"{name} has {len(values)} values; this server takes at most {MAX_VALUES}", param=name)
    return values


def _time(request: Request, bound: str) -> int | None:
    name = f"effective_at[{bound}]"
    text = request.query_params.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise InvalidRequest(f"{name} is {shown(text)}; it takes whole Unix seconds", param=name, code="invalid_value")
    return int(text)


def _after(time: int | None) -> int | None:
    return None if time is None else time + 1


def _latest(*times: int | None) -> int | None:
    return max((time for time in times if time is not None), default=None)


def _earliest(*times: int | None) -> int | None:
    return min((time for time in times if time is not None), default=None)


ROUTES = (Route("/v1/organization/audit_logs", reading(list_audit_logs), methods=["GET"]),)
