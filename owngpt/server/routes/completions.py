"""POST /v1/completions: text continued, or a gap filled."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from owngpt.server.routes.reply import (
    app_of,
    caller_of,
    guard_of,
    ignored_header,
    masked_ids,
    models_of,
    patience,
    receipt_header,
    receipt_order,
    reply,
    request_id,
    tier_of_request,
)
from owngpt.server.schemas.answer import Identity, encode
from owngpt.server.schemas.base import unknown_fields
from owngpt.server.schemas.completion_answer import ChoiceReader, CompletionStream, Echo, WholeCompletion
from owngpt.server.schemas.completions import CompletionRequest, check_completion, check_tokens, completion_sampling
from owngpt.server.schemas.sampling import wants_usage
from owngpt.server.stream import DONE, EventStream, WholeAnswer
from owngpt.service.completions import CompletionPrompt
from owngpt.service.generate import Generation, GenerationRequest, generate


async def create_completion(request: Request) -> Response:
    """Check, translate, and answer whole or as a stream."""
    return await reply(request, CompletionRequest, respond)


def respond(request: Request, body: CompletionRequest) -> Response:
    """The response, whose work has not begun."""
    check_completion(body)
    model = models_of(request).generator(body.model)
    check_tokens(body.prompt, model.tokenizer.vocab_size, "prompt")
    body.prompt = masked_ids(request, body.prompt, model.tokenizer, "prompt")
    tier = tier_of_request(request, body.service_tier)
    identity = Identity.new("cmpl", body.model or model.name, model.fingerprint.id, tier)
    order = receipt_order(request, body, identity)
    prompt = CompletionPrompt(body.prompt, body.suffix)
    generation = GenerationRequest(
        model,
        prompt,
        completion_sampling(body, model),
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

    def __init__(
        self, request: Request, body: CompletionRequest, generation: GenerationRequest, identity: Identity
    ) -> None:
        self._app, self._caller = app_of(request), caller_of(request)
        self._body, self._generation, self._identity = body, generation, identity

    async def whole(self) -> bytes:
        async with generate(self._app, self._caller, self._generation) as generation:
            completion = WholeCompletion(self._readers(generation))
            async for event in generation:
                completion.add(event)
            return encode(completion.document(self._identity, generation.usage))

    async def stream(self) -> AsyncGenerator[bytes, None]:
        has_usage = wants_usage(self._body)
        async with generate(self._app, self._caller, self._generation) as generation:
            completion = CompletionStream(self._identity, self._readers(generation), has_usage=has_usage)
            yield b""
            async for event in generation:
                yield completion.add(event)
            yield (completion.usage(generation.usage) if has_usage else b"") + DONE

    def _readers(self, generation: Generation) -> list[ChoiceReader]:
        has_logprobs, guard = self._body.logprobs is not None, self._generation.guard
        echoes = [self._echo(i, ids) for i, ids in enumerate(generation.prompts)]
        return [
            ChoiceReader(echo, has_logprobs=has_logprobs, stream=guard.stream() if guard else None)
            for echo in echoes
            for _ in range(self._generation.sampling.n)
        ]

    def _echo(self, i: int, ids: Sequence[int]) -> Echo | None:
        if not self._body.echo:
            return None
        tokenizer, asked = self._generation.model.tokenizer, self._body.prompt[i]
        hidden = tokenizer.special_ids if isinstance(asked, str) else frozenset()
        text = asked if isinstance(asked, str) else tokenizer.decode(ids, skip_special=False)
        if self._generation.guard is not None:
            text = self._generation.guard.unmask(text)
        return Echo(text, [b"" if token in hidden else tokenizer.token_bytes(token) for token in ids])
