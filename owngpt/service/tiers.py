"""Whose turn a request is: its tier, by what it asks for and its project's setting, its weight, and its deadline."""

from __future__ import annotations

import time

from owngpt.config import ProjectConfig, Settings
from owngpt.service.app import Caller
from owngpt.types import Claim, Tier

_TIERS = {
    "default": Tier.DEFAULT,
    "scale": Tier.DEFAULT,  # bought in advance at OpenAI; here there is nothing to buy
    "flex": Tier.FLEX,
    "priority": Tier.PRIORITY,
    "fast": Tier.PRIORITY,  # another name for it
}


def tier_of(settings: Settings, caller: Caller, service_tier: str | None) -> Tier:
    """What serves a request that says `service_tier`; `auto`, or nothing, is what its project is set to."""
    if caller.tier is not None:
        return caller.tier
    if service_tier is None or service_tier == "auto":
        return _TIERS[_project(settings, caller).service_tier]
    return _TIERS[service_tier]


def claim_of(settings: Settings, caller: Caller, tier: Tier, patience: float | None) -> Claim:
    """For the engine. `patience` is how many seconds the caller waits for a first token, if it has said so."""
    limits = [seconds for seconds in (patience, settings.engine.max_wait) if seconds is not None]
    deadline = time.monotonic() + min(limits) if limits else None
    return Claim(caller.project_id, _project(settings, caller).weight, tier, deadline)


def _project(settings: Settings, caller: Caller) -> ProjectConfig:
    return settings.projects.get(caller.project_name, ProjectConfig())
