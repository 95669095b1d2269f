"""What usage costs, in whole 1e-9 parts of the currency unit (nano-dollars): no fractions, no floats.

A price per million tokens with up to three decimals is a whole number of nano-dollars per token; of a finer one, the
cost of each line of a request is rounded to the nearest nano-dollar.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from owngpt.config import ModelPrice, Prices
from owngpt.store.usage import UsageEvent

NANO = 10**9
TOKENS = 10**6  # what prices of models are given for
GIBIBYTE_DAY = 2**30 * 24  # in byte-hours


class Rate(NamedTuple):
    """Prices of one request, in 1e-9 parts of the currency unit: of a million tokens, of one call."""

    input: Decimal = Decimal(0)
    cached: Decimal = Decimal(0)
    output: Decimal = Decimal(0)
    call: Decimal = Decimal(0)

    def charge(self, event: UsageEvent) -> UsageEvent:
        """The event with its costs."""
        uncached = event.input_tokens - event.cached_tokens
        return replace(
            event,
            input_cost=whole(self.input * uncached / TOKENS + self.call * event.num_requests),
            cached_cost=whole(self.cached * event.cached_tokens / TOKENS),
            output_cost=whole(self.output * event.output_tokens / TOKENS),
        )


def rate_of(prices: Prices, kind: str, *names: str | None) -> Rate:
    """For a request of that kind to the model of the first of these names that has a price; free where none has."""
    if kind == "file_search_calls":
        return Rate(call=prices.file_search_call * NANO)
    price = next((prices.models[name] for name in names if name is not None and name in prices.models), ModelPrice())
    return Rate(price.input * NANO, price.cached_input * NANO, price.output * NANO)


def whole(amount: Decimal) -> int:
    """The nearest whole number."""
    return int(amount.to_integral_value(ROUND_HALF_EVEN))
