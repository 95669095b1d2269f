"""/v1/organization/projects/{project_id}/rate_limits: of each model that is loaded, and of all together (`rl-*`)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from starlette.routing import Route

from owngpt.errors import InvalidRequest
from owngpt.server.routes.organization.desk import Change, Desk, Document, reading, writing
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.server.schemas.organization.limits import UpdateRateLimit, rate_limit_document
from owngpt.store.paging import PageRequest
from owngpt.store.rate_limits import ALL_MODELS, RateLimit, rate_limits_of, set_rate_limit
from owngpt.store.reading import no_such

MAX_MODELS = 1000


def list_rate_limits(desk: Desk) -> Document:
    """All models' together first."""
    limits = list(_limits(desk).values())
    page = page_request(desk.request, MAX_MODELS, MAX_MODELS, "asc")
    documents = [rate_limit_document(limit) for limit in limits]
    chosen = _after(documents, page)
    return list_document(chosen[: page.limit], len(chosen) > page.limit)


def update_rate_limit(change: Change, body: UpdateRateLimit) -> Document:
    """It holds within two seconds, also in other processes; here at once."""
    project, limit_id = change.project, change.path("rate_limit_id")
    limit = _limits(change).get(limit_id.removeprefix("rl-"))
    if limit is None or not limit_id.startswith("rl-"):
        raise no_such("RateLimit", limit_id)
    changed = body.changed(limit)
    set_rate_limit(change.transaction, changed)
    asked = body.model_dump(exclude_none=True, include=set(UpdateRateLimit.model_fields))
    change.log("rate_limit.updated", limit_id, project, changes_requested=asked)
    return rate_limit_document(changed)


def _limits(desk: Desk) -> dict[str, RateLimit]:
    """By model, in order. Those of models that are not loaded any more stand last."""
    project = desk.project
    rows = rate_limits_of(desk.read, project.id)
    models = desk.app.models
    loaded = [model.name for model in models.generative] + [model.name for model in models.embedders]
    names = dict.fromkeys([ALL_MODELS, *sorted(loaded), *sorted(rows)])
    return {name: desk.app.rates.limit_of(project.name, project.id, name, rows) for name in names}


def _after(documents: Sequence[Document], page: PageRequest) -> list[Document]:
    """What stands behind `after` and in front of `before`."""
    ids = [document["id"] for document in documents]
    for name, cursor in (("after", page.after), ("before", page.before)):
        if cursor is not None and cursor not in ids:
            raise InvalidRequest(f"Invalid value for {name!r}: {cursor[:60]!r} is not in this list.", param=name)
    first = 0 if page.after is None else ids.index(page.after) + 1
    return list(takewhile(lambda document: document["id"] != page.before, documents[first:]))


PATH = "/v1/organization/projects/{project_id}/rate_limits"
ROUTES = (
    Route(PATH, reading(list_rate_limits), methods=["GET"]),
    Route(f"{PATH}/{{rate_limit_id:path}}", writing(UpdateRateLimit, update_rate_limit), methods=["POST"]),
)
