"""The checkpoint that is timed: the shape of Qwen3-0.6B with random weights, since speed does not depend on them.

    python -m benchmarks.shape FOLDER [--tiny]

Written as a Hugging Face folder with Garlic's tokenizer, whose vocabulary is filled up to the shape's, so that every
engine and every server reads the same prompts as the same tokens.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import torch
from safetensors.torch import save_file
from torch import Tensor

from owngpt.model.bundled import garlic_folder
from owngpt.model.weights import load_model

CONFIG: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151_936,
    "max_position_embeddings": 40_960,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000,
    "tie_word_embeddings": True,
    "hidden_act": "silu",
    "attention_bias": False,
    "dtype": "bfloat16",
    "eos_token_id": 2,
}
TINY = {"num_hidden_layers": 2, "vocab_size": 20_000}  # to try the scripts, not to measure anything
NAMES = ("chat_template.jinja", "tokenizer_config.json")


def write_random(folder: Path, *, tiny: bool = False) -> Path:
    """The folder, written if it is not there yet."""
    if not (folder / "model.safetensors").exists():
        write_config(folder, tiny=tiny)
        write_weights(folder, random_weights(folder))
    return folder


def write_config(folder: Path, *, tiny: bool = False) -> None:
    """All but the weights."""
    config = CONFIG | (TINY if tiny else {})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    for name in NAMES:
        shutil.copy(garlic_folder() / name, folder)
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer(config["vocab_size"])), encoding="utf-8")


def random_weights(folder: Path) -> dict[str, Tensor]:
    """bf16, by their names in a checkpoint; always the same ones."""
    model = load_model(folder, torch.bfloat16, random_weights=True)
    return {f"model.{name}": parameter.data for name, parameter in model.named_parameters()}


def write_weights(folder: Path, weights: Mapping[str, Tensor]) -> None:
    """In one piece: a file that is there is whole."""
    part = folder / "part"
    save_file(dict(weights), part, metadata={"format": "pt"})
    part.rename(folder / "model.safetensors")


def _tokenizer(vocab_size: int) -> dict[str, Any]:
    """Garlic's, with words that no text contains behind its own tokens."""
    state: dict[str, Any] = json.loads((garlic_folder() / "tokenizer.json").read_text(encoding="utf-8"))
    vocab = state["model"]["vocab"]
    taken = set(vocab.values()) | {token["id"] for token in state["added_tokens"]}
    vocab.update({f"Ġw{number}": number for number in range(vocab_size) if number not in taken})
    return state


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--tiny", is_flag=True, help="A small shape, to try the scripts with.")
def main(folder: Path, tiny: bool) -> None:
    """Write the shape."""
    click.echo(write_random(folder, tiny=tiny))


if __name__ == "__main__":
    main()
