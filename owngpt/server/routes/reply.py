"""What the generating routes share: reading a request, and answering it whole or as a stream."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.answer import Identity
from owngpt.server.schemas.base import WireModel, dump, header_value, load, parse, shown
from owngpt.server.schemas.sampling import SamplingFields
from owngpt.service.app import App, Caller
from owngpt.service.callers import nothing_is_kept
from owngpt.service.models import Models
from owngpt.service.privacy import Guard
from owngpt.service.receipts import Order
from owngpt.service.tiers import tier_of
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Tier

LOOKING_COST = 8  # a character that is looked through takes as long as so many that are tokenized
_PATIENCE_HEADERS = ("x-request-timeout", "x-stainless-read-timeout", "x-stainless-timeout")
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


def models_of(request: Request) -> Models:
    """The models that the caller's project may use; raises `ServiceUnavailable` while they load."""
    return app_of(request).models.permitted(caller_of(request).models)


def request_id(request: Request) -> str:
    """The id that the answer carries in `x-request-id`."""
    return str(request.scope["state"]["request_id"])


def tier_of_request(request: Request, service_tier: str | None) -> Tier:
    """The tier that serves it, by what its body says."""
    return tier_of(app_of(request).settings, caller_of(request), service_tier)


def patience(request: Request) -> float | None:
    """Seconds that the client waits for the first token, as its headers say; None if they do not.

    `x-request-timeout` is for people; OpenAI's own clients tell how long they wait in headers of theirs. Raises
    `InvalidRequest` for a value of the first that is no time.
    """
    for name in _PATIENCE_HEADERS:
        text = request.headers.get(name)
        seconds = None if text is None else _seconds(text)
        if seconds is not None:
            return seconds
        if text is not None and name == _PATIENCE_HEADERS[0]:
            raise InvalidRequest(
                f"Invalid header {name!r}: {shown(text)} is no number of seconds above 0.", code="invalid_value"
            )
    return None


def _seconds(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) and float(text) > 0 else None


async def reply(request: Request, shape: type[M], respond: Callable[[Request, M], Response]) -> Response:
    """Parse the body, check it and build the response; all of it in a worker thread where the body is long."""
    body = request.state.body = await masked_body(request)
    return await app_of(request).workers.run(len(body), lambda: respond(request, parse(shape, body)))


async def masked_body(request: Request) -> bytes:
    """The body as it may go on: where the project has a privacy policy, with placeholders for personal data."""
    app, body = app_of(request), await request.body()
    guard = request.state.guard = await app.privacy.open(caller_of(request))
    if guard is None:
        return body
    cost = len(body) * LOOKING_COST
    return await app.workers.run(cost, lambda: dump(guard.mask_body(load(body))))


def guard_of(request: Request) -> Guard | None:
    """What the request has passed, and its answer has to pass."""
    guard = request.state.guard
    assert guard is None or isinstance(guard, Guard)
    return guard


def masked_ids(
    request: Request, inputs: list[str | list[int]], tokenizer: Tokenizer, name: str
) -> list[str | list[int]]:
    """Inputs, of which those that are token ids are read, masked, and become tokens again; so does the kept body."""
    guard = guard_of(request)
    if guard is None or not any(isinstance(item, list) for item in inputs):
        return inputs
    masked = [
        item if isinstance(item, str) else list(guard.mask_ids(item, tokenizer, f"{name}[{i}]"))
        for i, item in enumerate(inputs)
    ]
    request.state.body = dump({**load(request.state.body), name: masked})
    return masked


def receipt_order(request: Request, body: SamplingFields, identity: Identity) -> Order | None:
    """To keep a receipt of this answer, where the server's setting or the request wants one.

    Raises `InvalidRequest` where the request wants one and the server or the project keeps none.
    """
    policy = app_of(request).settings.store
    if caller_of(request).keeps_nothing:
        if body.store:
            raise nothing_is_kept("store")
        return None
    if policy == "never" and body.store:
        raise InvalidRequest(
            "Unsupported value for 'store': this server keeps nothing (its setting 'store' is 'never').",
            param="store",
            code="unsupported_value",
        )
    if policy == "never" or (policy == "asked" and not body.store):
        return None
    return Order(identity.id, identity.created, request.state.body.decode())


def receipt_header(order: Order | None) -> dict[str, str]:
    """`x-owngpt-receipt`, where one is kept: what `owngpt replay` is to be called with."""
    return {} if order is None else {"x-owngpt-receipt": order.id}


def ignored_header(names: Sequence[str]) -> dict[str, str]:
    """`x-owngpt-ignored`, where something was."""
    return {"x-owngpt-ignored": header_value(names)} if names else {}
