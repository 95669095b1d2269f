"""Settings: the only reader of the environment and of `owngpt.toml`.

Precedence: command line, then environment (`OWNGPT_PORT`, ...), then the TOML file, then the defaults below.
One frozen dataclass per component; built once in `Settings.load` and passed down.

    # owngpt.toml
    models = ["Qwen/Qwen3-0.6B", "/models/e5-small"]
    data_dir = "~/.owngpt"
    [aliases]
    "gpt-5.2" = "Qwen3-0.6B"
    [projects.nightly]
    weight = 0.5
    service_tier = "flex"
    requests_per_minute = 60
    [prices]
    file_search_call = 0.0025
    [prices."gpt-5.2"]
    input = 1.75
    output = 14
    [server]
    port = 8000
    [engine]
    kv_memory = "4GiB"

The file is what `--config` or `OWNGPT_CONFIG` names.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
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
    max_file_bytes: int = 512 * MIB  # of an uploaded file
    drain_seconds: float = 30.0  # how long SIGTERM waits for running streams
    cors_origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """One engine per generative model; all get the same numbers."""

    device: str = "cpu"  # or cuda
    dtype: str = "auto"  # auto, fp32, bf16, int8, int4
    kv_memory: int | None = None  # bytes for KV blocks of one model; None: a share of what is free
    block_size: int = 16  # tokens per KV block
    max_batch_tokens: int = 512  # the token budget of one step
    max_running: int = 64  # choices that decode at once
    max_queue: int = 256  # choices that may wait before 429
    max_wait: float | None = None  # seconds that a request may wait for its first token before 429; None: no limit
    stream_slowdown: float = 2.5  # how many times as long a step may take that reads prompts beside running streams
    max_model_len: int | None = None  # None: what the checkpoint says, at most what KV memory holds
    prefix_cache: bool = True
    kv_cache_dir: Path | None = None  # where prefixes outlive the process; None: nowhere
    kv_cache_size: int = 4096 * MIB  # bytes of that folder, of all models together
    speculation: str = "auto"  # guess tokens ahead: auto (where it pays), on, off; answers are the same
    draft_model: str | None = None  # folder or name of a smaller model with the same tokenizer, which guesses too
    threads: int | None = None  # None: the cores of this machine

    @property
    def capacity(self) -> int:
        """Choices that an engine runs and queues, whoever sends them."""
        return self.max_running + self.max_queue

    @property
    def reserve(self) -> int:
        """Choices beyond it, for projects that have no more than so many."""
        return self.capacity // 8


@dataclass(frozen=True, slots=True)
class PrivacyConfig:
    """What happens to personal data in projects that have no policy of their own."""

    pii: str = "off"  # off, mask, block
    pii_threshold: float = 0.5  # from which score on something counts as personal data, 0 to 1
    pii_restore: bool = True  # callers get their own values back
    pii_seconds: float = 20.0  # a request that takes longer to look through fails


@dataclass(frozen=True, slots=True)
class McpConfig:
    """Tools on servers of the Model Context Protocol, for Responses."""

    mcp_servers: tuple[str, ...] = ()  # that may be reached: hosts, beginnings of URLs, or * (all public https ones)
    mcp_seconds: float = 60.0  # how long one call of a tool may take


@dataclass(frozen=True, slots=True)
class ProjectConfig:
    """How one project is served beside the others."""

    weight: float = 1.0  # its share of the machine while others want theirs, compared with their weights
    service_tier: str = "default"  # of requests that name none: default, flex or priority
    requests_per_minute: int | None = None  # of all models together, where the API has set nothing else; None: no limit
    tokens_per_minute: int | None = None
    requests_per_day: int | None = None
    batch_tokens_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """What a million tokens cost."""

    input: Decimal = Decimal(0)
    cached_input: Decimal = Decimal(0)  # as `input` where a file gives that one only
    output: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Prices:
    """What usage costs, in US dollars; what has no price is free."""

    models: Mapping[str, ModelPrice] = field(default_factory=dict)  # by name or alias; an alias goes first
    file_search_call: Decimal = Decimal(0)
    vector_store_gb_day: Decimal = Decimal(0)  # a GB has 2**30 bytes


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything `build.py` needs."""

    models: tuple[str, ...] = ()  # folders or ORG/NAME[@revision]; empty: the bundled ones
    aliases: Mapping[str, str] = field(default_factory=dict)  # name on the wire -> name of a loaded model
    projects: Mapping[str, ProjectConfig] = field(default_factory=dict)  # by name
    prices: Prices = Prices()
    data_dir: Path = Path("~/.owngpt")
    database: str | None = field(default=None, repr=False)  # URL of PostgreSQL; None: a file in the data folder
    api_key: str | None = field(default=None, repr=False)  # an admin key; None: one is made on the very first start
    otel_endpoint: str | None = None  # OTLP over HTTP; None: no traces
    store: str = "asked"  # which answers leave a receipt: all, asked (those whose request says so), or never
    images: str = "note"  # models read text only: in Responses note that there was one, or refuse it
    store_days: int | None = None  # receipts older than this are deleted; None: they stay
    log_level: str = "info"
    server: ServerConfig = ServerConfig()
    engine: EngineConfig = EngineConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    mcp: McpConfig = McpConfig()

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


