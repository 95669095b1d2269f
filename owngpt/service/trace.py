"""One span per request, with the names of OpenTelemetry's GenAI conventions; never what anybody wrote.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from owngpt.service.limits import Ticket
from owngpt.service.telemetry import Attribute, Tracer
from owngpt.types import SamplingParams


@contextmanager
def trace(
    tracer: Tracer, operation: str, model: str, ticket: Ticket, sampling: SamplingParams | None = None
) -> Iterator[None]:
    """A span from here to the end of the block; then what the request cost and how it finished is known."""
    with tracer.span(f"{operation} {model}", _request(operation, model, sampling)) as span:
        try:
            yield
        finally:
            span.set_attribute("gen_ai.response.model", model)
            span.set_attribute("gen_ai.usage.input_tokens", ticket.usage.prompt_tokens)
            if sampling is not None:
                span.set_attribute("gen_ai.usage.output_tokens", ticket.usage.completion_tokens)
                span.set_attribute("gen_ai.response.finish_reasons", [str(reason) for reason in ticket.finish_reasons])


def _request(operation: str, model: str, sampling: SamplingParams | None) -> dict[str, Attribute]:
    """What was asked for; what has no value is left out."""
    values: dict[str, Attribute | None] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "owngpt",
        "gen_ai.request.model": model,
    }
    if sampling is not None:
        values |= {
            "gen_ai.request.choice.count": sampling.n if sampling.n > 1 else None,
            "gen_ai.request.frequency_penalty": sampling.frequency_penalty or None,
            "gen_ai.request.max_tokens": sampling.max_tokens,
            "gen_ai.request.presence_penalty": sampling.presence_penalty or None,
            "gen_ai.request.seed": sampling.seed,
            "gen_ai.request.temperature": sampling.temperature,
            "gen_ai.request.top_p": sampling.top_p,
        }
    return {name: value for name, value in values.items() if value is not None}
