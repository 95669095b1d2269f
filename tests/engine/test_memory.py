import os
from pathlib import Path

import pytest
import torch

from owngpt.config import EngineConfig
from owngpt.engine.memory import _container_memory, available_memory, plan_kv
from owngpt.errors import ConfigError
from owngpt.model.attention import KVCache
from tests.fakes.model import tiny_config

MIB = 2**20


def test_a_given_budget_is_divided_into_blocks() -> None:
    plan = plan_kv(EngineConfig(kv_memory=MIB, block_size=16), max_position=100_000, block_bytes=16 * 1024)
    assert plan.num_blocks == 64
    assert plan.max_model_len == 1024


def test_a_request_may_be_as_long_as_the_checkpoint_and_the_option_allow() -> None:
    assert plan_kv(EngineConfig(kv_memory=MIB), 100, 128).max_model_len == 100
    assert plan_kv(EngineConfig(kv_memory=MIB, max_model_len=50), 100, 128).max_model_len == 50
    assert plan_kv(EngineConfig(kv_memory=MIB, max_model_len=500), 100, 128).max_model_len == 100


def test_the_default_is_a_share_of_what_is_available() -> None:
    plan = plan_kv(EngineConfig(), 100_000, 16 * 1024, available=100 * MIB)
    assert plan.num_blocks == 40 * MIB // (16 * 1024)


def test_no_more_is_taken_than_could_be_used() -> None:
    assert plan_kv(EngineConfig(max_running=4), 100, 128, available=2**40).num_blocks == 4 * 7


def test_memory_for_no_block_is_a_setting_to_change() -> None:
    with pytest.raises(ConfigError, match="kv_memory"):
        plan_kv(EngineConfig(kv_memory=1000), 100, 16 * 1024)


def test_the_machine_says_what_is_available() -> None:
    assert 2**24 < available_memory() < 2**50


def test_a_container_has_what_its_limit_leaves(tmp_path: Path) -> None:
    assert _container_memory(tmp_path) == []
    (tmp_path / "memory.current").write_text("300\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert _container_memory(tmp_path) == []
    (tmp_path / "memory.max").write_text("1000\n")
    assert _container_memory(tmp_path) == [700]


def test_memory_for_keys_and_values_is_only_taken_when_it_is_used() -> None:
    """It once was zeroed at the start: gigabytes, and seconds, before the first request."""
    cache = KVCache(tiny_config(), num_blocks=2**16, block_size=16, dtype=torch.bfloat16)
    assert sum(tensor.nbytes for tensor in (*cache.key, *cache.value)) == 256 * MIB
    before = _resident()
    assert not cache.key[0][:10].any()
    cache.key[0][0] = 1.0
    assert _resident() - before < 16 * MIB
    second = KVCache(tiny_config(), num_blocks=2**16, block_size=16, dtype=torch.bfloat16)
    assert _resident() - before < 32 * MIB
    assert second.num_blocks == 2**16


def _resident() -> int:
    status = Path("/proc/self/statm")
    if not status.exists():
        pytest.skip("the system has no /proc")
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
