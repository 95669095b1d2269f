"""Frontier: the blocks that running requests compute next, so that others with the same beginning can wait for them."""

from __future__ import annotations

from owngpt.engine.prefix_cache import BlockKey
from owngpt.engine.request import Request


class Frontier:
    """At most one block for each request. A block's key stands for all tokens up to its end, so looking is O(1)."""

    def __init__(self) -> None:
        self._requests: dict[BlockKey, dict[Request, None]] = {}
        self._keys: dict[Request, BlockKey] = {}

    @property
    def requests(self) -> set[Request]:
        return set(self._keys)

    def move(self, request: Request, key: BlockKey | None) -> None:
        """This is the next block that it computes; None if it computes no whole block."""
        old = self._keys.pop(request, None)
        if old is not None:
            del self._requests[old][request]
            if not self._requests[old]:
                del self._requests[old]
        if key is not None:
            self._keys[request] = key
            self._requests.setdefault(key, {})[request] = None

    def is_near(self, request: Request, key: BlockKey | None) -> bool:
        """Whether someone who is served before `request` computes that block next."""
        return key is not None and any(other.claim.tier <= request.claim.tier for other in self._requests.get(key, ()))
