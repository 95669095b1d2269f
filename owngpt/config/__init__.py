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

from owngpt.config.settings import Settings
from owngpt.config.shapes import (
    EngineConfig,
    McpConfig,
    ModelPrice,
    Prices,
    PrivacyConfig,
    ProjectConfig,
    ServerConfig,
)
from owngpt.config.values import parse_bytes

__all__ = [
    "EngineConfig",
    "McpConfig",
    "ModelPrice",
    "Prices",
    "PrivacyConfig",
    "ProjectConfig",
    "ServerConfig",
    "Settings",
    "parse_bytes",
]
