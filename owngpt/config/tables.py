"""Tables whose keys are the operator's: projects and prices. What is wrong raises `ValueError`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

from owngpt.config.shapes import ModelPrice, Prices, ProjectConfig
from owngpt.config.values import one_of, weight, whole

_RATES = ("requests_per_minute", "tokens_per_minute", "requests_per_day", "batch_tokens_per_day")


def projects(value: Any) -> dict[str, ProjectConfig]:
    """`[projects.NAME]` tables."""
    if not isinstance(value, Mapping) or not all(isinstance(project, Mapping) for project in value.values()):
        raise ValueError("it must map names to tables: [projects.NAME]")
    convert: dict[str, Callable[[Any], Any]] = {
        "weight": weight,
        "service_tier": one_of("default", "flex", "priority"),
        **dict.fromkeys(_RATES, lambda value: whole(value, 0)),
    }
    for project in value.values():
        for name in project:
            if name not in convert:
                raise ValueError(f"a project has {' and '.join(convert)}, but no {name}")
    return {
        name: ProjectConfig(**{key: convert[key](given) for key, given in project.items()})
        for name, project in value.items()
    }


def _price(value: Any) -> Decimal:
    """The number as it is written: the shortest decimal of a float."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1_000_000:
        raise ValueError(f"a price must be a number from 0 to 1000000, but one is {value!r}")
    return Decimal(str(value))


def prices(value: Any) -> Prices:
    """`[prices]`, with a table for each model."""
    if not isinstance(value, Mapping):
        raise ValueError('it must be a table of prices: [prices."MODEL"] with input, cached_input and output')
    models = {name: price for name, price in value.items() if isinstance(price, Mapping)}
    others = {name: price for name, price in value.items() if name not in models}
    _check_names(others, Prices, "models")
    return Prices(
        {name: _model_price(price) for name, price in models.items()},
        **{name: _price(price) for name, price in others.items()},
    )


def _model_price(value: Mapping[str, Any]) -> ModelPrice:
    _check_names(value, ModelPrice)
    given = {name: _price(price) for name, price in value.items()}
    return ModelPrice(**({"cached_input": given["input"]} if "input" in given else {}) | given)


def _check_names(given: Mapping[str, Any], shape: type[Any], *hidden: str) -> None:
    known = [f.name for f in fields(shape) if f.name not in hidden]
    for name in given:
        if name not in known:
            raise ValueError(f"prices are {', '.join(known)}, but there is {name}")
