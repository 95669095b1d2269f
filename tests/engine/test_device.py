import pytest
import torch

from owngpt.engine.device import choose_device, device_here
from owngpt.engine.memory import GPU_SHARE, SHARE, available_memory, default_kv_memory
from owngpt.errors import ConfigError

GPU = "NVIDIA H200"


@pytest.mark.parametrize(
    ("asked", "dtype", "gpu", "device"),
    [
        ("auto", "auto", GPU, "cuda"),
        ("auto", "auto", None, "cpu"),
        ("auto", "int8", GPU, "cpu"),
        ("cpu", "bf16", GPU, "cpu"),
        ("cpu", "int4", None, "cpu"),
        ("cuda", "auto", GPU, "cuda"),
        ("cuda", "fp32", GPU, "cuda"),
    ],
)
def test_a_gpu_is_taken_where_there_is_one(asked: str, dtype: str, gpu: str | None, device: str) -> None:
    assert choose_device(asked, dtype, gpu).device == device


def test_packed_weights_on_a_gpu_are_a_setting_to_change() -> None:
    with pytest.raises(ConfigError, match=r"dtype int8 .* bf16 or fp32, or device cpu"):
        choose_device("cuda", "int8", GPU)


def test_a_gpu_that_is_not_there_is_a_setting_to_change() -> None:
    with pytest.raises(ConfigError, match="finds no GPU; take a build of it for CUDA"):
        choose_device("cuda", "auto", None)


def test_the_choice_names_the_gpu() -> None:
    assert choose_device("auto", "auto", GPU).reason == GPU


def test_this_machine_has_a_device() -> None:
    assert device_here("auto", "auto").device == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_gpu_has_its_own_memory_and_gives_more_of_it() -> None:
    assert default_kv_memory(available=1000) == 1000 * SHARE
    assert default_kv_memory(2, available=1000, device="cuda") == 1000 * GPU_SHARE // 2
    if torch.cuda.is_available():
        assert available_memory("cuda") <= torch.cuda.mem_get_info()[1]
