"""Where a run computes: one process, or several on one or many machines, started by `torchrun`.

With several, weights, gradients and moments are spread over the processes (FSDP2: Zhao et al. 2023, "PyTorch FSDP"),
each step's rows are divided among them, and a matrix is put together only while a layer or Muon needs it. Checkpoints
hold whole tensors, so a run may go on with another number of processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from owngpt.model.transformer import Transformer

WAIT = timedelta(hours=1)  # for another process: the first one packs the tokens of all


@dataclass(frozen=True, slots=True)
class Place:
    """This process among its like. Alone, everything here is the identity."""

    device: torch.device
    rank: int = 0
    num_processes: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def put(self, model: Transformer, dtype: torch.dtype) -> Transformer:
        """The model where it computes in `dtype`. Among several, its parameters become float32 shards."""
        if self.num_processes == 1:
            return model.to(self.device, dtype)
        mesh = init_device_mesh(self.device.type, (self.num_processes,))
        policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
        model.to(self.device)
        for module in (*model.layers, model):
            fully_shard(module, mesh=mesh, mp_policy=policy)
        return model

    def total(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.num_processes > 1:
            dist.all_reduce(value)
        return value

    def wait(self) -> None:
        """Until all have come here."""
        if self.num_processes > 1:
            dist.barrier()


ALONE = Place(torch.device("cpu"))


@contextmanager
def placed(device: str) -> Iterator[Place]:
    """The place of this process: among several if `torchrun` started it. `device` is cpu, cuda, or auto."""
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if "WORLD_SIZE" not in os.environ:
        yield Place(torch.device(kind))
        return
    here = torch.device(kind, int(os.environ["LOCAL_RANK"])) if kind == "cuda" else torch.device(kind)
    if kind == "cuda":
        torch.cuda.set_device(here)
    dist.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=WAIT)
    try:
        yield Place(here, dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def shard_of(tensor: Tensor) -> Tensor:
    """This process's part of a parameter or gradient, in the same memory; all of it where it is not spread."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(shard: Tensor, like: Tensor) -> Tensor:
    """All shards put together, for a tensor that is spread as `like` is."""
    if not isinstance(like, DTensor):
        return shard
    spread = DTensor.from_local(
        shard, like.device_mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
    )
    return spread.full_tensor()


def part(tensor: Tensor, like: Tensor) -> Tensor:
    """The inverse of `whole`: what of `tensor` belongs to this process."""
    if not isinstance(like, DTensor):
        return tensor
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None).to_local()


def forget_whole(model: torch.nn.Module) -> None:
    """Drop what was put together for passes without gradients, so that the next pass sees the weights as they are."""
    if isinstance(model, FSDPModule):
        model.reshard()
