"""Who holds more than its share, of seats in a step or of blocks: the order in which requests give way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from owngpt.engine.request import Request
from owngpt.types import Tier


class Rank(NamedTuple):
    """Lower ranks go first; the highest gives way first."""

    tier: Tier
    held: float  # by its tenant in its tier, with this request and those admitted before it, divided by the weight
    number: int
    request: Request


def ranked(requests: Iterable[Request], size: Callable[[Request], int]) -> list[Rank]:
    """Lowest rank first, of requests in order of admission, each of which holds `size` of what is shared.

    So what is there goes to the higher tiers, and in a tier to its tenants by weight (max-min fairness); a tenant's
    newest request gives way before its older ones.
    """
    held: dict[tuple[Tier, str], float] = {}
    ranks = []
    for number, request in enumerate(requests):
        claim = request.claim
        account = claim.tier, claim.tenant
        held[account] = held.get(account, 0.0) + size(request) / claim.weight
        ranks.append(Rank(claim.tier, held[account], number, request))
    return sorted(ranks)
