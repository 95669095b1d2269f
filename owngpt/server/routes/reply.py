"""What the generating routes share: reading a request, and answering it whole or as a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from starlette.requests import Request

from owngpt.server.schemas.base import WireModel, header_value, parse
from owngpt.service.app import App, Caller

M = TypeVar("M", bound=WireModel)


def app_of(request: Request) -> App:
    """The App behind this server."""
    app = request.app.state.app
    assert isinstance(app, App)
    return app


def caller_of(request: Request) -> Caller:
    """Who calls: the auth middleware has put it there, or has refused the request."""
    caller = request.scope["state"]["caller"]
    assert isinstance(caller, Caller)
    return caller


def request_id(request: Request) -> str:
    """The id that the answer carries in `x-request-id`."""
    return str(request.scope["state"]["request_id"])


async def read(request: Request, shape: type[M]) -> M:
    """The validated body. A long one is parsed in a worker thread."""
    body = await request.body()
    return await app_of(request).workers.run(len(body), parse, shape, body)


def ignored_header(names: Sequence[str]) -> dict[str, str]:
    """`x-owngpt-ignored`, where something was."""
    return {"x-owngpt-ignored": header_value(names)} if names else {}