def parse_bytes(text: str | int) -> int:
    """`4GiB`, `512M`, `1.5g` or a plain number of bytes -> bytes (binary units). Raises `ValueError`."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", str(text).lower())
    if match is None or (size := int(float(match[1]) * _UNITS[match[2]])) == 0:
        raise ValueError("it must be a size, for example 512MiB or 4GiB")
    return size


_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def _whole(value: Any, least: int = 1, most: int = 2**63 - 1) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"\s*[0-9]+\s*", str(value)) or not least <= int(value) <= most:
        raise ValueError(f"it must be a whole number from {least}" + (f" to {most}" if most < 2**63 - 1 else ""))
    return int(value)


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError("it must be a number of seconds, 0 or more")
    return seconds


def _factor(value: Any) -> float:
    try:
        factor = float(value)
    except (TypeError, ValueError):
        factor = math.nan
    if not factor > 1:
        raise ValueError("it must be a number above 1; inf is no limit")
    return factor


def _share(value: Any) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = math.nan
    if not 0 <= share <= 1:
        raise ValueError("it must be a number from 0 to 1")
    return share


def _boolean(value: Any) -> bool:
    if str(value).lower() not in _BOOLEANS:
        raise ValueError("it must be true or false")
    return _BOOLEANS[str(value).lower()]


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("it must be text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    """A list, or text with commas."""
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    if not isinstance(value, list | tuple):
        raise ValueError("it must be a list")
    return tuple(_text(item) for item in value)


def _database(value: Any) -> str:
    if not re.match(r"postgres(ql)?://.", _text(value)):
        raise ValueError("it must be a URL: postgresql://USER:PASSWORD@HOST:5432/NAME")
    return str(value)


def _path(value: Any) -> Path:
    return Path(_text(str(value))).expanduser()


def _aliases(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value.values()):
        raise ValueError('it must map names to names of models; quote names with dots: "gpt-5.2" = "Qwen3-0.6B"')
    return dict(value)


def _weight(value: Any) -> float:
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0.001 <= weight <= 1000:
        raise ValueError("weight must be a number from 0.001 to 1000")
    return weight


_RATES = ("requests_per_minute", "tokens_per_minute", "requests_per_day", "batch_tokens_per_day")


def _projects(value: Any) -> dict[str, ProjectConfig]:
    if not isinstance(value, Mapping) or not all(isinstance(project, Mapping) for project in value.values()):
        raise ValueError("it must map names to tables: [projects.NAME]")
    convert: dict[str, Callable[[Any], Any]] = {
        "weight": _weight,
        "service_tier": _one_of("default", "flex", "priority"),
        **dict.fromkeys(_RATES, lambda value: _whole(value, 0)),
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


def _prices(value: Any) -> Prices:
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


def _one_of(*choices: str, **synonyms: str) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        name = str(value).lower()
        if synonyms.get(name, name) not in choices:
            raise ValueError(f"it must be one of {', '.join(choices)}")
        return synonyms.get(name, name)

    return convert


_BY_TYPE: dict[Any, Callable[[Any], Any]] = {
    int: _whole,
    int | None: _whole,
    float: _seconds,
    bool: _boolean,
    float | None: _seconds,
    str: _text,
    str | None: _text,
    Path: _path,
    Path | None: _path,
    tuple[str, ...]: _texts,
}
_BY_NAME: dict[str, Callable[[Any], Any]] = {
    "port": lambda value: _whole(value, 0, 65535),
    "kv_memory": parse_bytes,
    "kv_cache_size": parse_bytes,
    "max_body_bytes": parse_bytes,
    "max_file_bytes": parse_bytes,
    "database": _database,
    "aliases": _aliases,
    "projects": _projects,
    "prices": _prices,
    "stream_slowdown": _factor,
    "pii": _one_of("off", "mask", "block", false="off"),
    "pii_threshold": _share,
    "device": _one_of("cpu", "cuda"),
    "dtype": _one_of("auto", "fp32", "bf16", "int8", "int4", float32="fp32", bfloat16="bf16"),
    "images": _one_of("refuse", "note"),
    "store": _one_of("all", "asked", "never"),
    "speculation": _one_of("auto", "on", "off", true="on", false="off"),
    "log_level": _one_of("debug", "info", "warning", "error"),
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
