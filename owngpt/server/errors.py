"""Exceptions -> OpenAI's error JSON. Every error that leaves this server is written here, in one shape."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from owngpt.errors import InvalidRequest, MethodNotAllowed, NotFound, RequestError
from owngpt.service.failures import as_request_error

MAX_MESSAGE, MAX_PARAM = 1_000, 300  # characters; both may hold names that the client made up


def error_body(error: RequestError) -> dict[str, Any]:
    """The JSON document: all four keys, always."""
    message = _clipped(error.message, MAX_MESSAGE)
    param = None if error.param is None else _clipped(error.param, MAX_PARAM)
    return {"error": {"message": message, "type": error.type, "param": param, "code": error.code}}


def _clipped(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."


def error_response(error: RequestError) -> Response:
    """The answer to a request that failed before anything was sent."""
    return JSONResponse(error_body(error), status_code=error.status, headers=error.headers)


def error_event(error: RequestError) -> bytes:
    """The last event of a stream that failed after its headers were sent."""
    return b"data: " + json.dumps(error_body(error)).encode() + b"\n\n"


async def on_http_exception(request: Request, error: Exception) -> Response:
    """The router's own refusals: 404 and 405."""
    assert isinstance(error, HTTPException)
    where = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        return error_response(NotFound(f"Invalid URL ({where})", code="unknown_url"))
    if error.status_code == 405:
        response = error_response(MethodNotAllowed(f"Not allowed to {where}"))
        response.headers.update(error.headers or {})
        return response
    return error_response(InvalidRequest(f"{where}: {error.detail}"))


class ErrorMiddleware:
    """Turns whatever is raised beneath it into an answer, if the answer has not begun."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        has_started = False

        async def watched_send(message: Message) -> None:
            nonlocal has_started
            has_started = has_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except ClientDisconnect:
            pass  # in the middle of the body: nobody is there to be told
        except Exception as error:
            request_error = as_request_error(error, scope.get("state", {}).get("request_id", "-"))
            if not has_started:
                await error_response(request_error)(scope, receive, send)
