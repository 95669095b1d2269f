"""One frozen dataclass per component, with its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

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
