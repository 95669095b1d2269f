"""Writes a trained model as a Hugging Face folder in the Qwen3 layout, which other tools load unchanged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from owngpt.text.tokenizer import Tokenizer
from owngpt.training.tokenizer import END_OF_TEXT, TURN_END

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def export_model(folder: Path, config: dict[str, Any], weights: dict[str, Tensor], tokenizer_folder: Path) -> None:
    """Write config.json, generation_config.json, bfloat16 weights and the tokenizer's files.

    `weights` have the decoder's parameter names (`layers.0...`, `lm_head.weight`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        if (tokenizer_folder / name).resolve() != (folder / name).resolve():
            shutil.copyfile(tokenizer_folder / name, folder / name)
    tokenizer = Tokenizer.load(folder)
    end_of_turn, end_of_text = tokenizer.token_to_id(TURN_END), tokenizer.token_to_id(END_OF_TEXT)
    ends = {"eos_token_id": end_of_turn, "pad_token_id": end_of_text}
    _write_json(folder / "config.json", {**config, "dtype": "bfloat16", "bos_token_id": None, **ends})
    generation = {"eos_token_id": [end_of_turn, end_of_text], "pad_token_id": end_of_text}
    sampling = {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.1}
    _write_json(folder / "generation_config.json", generation | sampling)
    named = {name if name.startswith("lm_head") else f"model.{name}": value for name, value in weights.items()}
    rounded = {name: value.to(torch.bfloat16).contiguous() for name, value in named.items()}
    save_file(rounded, folder / "model.safetensors", metadata={"format": "pt"})


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
