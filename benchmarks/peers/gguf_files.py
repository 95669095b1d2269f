"""A Qwen3 folder as GGUF files for llama.cpp: BF16, Q8_0 and Q4_0, whose head is Q8_0: llama.cpp keeps it finer, too.

python -m benchmarks.peers.gguf_files FOLDER OUT
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

FORMATS = {"BF16": 32, "Q8_0": 7, "Q4_0": 2}  # and llama.cpp's numbers for them
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write(folder: Path, file: Path, kind: str) -> None:
    """One file, in one piece: a file that is there is whole."""
    gguf: Any = importlib.import_module("gguf")
    writer = gguf.GGUFWriter(str(file.with_suffix(".part")), "qwen3")
    add_shape(writer, json.loads((folder / "config.json").read_text()))
    writer.add_file_type(FORMATS[kind])
    add_tokenizer(writer, folder)
    for key, tensor in load_file(folder / "model.safetensors").items():
        name, array = gguf_name(key), tensor.to(torch.float32).numpy()
        if array.ndim == 1:
            writer.add_tensor(name, array.astype(np.float32))
            continue
        is_head = name == "token_embd.weight"
        dtype = getattr(gguf.GGMLQuantizationType, "Q8_0" if kind == "Q4_0" and is_head else kind)
        writer.add_tensor(name, gguf.quants.quantize(array, dtype), raw_dtype=dtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file.with_suffix(".part").rename(file)


def add_shape(writer: Any, config: dict[str, Any]) -> None:
    """What config.json says."""
    writer.add_name("random weights")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def add_tokenizer(writer: Any, folder: Path) -> None:
    """Byte-level BPE; normal tokens are 1, marks 3 (llama.cpp's "control")."""
    state = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    marks = {token["id"]: token["content"] for token in state["added_tokens"]}
    by_id = {number: token for token, number in state["model"]["vocab"].items()} | marks
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([by_id[number] for number in range(len(by_id))])
    writer.add_token_types([3 if number in marks else 1 for number in range(len(by_id))])
    writer.add_token_merges([" ".join(pair) for pair in state["model"]["merges"]])
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_chat_template((folder / "chat_template.jinja").read_text(encoding="utf-8"))


def gguf_name(key: str) -> str:
    """`model.layers.3.mlp.up_proj.weight` -> `blk.3.ffn_up.weight`."""
    if key == "model.embed_tokens.weight":
        return "token_embd.weight"
    if key == "model.norm.weight":
        return "output_norm.weight"
    _, _, layer, *parts, _ = key.split(".")
    return f"blk.{layer}.{NAMES['.'.join(parts)]}.weight"


def main(folder: str, out: str) -> None:
    """Write the files that are not there yet."""
    Path(out).mkdir(parents=True, exist_ok=True)
    for kind in FORMATS:
        if not (file := Path(out) / f"{kind}.gguf").exists():
            write(Path(folder), file, kind)


if __name__ == "__main__":
    main(*sys.argv[1:])
