"""Certificates of clients (mTLS): refused, since this server ends no TLS. What is in front of it does."""

from __future__ import annotations

from starlette.routing import Route

from owngpt.errors import InvalidRequest
from owngpt.server.routes.organization.desk import Desk, Document, reading


def refuse(desk: Desk) -> Document:
    """Whatever is asked."""
    raise InvalidRequest(
        "Certificates are not supported: terminate mTLS at a proxy in front of this server, and let it check the "
        "clients' certificates.",
        code="unsupported_value",
    )


_PATHS = {
    "/v1/organization/certificates": ("GET", "POST"),
    "/v1/organization/certificates/activate": ("POST",),
    "/v1/organization/certificates/deactivate": ("POST",),
    "/v1/organization/certificates/{certificate_id}": ("GET", "POST", "DELETE"),
    "/v1/organization/projects/{project_id}/certificates": ("GET",),
    "/v1/organization/projects/{project_id}/certificates/activate": ("POST",),
    "/v1/organization/projects/{project_id}/certificates/deactivate": ("POST",),
}
ROUTES = tuple(Route(path, reading(refuse), methods=list(methods)) for path, methods in _PATHS.items())
