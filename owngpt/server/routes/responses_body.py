"""The body of a request for a response: read once, and where the project wants it, without personal data."""

from __future__ import annotations

from typing import NamedTuple

from owngpt.server.routes.reply import LOOKING_COST
from owngpt.server.schemas.base import dump, load
from owngpt.service.app import App, Caller
from owngpt.service.privacy import Guard
from owngpt.service.responses.private import guard_for


class Body(NamedTuple):
    """What may go on, and what it has passed."""

    content: bytes
    guard: Guard | None


async def guarded(app: App, caller: Caller, content: bytes, known: Guard | None = None) -> Body:
    """The body with placeholders for personal data; as it is, where the policy of the project is off."""
    if await app.privacy.open(caller) is None:
        return Body(content, None)
    document = await app.workers.run(len(content), load, content)
    guard = await guard_for(app, caller, document, known)
    if guard is None:
        return Body(content, None)
    cost = len(content) * LOOKING_COST
    return Body(await app.workers.run(cost, lambda: dump(guard.mask_body(document))), guard)
