"""From a corpus and a tokenizer to a model folder: pack, train (or go on), export, draw the curve."""

from __future__ import annotations

from pathlib import Path

import torch

from owngpt.errors import SetupError
from owngpt.model.config import ModelConfig
from owngpt.model.transformer import Transformer
from owngpt.text.tokenizer import Tokenizer
from owngpt.training.checkpoint import RunState, load_checkpoint
from owngpt.training.dial import shape
from owngpt.training.distributed import ALONE, Place
from owngpt.training.evaluate import bytes_per_token
from owngpt.training.export import export_model
from owngpt.training.loop import Progress, TrainData, Trainer
from owngpt.training.metrics import write_curves, write_report
from owngpt.training.plan import TrainConfig, phase_tokens, plan_steps
from owngpt.training.predict import Speed
from owngpt.training.shards import (
    Packer,
    num_tokens,
    pack_held_out,
    pack_train,
    read_held_out,
    read_tokens,
    train_tokens_file,
)
from owngpt.training.tokenizer import END_OF_TEXT

HELD_OUT_TOKENS = 16384  # of each kind
VOCAB_MULTIPLE = 64


def pretrain(
    corpus: Path,
    tokenizer_folder: Path,
    out: Path,
    config: TrainConfig,
    *,
    depth: int = 4,
    dtype: torch.dtype = torch.bfloat16,
    place: Place = ALONE,
    seed: int = 0,
    speed: Speed | None = None,
    progress: Progress = print,
) -> RunState:
    """Train a decoder of `depth` on `corpus`; the model folder is `out/model`, run files lie beside it in `out`.

    A checkpoint that is already in `out` is gone on from. With `speed`, progress is compared to the machine's rate.
    Several processes call this together, each with its `place`, and share the folders. `SetupError` says what is
    missing, `CheckpointError` what differs.
    """
    packer, vocab_size = Packer.load(tokenizer_folder), padded_vocab_size(tokenizer_folder)
    if place.is_first:
        pack(corpus, out / "tokens", packer, config, seed, progress)
    place.wait()
    data = read_data(out / "tokens", packer, vocab_size, config)
    values = shape(depth, vocab_size, config.decay_context)
    model = Transformer(ModelConfig.from_dict(values))
    model.init_weights(seed)
    limits = speed.limits(values, config) if speed else {}
    trainer = Trainer(place.put(model, dtype), config, data, out, progress, limits=limits, place=place)
    state = trainer.run()
    weights = trainer.best_weights()
    if place.is_first:
        export_model(out / "model", values, weights, tokenizer_folder)
        write_curves(out / "model", state)
        write_report(out, state, place.num_processes)
    return state


def pack(corpus: Path, out: Path, packer: Packer, config: TrainConfig, seed: int, progress: Progress) -> None:
    """Write the token files that a run needs, where they are not there yet or too short."""
    needed = phase_tokens(plan_steps(config))
    if any(num_tokens(train_tokens_file(out, phase)) < needed[phase] for phase in needed):
        progress("packing tokens")
        pack_held_out(corpus, out, packer, HELD_OUT_TOKENS)
        pack_train(corpus, out, packer, needed, seed, progress)


def read_data(folder: Path, packer: Packer, vocab_size: int, config: TrainConfig) -> TrainData:
    """The token files that `pack` wrote."""
    end_of_text = packer.tokenizer.token_to_id(END_OF_TEXT)
    assert end_of_text is not None, "our tokenizers have it"
    phases = {phase: read_tokens(train_tokens_file(folder, phase)) for phase in phase_tokens(plan_steps(config))}
    return TrainData(phases, read_held_out(folder), bytes_per_token(packer.tokenizer, vocab_size), end_of_text)


def planned_tokens(out: Path) -> int | None:
    """What the run in `out` was planned for, if there is one."""
    loaded = load_checkpoint(out, {})
    return loaded[0].num_tokens if loaded else None


def padded_vocab_size(tokenizer_folder: Path) -> int:
    """How many tokens a model has for this tokenizer: a few more, which no text uses, for a round number."""
    vocab_size = -(-Tokenizer.load(tokenizer_folder).vocab_size // VOCAB_MULTIPLE) * VOCAB_MULTIPLE
    if vocab_size > 2**16:
        raise SetupError(f"the tokenizer has {vocab_size} tokens; token files hold ids below 65536")
    return vocab_size
