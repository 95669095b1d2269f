"""All settings, and where they come from: the command line, the environment, a TOML file, defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from owngpt.config.shapes import EngineConfig, McpConfig, Prices, PrivacyConfig, ProjectConfig, ServerConfig
from owngpt.config.tables import prices, projects
from owngpt.config.values import (
    aliases,
    boolean,
    database,
    factor,
    one_of,
    parse_bytes,
    path,
    seconds,
    share,
    text,
    texts,
    whole,
)
from owngpt.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything `build.py` needs."""

    models: tuple[str, ...] = ()  # folders or ORG/NAME[@revision]; empty: the bundled ones
    aliases: Mapping[str, str] = field(default_factory=dict)  # name on the wire -> name of a loaded model
    projects: Mapping[str, ProjectConfig] = field(default_factory=dict)  # by name
    prices: Prices = field(default_factory=Prices)
    data_dir: Path = Path("~/.owngpt")
    database: str | None = field(default=None, repr=False)  # URL of PostgreSQL; None: a file in the data folder
    api_key: str | None = field(default=None, repr=False)  # an admin key; None: one is made on the very first start
    otel_endpoint: str | None = None  # OTLP over HTTP; None: no traces
    store: str = "asked"  # which answers leave a receipt: all, asked (those whose request says so), or never
    images: str = "note"  # models read text only: in Responses note that there was one, or refuse it
    store_days: int | None = None  # receipts older than this are deleted; None: they stay
    log_level: str = "info"
    server: ServerConfig = field(default_factory=ServerConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
    mcp: McpConfig = field(default_factory=McpConfig)

    @classmethod
    def load(
        cls,
        file: Path | None = None,
        env: Mapping[str, str] = os.environ,
        overrides: Mapping[str, Any] | None = None,
    ) -> Settings:
        """Read the file, the environment and the command line's `overrides` (None values are skipped).

        Flat names find their section: `port` is `server.port`. Aliases of the command line join those of the file.
        Raises `ConfigError` that names the setting.
        """
        if file is None and env.get("OWNGPT_CONFIG"):
            file = Path(env["OWNGPT_CONFIG"])
        in_file = _from_toml(file)
        given = {name: value for name, value in (overrides or {}).items() if value is not None}
        values = in_file | _from_env(env) | given
        if "aliases" in in_file and "aliases" in given:
            values["aliases"] = {**_convert("aliases", None, in_file["aliases"]), **given["aliases"]}
        return _build(values)


_BY_TYPE: dict[Any, Callable[[Any], Any]] = {
    int: whole,
    int | None: whole,
    float: seconds,
    bool: boolean,
    float | None: seconds,
    str: text,
    str | None: text,
    Path: path,
    Path | None: path,
    tuple[str, ...]: texts,
}
_BY_NAME: dict[str, Callable[[Any], Any]] = {
    "port": lambda value: whole(value, 0, 65535),
    "kv_memory": parse_bytes,
    "kv_cache_size": parse_bytes,
    "max_body_bytes": parse_bytes,
    "max_file_bytes": parse_bytes,
    "database": database,
    "aliases": aliases,
    "projects": projects,
    "prices": prices,
    "stream_slowdown": factor,
    "pii": one_of("off", "mask", "block", false="off"),
    "pii_threshold": share,
    "device": one_of("cpu", "cuda"),
    "dtype": one_of("auto", "fp32", "bf16", "int8", "int4", float32="fp32", bfloat16="bf16"),
    "images": one_of("refuse", "note"),
    "store": one_of("all", "asked", "never"),
    "speculation": one_of("auto", "on", "off", true="on", false="off"),
    "log_level": one_of("debug", "info", "warning", "error"),
}
_SECRETS = ("api_key", "database")  # never shown
_TABLES = ("aliases", "projects", "prices")  # their keys are the operator's, so only a file can hold them
_SECTIONS: dict[str, type[Any]] = {
    "server": ServerConfig,
    "engine": EngineConfig,
    "privacy": PrivacyConfig,
    "mcp": McpConfig,
}
_PLACE: dict[str, str | None] = {f.name: None for f in fields(Settings) if f.name not in _SECTIONS} | {
    f.name: section for section, cls in _SECTIONS.items() for f in fields(cls)
}


def _from_toml(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"config file {file}: {error}") from error
    values: dict[str, Any] = {}
    for name, value in document.items():
        section = value if name in _SECTIONS and isinstance(value, dict) else {name: value}
        place = name if section is value else None
        for key in section:
            if key not in _PLACE or _PLACE[key] != place:
                home = f"; it belongs in [{_PLACE[key]}]" if _PLACE.get(key) else ""
                raise ConfigError(f"config file {file}: unknown setting {f'{place}.{key}' if place else key}{home}")
        values |= section
    return values


def _from_env(env: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: env[variable]
        for name in _PLACE
        if name not in _TABLES and env.get(variable := f"OWNGPT_{name.upper()}", "") != ""
    }


def _build(values: Mapping[str, Any]) -> Settings:
    for name in values:
        if name not in _PLACE:
            raise ConfigError(f"unknown setting {name!r}; known: {', '.join(sorted(_PLACE))}")

    def part(cls: type[Any], place: str | None) -> dict[str, Any]:
        hints = get_type_hints(cls)
        return {name: _convert(name, hints[name], value) for name, value in values.items() if _PLACE[name] == place}

    sections = {name: cls(**part(cls, name)) for name, cls in _SECTIONS.items()}
    settings = Settings(**part(Settings, None), **sections)
    return replace(settings, data_dir=settings.data_dir.expanduser())


def _convert(name: str, kind: Any, value: Any) -> Any:
    """Text or TOML value -> the field's type; `ConfigError` names the setting, its value and what is expected."""
    try:
        return (_BY_NAME.get(name) or _BY_TYPE[kind])(value)
    except ValueError as error:
        shown = "***" if name in _SECRETS else repr(value)
        raise ConfigError(f"setting {name} is {shown}; {error}") from error
