"""A run of twenty steps that takes a second; saved after each."""

from __future__ import annotations

from owngpt.training.plan import TrainConfig

CONFIG = TrainConfig(
    num_tokens=2560,
    context=32,
    decay_context=64,
    batch_tokens=128,
    micro_tokens=64,
    max_batch_tokens=128,
    warmup=256,
    eval_every=1280,
    save_seconds=0.0,
    report_seconds=0.0,
)
