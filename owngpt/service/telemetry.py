"""What the service tells its observers about each request. No HTTP, no Prometheus, no OpenTelemetry here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from owngpt.types import Usage

Attribute = str | int | float | bool | Sequence[str]


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request, after its end. Times are in seconds."""

    operation: str  # chat, text_completion or embeddings: the GenAI conventions' operation names
    model: str  # the name of the loaded model, so that its values are bounded
    outcome: str  # stop, length, error, abort, or rejected
    usage: Usage
    seconds: float
    first_token_seconds: float | None = None  # None: no token came


class Metrics(Protocol):
    """Counts requests (`server/metrics.py` exports them)."""

    def request_started(self, operation: str, model: str) -> None: ...

    def request_finished(self, record: RequestRecord) -> None: ...


class Span(Protocol):
    """A unit of traced work."""

    def set_attribute(self, name: str, value: Attribute) -> None: ...


class Tracer(Protocol):
    """Opens spans (`server/tracing.py` exports them)."""

    def span(self, name: str, attributes: Mapping[str, Attribute]) -> AbstractContextManager[Span]: ...

    def close(self) -> None:
        """Send what is not sent yet."""
        ...


class NoMetrics:
    """Counts nothing."""

    def request_started(self, operation: str, model: str) -> None:
        pass

    def request_finished(self, record: RequestRecord) -> None:
        pass


class NoSpan:
    """Notes nothing."""

    def set_attribute(self, name: str, value: Attribute) -> None:
        pass


class NoTracer:
    """Traces nothing."""

    def span(self, name: str, attributes: Mapping[str, Attribute]) -> AbstractContextManager[Span]:
        return nullcontext(NoSpan())

    def close(self) -> None:
        pass
