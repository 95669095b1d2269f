"""POST /v1/fim/completions: code completion, in the shape of Mistral's API."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response

from owngpt.server.routes.reply import (
    app_of,
    caller_of,
    guard_of,
    ignored_header,
    models_of,
    patience,
    receipt_header,
    receipt_order,
    reply,
    request_id,
    tier_of_request,
)
from owngpt.server.schemas.answer import Identity
from owngpt.server.schemas.base import unknown_fields
from owngpt.server.schemas.fim import ID_PREFIX, FimRequest, FimStream, check_fim, fim_document, fim_sampling, to_prompt
from owngpt.server.stream import DONE, EventStream, WholeAnswer
from owngpt.service.fim.offers import Offer, offers
from owngpt.service.fim.prompt import FimPrompt
from owngpt.service.generate import Generation, GenerationRequest, generate


async def create_fim_completion(request: Request) -> Response:
    """Check, translate, and answer whole or as a stream."""
    return await reply(request, FimRequest, respond)


def respond(request: Request, body: FimRequest) -> Response:
    """The response, whose work has not begun."""
    check_fim(body)
    model = models_of(request).generator(body.model)
    tier = tier_of_request(request, body.service_tier)
    identity = Identity.new(ID_PREFIX, body.model or model.name, model.fingerprint.id, tier)
    order = receipt_order(request, body, identity)
    generation = GenerationRequest(
        model,
        to_prompt(body),
        fim_sampling(body, model),
        request_id(request),
        order,
        tier=tier,
        patience=patience(request),
        guard=guard_of(request),
        named=body.model,
    )
    answer = Answer(request, body, generation, identity)
    headers = receipt_header(order) | ignored_header(unknown_fields(body))
    return EventStream(answer.stream(), headers) if body.stream else WholeAnswer(answer.whole, headers)


class Answer:
    """One request on its way back."""

    def __init__(self, request: Request, body: FimRequest, generation: GenerationRequest, identity: Identity) -> None:
        self._app, self._caller = app_of(request), caller_of(request)
        self._request, self._identity = generation, identity
        self._mode = body.mode or "auto"
        assert isinstance(generation.prompt, FimPrompt)
        self._prompt = generation.prompt

    async def whole(self) -> bytes:
        parts: list[Offer] = []
        async with generate(self._app, self._caller, self._request) as generation:
            async with aclosing(self._offers(generation)) as all_offers:
                async for offer in all_offers:
                    parts.append(offer)
            text = "".join(part.text for part in parts)
            reason = parts[-1].finish_reason
            return fim_document(self._identity, text, reason, generation.usage, self._prompt.fitted)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        chunks = FimStream(self._identity)
        async with generate(self._app, self._caller, self._request) as generation:
            yield chunks.first()
            async with aclosing(self._offers(generation)) as all_offers:
                async for offer in all_offers:
                    if offer.finish_reason is None:
                        yield chunks.add(offer)
                    else:
                        yield chunks.last(offer, generation.usage, self._prompt.fitted)
            yield DONE

    async def _offers(self, generation: Generation) -> AsyncGenerator[Offer, None]:
        """As the caller sees them."""
        guard = self._request.guard
        stream = None if guard is None else guard.stream()
        async with aclosing(offers(self._app, self._prompt, generation, self._mode)) as all_offers:
            async for offer in all_offers:
                if stream is not None:
                    text = stream.feed(offer.text) + (stream.finish() if offer.finish_reason else "")
                    yield offer._replace(text=text)
                else:
                    yield offer
