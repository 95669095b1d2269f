"""Checks: whether a file is still in order when something stands in its gap.

A file that a parser reads goes on being read by it. Where there is no parser, or where the file is broken elsewhere, so
that it says nothing about the gap, brackets and quotes must not be further from balance than they were.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from typing import Protocol

from owngpt.service.fim.fillers import JSON_FILLERS, TOML_FILLERS, data_fillers
from owngpt.service.fim.gap import Gap
from owngpt.service.fim.language import JSON, PYTHON, TOML
from owngpt.service.fim.lexis import balance
from owngpt.service.fim.python import PythonCheck

_MAX_BALANCED = 20_000  # characters on either side that are looked at for brackets


class Check(Protocol):
    """What an offer has to pass."""

    def accepts(self, middle: str) -> bool:
        """Whether the file is in order with this in the gap."""
        ...


class BracketCheck:
    """By the balance of brackets and quotes."""

    def __init__(self, gap: Gap) -> None:
        self._lexis = gap.language.lexis
        self._prefix, self._suffix = gap.prefix[-_MAX_BALANCED:], gap.suffix[:_MAX_BALANCED]
        self._before = self._balance("")

    def accepts(self, middle: str) -> bool:
        return self._balance(middle) <= self._before

    def _balance(self, middle: str) -> int:
        return balance(self._lexis, (self._prefix, middle, self._suffix))


class DataCheck:
    """By a parser of the whole file."""

    def __init__(self, gap: Gap, parse: Callable[[str], object]) -> None:
        self._gap, self._parse = gap, parse

    def accepts(self, middle: str) -> bool:
        try:
            self._parse(self._gap.prefix + middle + self._gap.suffix)
        except (ValueError, RecursionError):
            return False
        return True


def check_of(gap: Gap) -> Check:
    """The strictest check that means something here."""
    if gap.language is PYTHON and (check := PythonCheck.of(gap)) is not None:
        return check
    if gap.language is JSON:
        return _data_check(gap, json.loads, JSON_FILLERS)
    if gap.language is TOML:
        return _data_check(gap, tomllib.loads, TOML_FILLERS)
    return BracketCheck(gap)


def _data_check(gap: Gap, parse: Callable[[str], object], fillers: tuple[str, ...]) -> Check:
    """The parser, if there is anything that can stand in the gap for it."""
    check = DataCheck(gap, parse)
    is_open = any(map(check.accepts, data_fillers(gap, fillers)))
    return check if is_open else BracketCheck(gap)
