"""How much memory keys and values get, and so how long a request may be. Asks the system or the GPU, no tensors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from owngpt.config import EngineConfig
from owngpt.errors import ConfigError

SHARE = 0.4  # of what is available, when no budget is given
GPU_SHARE = 0.7  # of a GPU, which nothing else wants; the rest is for the keys and values that a step has gathered


class KVPlan(NamedTuple):
    """Blocks of KV memory, and the longest request in tokens (prompt and completion)."""

    num_blocks: int
    max_model_len: int


def plan_kv(
    config: EngineConfig, max_position: int, block_bytes: int, available: int | None = None, device: str = "cpu"
) -> KVPlan:
    """Divide the budget into blocks.

    The budget is `config.kv_memory`, or a share of the `available` bytes (None: ask the `device`), but not more than
    `max_running` requests of full length could use. `ConfigError` if it does not hold even one block.
    """
    wanted = min(max_position, config.max_model_len or max_position)
    useful = config.max_running * _ceil_div(wanted, config.block_size)
    budget = default_kv_memory(available=available, device=device) if config.kv_memory is None else config.kv_memory
    num_blocks = min(useful, budget // block_bytes)
    if num_blocks == 0:
        raise ConfigError(
            f"the memory for keys and values does not hold one block of {block_bytes} bytes; set kv_memory"
        )
    return KVPlan(num_blocks, min(wanted, num_blocks * config.block_size))


def default_kv_memory(num_models: int = 1, available: int | None = None, device: str = "cpu") -> int:
    """Bytes for each of several models where no budget is given: together they get a share of what is available."""
    share = GPU_SHARE if device == "cuda" else SHARE
    return int((available_memory(device) if available is None else available) * share) // num_models


def available_memory(device: str = "cpu") -> int:
    """Bytes that this process could still take: of the GPU, or of the machine and its container's limit."""
    if device == "cuda":
        return _gpu_memory()
    return min([_machine_memory(), *_container_memory()])


def _gpu_memory() -> int:
    import torch  # here: the rest needs the operating system only

    free, _ = torch.cuda.mem_get_info()
    return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()


def _machine_memory() -> int:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        values = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(values["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _container_memory(root: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """What the cgroup (version 2) has left, if it is limited."""
    limit, used = root / "memory.max", root / "memory.current"
    if not limit.exists() or not used.exists() or (text := limit.read_text().strip()) == "max":
        return []
    return [max(0, int(text) - int(used.read_text()))]


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)
