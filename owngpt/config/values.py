"""Text or TOML values -> values of settings. Each raises `ValueError` that says what is expected."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def parse_bytes(text: str | int) -> int:
    """`4GiB`, `512M`, `1.5g` or a plain number of bytes -> bytes (binary units). Raises `ValueError`."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", str(text).lower())
    if match is None or (size := int(float(match[1]) * _UNITS[match[2]])) == 0:
        raise ValueError("it must be a size, for example 512MiB or 4GiB")
    return size


_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def whole(value: Any, least: int = 1, most: int = 2**63 - 1) -> int:
    """A whole number in these bounds."""
    if isinstance(value, bool) or not re.fullmatch(r"\s*[0-9]+\s*", str(value)) or not least <= int(value) <= most:
        raise ValueError(f"it must be a whole number from {least}" + (f" to {most}" if most < 2**63 - 1 else ""))
    return int(value)


def seconds(value: Any) -> float:
    """A time, 0 or more."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError("it must be a number of seconds, 0 or more")
    return seconds


def factor(value: Any) -> float:
    """A number above 1, or inf."""
    try:
        factor = float(value)
    except (TypeError, ValueError):
        factor = math.nan
    if not factor > 1:
        raise ValueError("it must be a number above 1; inf is no limit")
    return factor


def share(value: Any) -> float:
    """A number from 0 to 1."""
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = math.nan
    if not 0 <= share <= 1:
        raise ValueError("it must be a number from 0 to 1")
    return share


def boolean(value: Any) -> bool:
    """true, yes, on, 1 and their opposites."""
    if str(value).lower() not in _BOOLEANS:
        raise ValueError("it must be true or false")
    return _BOOLEANS[str(value).lower()]


def text(value: Any) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("it must be text")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """A list, or text with commas."""
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    if not isinstance(value, list | tuple):
        raise ValueError("it must be a list")
    return tuple(text(item) for item in value)


def database(value: Any) -> str:
    """A URL of PostgreSQL."""
    if not re.match(r"postgres(ql)?://.", text(value)):
        raise ValueError("it must be a URL: postgresql://USER:PASSWORD@HOST:5432/NAME")
    return str(value)


def path(value: Any) -> Path:
    """A path, in which ~ is the home folder."""
    return Path(text(str(value))).expanduser()


def aliases(value: Any) -> dict[str, str]:
    """Names to names of models."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value.values()):
        raise ValueError('it must map names to names of models; quote names with dots: "gpt-5.2" = "Qwen3-0.6B"')
    return dict(value)


def weight(value: Any) -> float:
    """A project's share of the machine, compared with those of others."""
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0.001 <= weight <= 1000:
        raise ValueError("weight must be a number from 0.001 to 1000")
    return weight


def one_of(*choices: str, **synonyms: str) -> Callable[[Any], str]:
    """A converter that takes these words, and others for them."""

    def convert(value: Any) -> str:
        name = str(value).lower()
        if synonyms.get(name, name) not in choices:
            raise ValueError(f"it must be one of {', '.join(choices)}")
        return synonyms.get(name, name)

    return convert
