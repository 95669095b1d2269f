"""Settings: the only reader of the environment and of `owngpt.toml`.

Precedence: command line, then environment (`OWNGPT_PORT`, ...), then the TOML file, then the defaults below.
One frozen dataclass per component; built once in `Settings.load` and passed down.

    # owngpt.toml
    models = ["Qwen/Qwen3-0.6B", "/models/e5-small"]
    data_dir = "~/.owngpt"
    [aliases]
    "gpt-5.2" = "Qwen3-0.6B"
    [server]
    port = 8000
    [engine]
    kv_memory = "4GiB"
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from owngpt.errors import ConfigError

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The HTTP side."""

    host: str = "127.0.0.1"
    port: int = 8000
    max_body_bytes: int = 8 * MIB
    drain_seconds: float = 30.0  # how long SIGTERM waits for running streams
    cors_origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """One engine per generative model; all get the same numbers."""

    dtype: str = "auto"  # auto, fp32, bf16
    kv_memory: int | None = None  # bytes for KV blocks of one model; None: a share of what is free
    block_size: int = 16  # tokens per KV block
    max_batch_tokens: int = 512  # the token budget of one step
    max_running: int = 64  # choices that decode at once
    max_queue: int = 256  # choices that may wait before 429
    max_model_len: int | None = None  # None: what the checkpoint says, at most what KV memory holds
    prefix_cache: bool = True
    threads: int | None = None  # None: the cores of this machine


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything `build.py` needs."""

    models: tuple[str, ...] = ()  # folders or ORG/NAME[@revision]; empty: the bundled ones
    aliases: Mapping[str, str] = field(default_factory=dict)  # name on the wire -> name of a loaded model
    data_dir: Path = Path("~/.owngpt")
    api_key: str | None = None  # the first admin key; None: one is made on the very first start
    otel_endpoint: str | None = None  # OTLP over HTTP; None: no traces
    log_level: str = "info"
    server: ServerConfig = ServerConfig()
    engine: EngineConfig = EngineConfig()

    @classmethod
    def load(
        cls,
        file: Path | None = None,
        env: Mapping[str, str] = os.environ,
        overrides: Mapping[str, Any] | None = None,
    ) -> Settings:
        """Read the file, the environment and the command line's `overrides` (None values are skipped).

        Flat names find their section: `port` is `server.port`. Raises `ConfigError` that names the setting.
        """
        values = _from_toml(file) | _from_env(env)
        values |= {k: v for k, v in (overrides or {}).items() if v is not None}
        return _build(values)


_SECTIONS: dict[str, type[Any]] = {"server": ServerConfig, "engine": EngineConfig}
_PLACE: dict[str, str | None] = {f.name: None for f in fields(Settings) if f.name not in _SECTIONS} | {
    f.name: section for section, cls in _SECTIONS.items() for f in fields(cls)
}
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def parse_bytes(text: str | int) -> int:
    """`4GiB`, `512M`, `1.5g` or a plain number of bytes -> bytes (binary units)."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", str(text).lower())
    if match is None:
        raise ValueError(f"{text!r} is not a size; write for example 512MiB or 4GiB")
    return int(float(match[1]) * _UNITS[match[2]])


def _from_toml(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"config file {file}: {error}") from error
    values: dict[str, Any] = {}
    for name, value in document.items():
        if name in _SECTIONS and isinstance(value, dict):
            for key in value:
                if _PLACE.get(key) != name:
                    raise ConfigError(f"config file {file}: unknown setting {name}.{key}")
            values |= value
        elif name in _PLACE and _PLACE[name] is None:
            values[name] = value
        else:
            raise ConfigError(f"config file {file}: unknown setting {name!r}")
    return values


def _from_env(env: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: env[variable]
        for name in _PLACE
        if name != "aliases" and env.get(variable := f"OWNGPT_{name.upper()}", "") != ""
    }


def _build(values: Mapping[str, Any]) -> Settings:
    for name in values:
        if name not in _PLACE:
            raise ConfigError(f"unknown setting {name!r}; known: {', '.join(sorted(_PLACE))}")
    parts: dict[str, Any] = {
        section: cls(**{k: _convert(cls, k, v) for k, v in values.items() if _PLACE[k] == section})
        for section, cls in _SECTIONS.items()
    }
    settings = Settings(**{k: _convert(Settings, k, v) for k, v in values.items() if _PLACE[k] is None}, **parts)
    return replace(settings, data_dir=settings.data_dir.expanduser())


def _convert(cls: type[Any], name: str, value: Any) -> Any:
    """Text or TOML value -> the field's type; `ConfigError` names the field, the value and what is expected."""
    kind = get_type_hints(cls)[name]
    try:
        if name in ("kv_memory", "max_body_bytes"):
            return parse_bytes(value)
        if kind in (int, int | None, float):
            number: float = int(value) if kind is not float else float(value)
            if number < 0 or (number == 0 and name != "port"):
                raise ValueError("must be positive")
            return number
        if kind is bool:
            return _BOOLEANS[str(value).lower()]
        if kind is Path:
            return Path(value)
        if kind == tuple[str, ...]:
            return tuple(value.split(",")) if isinstance(value, str) else tuple(str(item) for item in value)
        if name == "aliases":
            return {str(k): str(v) for k, v in value.items()}
        return str(value)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"setting {name!r} has value {value!r}: {error}; expected {kind}") from error


_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
