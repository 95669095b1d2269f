"""POST /v1/chat/completions."""

from __future__ import annotations

from collections.abc import AsyncGenerator

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
from owngpt.server.schemas.sampling import wants_usage
from owngpt.server.stream import DONE, EventStream, WholeAnswer
from owngpt.service.chat import ChatPrompt
from owngpt.service.generate import GenerationRequest, generate
from owngpt.service.privacy.chat import Reader, reader_of


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
        self._prompt: ChatPrompt = to_prompt(body)
        order = receipt_order(request, body, self._identity)
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
        reader, chat = self._reader(), WholeChat(self._request.sampling.n)
        async with generate(self._app, self._caller, self._request) as generation:
            async for event in generation:
                chat.add(reader.read(event))
            return encode(chat.document(self._identity, generation.usage))

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """`chat.completion.chunk`s as they come."""
        reader, has_tools = self._reader(), bool(self._prompt.tool_use.tools)
        chat = ChatStream(self._identity, self._request.sampling.n, has_tools=has_tools, has_usage=self._has_usage)
        async with generate(self._app, self._caller, self._request) as generation:
            yield chat.opening()
            async for event in generation:
                yield chat.add(reader.read(event))
            yield (chat.usage(generation.usage) if self._has_usage else b"") + DONE

    def _reader(self) -> Reader:
        return reader_of(self._request, self._prompt)
