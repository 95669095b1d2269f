"""POST /v1/chat/completions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from anyio import to_thread
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
from owngpt.server.schemas.answer import Identity, encode
from owngpt.server.schemas.chat import (
    ChatCompletionRequest,
    chat_sampling,
    check_chat,
    ignored_chat_fields,
    to_caching,
    to_prompt,
)
from owngpt.server.schemas.chat_answer import ChatStream, WholeChat
from owngpt.server.schemas.grounding import to_documents, to_options
from owngpt.server.schemas.sampling import wants_usage
from owngpt.server.schemas.stored_chat import stored_completion
from owngpt.server.stream import DONE, EventStream, WholeAnswer
from owngpt.service.generate import GenerationRequest, generate
from owngpt.service.grounding import GroundedGeneration, as_it_is, ground
from owngpt.service.inline import read_documents
from owngpt.service.privacy.chat import reader_of
from owngpt.service.responses.private import keep_placeholders
from owngpt.store.chat_completions import ChatCompletions


async def create_chat_completion(request: Request) -> Response:
    """Check, translate, and answer whole or as a stream."""
    return await reply(request, ChatCompletionRequest, respond)


def respond(request: Request, body: ChatCompletionRequest) -> Response:
    """The response, whose work has not begun."""
    check_chat(body)
    answer = Answer(request, body)
    headers = answer.headers | ignored_header(ignored_chat_fields(body, can_think=answer.can_think))
    return EventStream(answer.stream(), headers) if body.stream else WholeAnswer(answer.whole, headers)


class Answer:
    """One request on its way back."""

    def __init__(self, request: Request, body: ChatCompletionRequest) -> None:
        self._app, self._caller = app_of(request), caller_of(request)
        self._has_usage = wants_usage(body)
        model = models_of(request).generator(body.model)
        tier = tier_of_request(request, body.service_tier)
        self._identity = Identity.new("chatcmpl", body.model or model.name, model.fingerprint.id, tier)
        self._body, self._prompt = body, to_prompt(body)
        self._documents = to_documents(body.documents or [])
        self._options = to_options(body.citation_options)
        has_tokens = not self._documents or self._options.is_generated
        order = receipt_order(request, body, self._identity) if has_tokens else None
        self._request = GenerationRequest(
            model,
            self._prompt,
            chat_sampling(body, model),
            request_id(request),
            order,
            to_caching(body),
            tier=tier,
            patience=patience(request),
            guard=guard_of(request),
            named=body.model,
        )
        self.headers = receipt_header(order)

    @property
    def can_think(self) -> bool:
        """Whether the model has a way to think that can be bounded."""
        return self._request.model.chat.family.can_think

    async def whole(self) -> bytes:
        """One `chat.completion`."""
        chat = WholeChat(self._request.sampling.n)
        async with self._generated() as generation:
            async for event in generation:
                chat.add(event)
            document = chat.document(self._identity, generation.usage)
            await self._keep(document)
            return encode(document)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """`chat.completion.chunk`s as they come."""
        has_tools, n = bool(self._prompt.tool_use.tools), self._request.sampling.n
        chat = ChatStream(self._identity, n, has_tools=has_tools, has_usage=self._has_usage)
        whole = WholeChat(n)
        async with self._generated() as generation:
            yield chat.opening()
            async for event in generation:
                whole.add(event)
                yield chat.add(event)
            await self._keep(whole.document(self._identity, generation.usage))
            yield (chat.usage(generation.usage) if self._has_usage else b"") + DONE

    async def _keep(self, document: dict[str, Any]) -> None:
        """Store the answer, where its request says so, before its last byte is sent; personal data as placeholders."""
        if self._body.store:
            await to_thread.run_sync(self._write, document)

    def _write(self, document: dict[str, Any]) -> None:
        guard, app = self._request.guard, self._app
        shown = document if guard is None else guard.kept(document)
        completion = stored_completion(self._caller.project_id, self._body, shown, self._request.request_id)
        with app.database.write() as transaction:
            keep_placeholders(app, transaction, self._caller, guard, [completion.id])
        ChatCompletions(app.database).add(completion)

    @asynccontextmanager
    async def _generated(self) -> AsyncIterator[GroundedGeneration]:
        """The running answer: from documents, where some came along."""
        if self._documents:
            guard, is_kept = self._request.guard, bool(self._body.store)
            find = partial(read_documents, self._app, self._caller, self._documents, guard, is_kept=is_kept)
            async with ground(self._app, self._caller, self._request, find, self._options) as grounded:
                yield grounded
            return
        reader = reader_of(self._request, self._prompt)
        async with generate(self._app, self._caller, self._request) as generation:
            yield GroundedGeneration(as_it_is(generation, reader), generation)
