import pytest
import torch

from owngpt.engine.device import check_device
from owngpt.engine.memory import GPU_SHARE, SHARE, available_memory, default_kv_memory
from owngpt.errors import ConfigError


@pytest.mark.parametrize("dtype", ["auto", "fp32", "bf16", "int8", "int4"])
def test_the_cpu_computes_with_every_dtype(dtype: str) -> None:
    check_device("cpu", dtype)


def test_packed_weights_on_a_gpu_are_a_setting_to_change() -> None:
    with pytest.raises(ConfigError, match=r"dtype int8 .* bf16 or fp32, or device cpu"):
        check_device("cuda", "int8")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_a_setting_to_change() -> None:
    with pytest.raises(ConfigError, match="finds no GPU; take a build of it for CUDA"):
        check_device("cuda", "auto")


def test_a_gpu_has_its_own_memory_and_gives_more_of_it() -> None:
    assert default_kv_memory(available=1000) == 1000 * SHARE
    assert default_kv_memory(2, available=1000, device="cuda") == 1000 * GPU_SHARE // 2
    if torch.cuda.is_available():
        assert available_memory("cuda") <= torch.cuda.mem_get_info()[1]
