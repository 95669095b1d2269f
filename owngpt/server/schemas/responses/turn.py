"""A checked body -> the service's `Turn`, and the fields of the response that follow from it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from owngpt.errors import InvalidRequest, ModelNotFound
from owngpt.server.schemas.base import missing, required, unknown_fields
from owngpt.server.schemas.grounding import to_documents, to_options
from owngpt.server.schemas.responses.items import ReadItems, read_items
from owngpt.server.schemas.responses.request import (
    WITHOUT_EFFECT,
    CompactRequest,
    ContextFields,
    InputTokensRequest,
    ResponseRequest,
    TextFormat,
    check_context,
    check_response,
)
from owngpt.server.schemas.responses.tools import ReadTools, choice_document, read_tools
from owngpt.server.schemas.sampling import Logprobs, sampling_params
from owngpt.service.app import App, Caller
from owngpt.service.generate import Caching
from owngpt.service.models import ServedModel
from owngpt.service.privacy import Guard
from owngpt.service.receipts import Order
from owngpt.service.responses.items import new_id
from owngpt.service.responses.mcp.access import admit
from owngpt.service.responses.turn import Turn
from owngpt.service.responses.unseen import preface, warnings
from owngpt.service.tiers import tier_of
from owngpt.text.grammar import ResponseFormat
from owngpt.types import SamplingParams

_VERBOSITY = {  # what a model is told; it has no dial for it
    "low": "Answer as briefly as the question allows.",
    "high": "Answer at length and in detail.",
}


class ReadTurn(NamedTuple):
    """A turn, and what of its request had no effect."""

    turn: Turn
    ignored: list[str]


def to_turn(
    app: App,
    caller: Caller,
    request: ResponseRequest,
    body: bytes,
    *,
    request_id: str,
    patience: float | None = None,
    guard: Guard | None = None,
) -> ReadTurn:
    """Wire -> `Turn`. Raises `InvalidRequest` for what cannot be used.

    `body` is the request as it may be kept, after the `guard`, if there is one; `patience` is how many seconds its
    client waits for the first token.
    """
    check_response(request)
    model = generator(app, caller, request.model)
    items, tools = _items(app, request.input), _tools(request)
    admit(app.mcp, caller, tools.mcp.servers)
    is_stored = stores(app, caller, request)
    if request.background and not is_stored:
        raise InvalidRequest(
            "'background' needs a response that is stored: it cannot be used with 'store' false, nor where the server "
            "or the project keeps nothing.",
            param="background",
        )
    _check_conversation(app, caller, request)
    sampling = _sampling(request, model)
    tier = tier_of(app.settings, caller, request.service_tier)
    response_id, created_at = new_id("resp"), int(time.time())
    unseen: dict[str, Any] = {"warnings": warnings(items.images)} if items.images else {}
    turn = Turn(
        id=response_id,
        model=model,
        fields=_fields(request, tools, sampling, is_stored)
        | {"id": response_id, "created_at": created_at, "model": request.model or model.name}
        | {"service_tier": tier.label}
        | unseen,
        input=items.items,
        sampling=sampling,
        **context_arguments(request, tools),
        previous_response_id=request.previous_response_id,
        conversation_id=request.conversation.id if request.conversation else None,
        include=frozenset(request.include or ()),
        max_tool_calls=request.max_tool_calls,
        compact_threshold=_threshold(request, model),
        mcp=tools.mcp,
        search=tools.search,
        documents=to_documents(request.documents or []),
        grounding=to_options(request.citation_options),
        guard=guard,
        is_stored=is_stored,
        request_id=request_id,
        order=_order(app, caller, request, response_id, created_at, body) if _has_tokens(request, tools) else None,
        caching=Caching(request.prompt_cache_key or "", is_durable=request.prompt_cache_retention in (None, "24h")),
        tier=tier,
        patience=patience,
        preface=preface(items.items),
    )
    return ReadTurn(turn, _ignored(request, items, tools, can_think=model.chat.family.can_think))


def to_counted_turn(app: App, caller: Caller, request: InputTokensRequest) -> ReadTurn:
    """A turn that is only to be counted."""
    check_context(request)
    items, tools, model = _items(app, request.input), _tools(request), generator(app, caller, request.model)
    admit(app.mcp, caller, tools.mcp.servers)
    turn = Turn(
        id="",
        model=model,
        fields={},
        input=items.items,
        sampling=SamplingParams(),
        **context_arguments(request, tools),
        mcp=tools.mcp,
        previous_response_id=request.previous_response_id,
        conversation_id=request.conversation.id if request.conversation else None,
    )
    return ReadTurn(turn, [*unknown_fields(request), *items.unknown, *tools.ignored])


def to_compacted_turn(
    app: App, caller: Caller, request: CompactRequest, request_id: str, guard: Guard | None = None
) -> ReadTurn:
    """A turn whose context is to be compacted."""
    if not request.input and request.previous_response_id is None:
        raise missing("input")
    items, model = _items(app, request.input), generator(app, caller, request.model)
    turn = Turn(
        id="",
        model=model,
        fields={"model": request.model},
        input=items.items,
        sampling=SamplingParams(),
        instructions=request.instructions,
        previous_response_id=request.previous_response_id,
        request_id=request_id,
        caching=Caching(request.prompt_cache_key or "", is_durable=request.prompt_cache_retention in (None, "24h")),
        tier=tier_of(app.settings, caller, request.service_tier),
        guard=guard,
    )
    return ReadTurn(turn, [*unknown_fields(request), *items.unknown])


def generator(app: App, caller: Caller, name: str | None) -> ServedModel:
    """The model to use, of those that the caller may: one that is not there is a 400 here, as with OpenAI."""
    try:
        return app.models.permitted(caller.models).generator(name)
    except ModelNotFound as error:
        raise InvalidRequest(error.message, param="model", code="model_not_found") from None


def context_arguments(request: ContextFields, tools: ReadTools) -> dict[str, Any]:
    """What the model is shown beside the items, as arguments of a `Turn`."""
    reasoning = request.reasoning
    return {
        "instructions": _instructions(request),
        "tool_use": tools.use,
        "response_format": _response_format(request.text.format if request.text else None),
        "reasoning_effort": reasoning.effort if reasoning else None,
        "has_summary": bool(reasoning and (reasoning.summary or reasoning.generate_summary)),
        "template_arguments": (
            request.chat_template_kwargs.model_dump(exclude_unset=True) if request.chat_template_kwargs else {}
        ),
        "may_drop": request.truncation == "auto",
    }


def stores(app: App, caller: Caller, request: ResponseRequest) -> bool:
    """Whether the response is kept: it is, unless somebody says no. Raises where the request insists in vain."""
    if app.settings.store == "never" and request.store:
        raise InvalidRequest(
            "Unsupported value for 'store': this server keeps nothing (its setting 'store' is 'never').",
            param="store",
            code="unsupported_value",
        )
    return request.store is not False and not keeps_nothing(app, caller)


def keeps_nothing(app: App, caller: Caller) -> bool:
    """Whether nothing of a content may be written for this caller."""
    return app.settings.store == "never" or caller.keeps_nothing


def _threshold(request: ResponseRequest, model: ServedModel) -> int | None:
    """Tokens above which the conversation is summed up; where nothing is said, three quarters of what fits."""
    if not request.context_management:
        return None
    return request.context_management[0].compact_threshold or model.engine.max_model_len * 3 // 4


def _check_conversation(app: App, caller: Caller, request: ResponseRequest) -> None:
    if request.conversation is not None and keeps_nothing(app, caller):
        raise InvalidRequest(
            "'conversation' needs to be stored, and nothing is kept here; send the whole conversation as 'input'.",
            param="conversation",
        )


def _items(app: App, raw: Sequence[dict[str, Any]] | None) -> ReadItems:
    return read_items(raw or (), notes_images=app.settings.images == "note")


def _tools(request: ContextFields) -> ReadTools:
    return read_tools(request.tools or (), request.tool_choice, request.parallel_tool_calls)


def _instructions(request: ContextFields) -> str | None:
    wish = _VERBOSITY.get(request.text.verbosity or "") if request.text else None
    return "\n\n".join(text for text in (request.instructions, wish) if text) or None


def _response_format(wire: TextFormat | None) -> ResponseFormat:
    if wire is None or wire.type != "json_schema":
        return ResponseFormat(wire.type if wire else "text")
    required(wire.name, "text.format.name")
    return ResponseFormat("json_schema", required(wire.schema_, "text.format.schema"), "text.format.schema")


def _sampling(request: ResponseRequest, model: ServedModel) -> SamplingParams:
    wants_logprobs = "message.output_text.logprobs" in (request.include or ()) or request.top_logprobs
    logprobs = Logprobs(request.top_logprobs or 0) if wants_logprobs else Logprobs()
    return sampling_params(request, request.max_output_tokens, logprobs, model.tokenizer.vocab_size, model.sampling)


def _has_tokens(request: ResponseRequest, tools: ReadTools) -> bool:
    """Whether the answer surely comes from one generation, as a receipt has to."""
    is_grounded = tools.search is not None or bool(request.documents)
    return not tools.mcp.servers and (to_options(request.citation_options).is_generated or not is_grounded)


def _order(
    app: App, caller: Caller, request: ResponseRequest, response_id: str, created_at: int, body: bytes
) -> Order | None:
    """To keep a receipt, where the server's setting or the request's own word wants one."""
    wanted = app.settings.store == "all" or (app.settings.store == "asked" and request.store is True)
    return Order(response_id, created_at, body.decode()) if wanted and not keeps_nothing(app, caller) else None


def _ignored(request: ResponseRequest, items: ReadItems, tools: ReadTools, *, can_think: bool) -> list[str]:
    """Paths of what had no effect, for `x-owngpt-ignored`."""
    told = ("chat_template_kwargs.", *(f"{path.rpartition('.')[0]}." for path in tools.ignored))
    names = [name for name in unknown_fields(request) if not name.startswith(told)]
    hints = [name for name in WITHOUT_EFFECT if getattr(request, name) is not None]
    effort = request.reasoning.effort if request.reasoning else None
    thinking = ["reasoning.effort"] if effort not in (None, "none") and not can_think else []
    return [*names, *items.unknown, *tools.ignored, *hints, *thinking]


def _fields(request: ResponseRequest, tools: ReadTools, sampling: SamplingParams, is_stored: bool) -> dict[str, Any]:
    """The response as far as the request says it, in OpenAI's order."""
    reasoning, text = request.reasoning, request.text
    return {
        "id": "",
        "object": "response",
        "created_at": 0,
        "status": "in_progress",
        "background": bool(request.background),
        "completed_at": None,
        "conversation": {"id": request.conversation.id} if request.conversation else None,
        "error": None,
        "frequency_penalty": sampling.frequency_penalty,
        "incomplete_details": None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "model": "",
        "output": [],
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "presence_penalty": sampling.presence_penalty,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.prompt_cache_key,
        "prompt_cache_retention": request.prompt_cache_retention,
        "reasoning": {
            "effort": reasoning.effort if reasoning else None,
            "summary": (reasoning.summary or reasoning.generate_summary) if reasoning else None,
        },
        "safety_identifier": request.safety_identifier,
        "service_tier": "default",
        "store": is_stored,
        "temperature": sampling.temperature,
        "text": {
            "format": _format_document(text.format if text else None),
            "verbosity": (text.verbosity if text else None) or "medium",
        },
        "tool_choice": choice_document(request.tool_choice),
        "tools": tools.document,
        "top_logprobs": request.top_logprobs or 0,
        "top_p": sampling.top_p,
        "truncation": request.truncation or "disabled",
        "usage": None,
        "user": request.user,
        "metadata": request.metadata or {},
    }


def _format_document(wire: TextFormat | None) -> dict[str, Any]:
    if wire is None or wire.type != "json_schema":
        return {"type": wire.type if wire else "text"}
    return {
        "type": "json_schema",
        "name": wire.name,
        "description": wire.description,
        "schema": wire.schema_,
        "strict": bool(wire.strict),
    }
