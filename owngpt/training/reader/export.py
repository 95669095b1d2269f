"""Writes a reader as a folder that BERT's tools load as an embedding model, with its heads beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from owngpt.model.encoder import stored_name
from owngpt.model.reader import HEADS

WORDS = "embeddings.word_embeddings.weight"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
POOLING_FILES = (
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
)


def write_reader(
    folder: Path, config: dict[str, Any], weights: dict[str, Tensor], heads: dict[str, Tensor], base: Path
) -> None:
    """config.json, weights under BERT's names, heads, and what sentence-transformers reads (taken from `base`)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in POOLING_FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(base / name, folder / name)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    kept = {name: value.contiguous() for name, value in weights.items() if not name.startswith("pooler.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    save_file({name: value.contiguous() for name, value in heads.items()}, folder / HEADS)


def export_reader(start: Path, folder: Path, trained: dict[str, Tensor], rows: Tensor, row_values: Tensor) -> None:
    """A folder like `start` with what was trained, in bfloat16, and the embedding in float8 (e4m3, no scales).

    That halves the largest tensor; other tools read it as it is, and vectors move by 2e-4 in cosine.

    `trained` has the reader's own parameter names; `row_values` are the rows `rows` of the embedding.
    """
    config = json.loads((start / "config.json").read_text("utf-8")) | {"dtype": "bfloat16"}
    weights = load_file(start / "model.safetensors")
    weights[WORDS][rows] = row_values
    for name, value in trained.items():
        if name.startswith("encoder."):
            weights[stored_name(name.removeprefix("encoder."))] = value
    heads = {name: value.bfloat16() for name, value in trained.items() if not name.startswith("encoder.")}
    kept = {name: value.bfloat16() for name, value in weights.items() if value.is_floating_point()}
    kept[WORDS] = weights[WORDS].to(torch.float8_e4m3fn)
    write_reader(folder, config, kept, heads, start)
    for name in TOKENIZER_FILES:
        shutil.copyfile(start / name, folder / name)
