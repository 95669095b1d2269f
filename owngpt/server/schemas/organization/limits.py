"""Rate limits, spend limits and spend alerts on the wire."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import WireModel
from owngpt.store.rate_limits import RateLimit
from owngpt.store.spend import ORGANIZATION, SpendAlert, Standing

UNLIMITED = 2**53 - 1  # what "no limit" is on the wire, where OpenAI's shape asks for a number
MAX_CENTS = 10**11  # a billion dollars: within what the database adds up exactly
Number = Annotated[int, Field(ge=0, le=UNLIMITED)]
_FIELDS = {  # wire -> RateLimit
    "max_requests_per_1_minute": "requests_per_minute",
    "max_tokens_per_1_minute": "tokens_per_minute",
    "max_requests_per_1_day": "requests_per_day",
    "batch_1_day_max_input_tokens": "batch_tokens_per_day",
}
_ALWAYS = ("max_requests_per_1_minute", "max_tokens_per_1_minute")  # the others are left out where there is no limit
_ELSEWHERE = ("max_images_per_1_minute", "max_audio_megabytes_per_1_minute")


class UpdateRateLimit(WireModel):
    """What is left out stays; UNLIMITED takes a limit away."""

    max_requests_per_1_minute: Number | None = None
    max_tokens_per_1_minute: Number | None = None
    max_requests_per_1_day: Number | None = None
    batch_1_day_max_input_tokens: Number | None = None
    max_images_per_1_minute: int | None = None
    max_audio_megabytes_per_1_minute: int | None = None

    def changed(self, limit: RateLimit) -> RateLimit:
        """The limit as it is to be. Raises `InvalidRequest` for limits on what this server does not do."""
        for name in _ELSEWHERE:
            if getattr(self, name) is not None:
                raise InvalidRequest(
                    f"Unsupported parameter: {name!r}. No model of this server makes images or hears audio.",
                    param=name,
                    code="unsupported_value",
                )
        given = {column: value for name, column in _FIELDS.items() if (value := getattr(self, name)) is not None}
        changes: dict[str, Any] = {column: None if value == UNLIMITED else value for column, value in given.items()}
        return replace(limit, **changes)


def rate_limit_document(limit: RateLimit) -> dict[str, Any]:
    """OpenAI's `project.rate_limit`."""
    numbers = {name: getattr(limit, column) for name, column in _FIELDS.items()}
    shown = {name: UNLIMITED if value is None else value for name, value in numbers.items() if _is_shown(name, value)}
    return {"object": "project.rate_limit", "id": f"rl-{limit.model}", "model": limit.model, **shown}


def _is_shown(name: str, value: int | None) -> bool:
    return value is not None or name in _ALWAYS


class UpdateSpendLimit(WireModel):
    """A hard limit on what a calendar month (UTC) may cost."""

    threshold_amount: Annotated[int, Field(ge=1, le=MAX_CENTS)]
    currency: Literal["USD"]
    interval: Literal["month"]


class NotificationChannel(WireModel):
    """Kept and shown. This server sends no mail: the log, a metric and `triggered_at` tell of an alert."""

    type: Literal["email"]
    recipients: Annotated[list[Annotated[str, Field(min_length=1, max_length=320)]], Field(max_length=100)]
    subject_prefix: Annotated[str, Field(max_length=200)] | None = None


class SpendAlertBody(WireModel):
    """All of an alert, also where it is updated."""

    threshold_amount: Annotated[int, Field(ge=0, le=MAX_CENTS)]
    currency: Literal["USD"]
    interval: Literal["month"]
    notification_channel: NotificationChannel


def spend_limit_document(owner: str, cents: int, standing: Standing) -> dict[str, Any]:
    """OpenAI's `organization.spend_limit` or `project.spend_limit`; `owner` is one of these two words."""
    return {
        "object": f"{owner}.spend_limit",
        "threshold_amount": cents,
        "currency": "USD",
        "interval": "month",
        "enforcement": {"status": "enforcing" if standing.is_exhausted else "inactive"},
    }


def spend_alert_document(alert: SpendAlert) -> dict[str, Any]:
    """OpenAI's `organization.spend_alert` or `project.spend_alert`, and when it was last triggered."""
    owner = "organization" if alert.project_id == ORGANIZATION else "project"
    return {
        "object": f"{owner}.spend_alert",
        "id": alert.id,
        "threshold_amount": alert.threshold_amount,
        "currency": "USD",
        "interval": "month",
        "notification_channel": {
            "type": "email",
            "recipients": list(alert.recipients),
            "subject_prefix": alert.subject_prefix,
        },
        "triggered_at": alert.triggered_at,
    }
