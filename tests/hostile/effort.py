"""How many examples are drawn: few and always the same in CI; `HOSTILE_EXAMPLES=3000` searches for as many."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_ASKED = os.environ.get("HOSTILE_EXAMPLES")


def effort(examples: int) -> settings:
    """Settings for a test that draws so many examples in CI."""
    return settings(
        max_examples=int(_ASKED or examples),
        derandomize=_ASKED is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
