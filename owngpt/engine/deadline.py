"""Deadlines of first tokens: refused as soon as it is certain that one cannot be met, and when it has passed."""

from __future__ import annotations

from owngpt.engine.scheduler import Scheduler
from owngpt.errors import ResourceUnavailable
from owngpt.types import Claim

_LUCK = 2.0  # how much faster than measured the queue might move


def check_deadline(scheduler: Scheduler, claim: Claim, num_tokens: int, now: float) -> None:
    """Raise `ResourceUnavailable` if a prompt of so many tokens would miss its deadline even with luck.

    Nobody is refused before it was measured how fast the queue moves. For any thread.
    """
    if claim.deadline is None:
        return
    wait, left = scheduler.wait_seconds(claim, num_tokens), claim.deadline - now
    if wait is not None and wait / _LUCK > left:
        raise ResourceUnavailable(
            f"about {wait:.0f} seconds of other work are ahead of this request, and its first token is wanted "
            f"within {max(0.0, left):.0f}; send it again later, or with more time",
            retry_after=min(60.0, wait - left),
        )


def too_late() -> ResourceUnavailable:
    """For a request whose deadline has passed in the queue."""
    return ResourceUnavailable("its time was over before this request's turn had come; send it again later")
