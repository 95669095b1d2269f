"""Real tokenizers, small enough to read: one byte-level (Qwen's layout), one sentencepiece (Llama 2's and Gemma's)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers

from owngpt.text.tokenizer import Tokenizer

QWEN_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN_FIM = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
QWEN_MARKS = ("<think>", "</think>", "<tool_call>", "</tool_call>", *QWEN_FIM)
LLAMA_SPECIAL = ("<unk>", "<s>", "</s>")


def byte_tokenizer(
    folder: Path,
    *,
    special: Sequence[str] = QWEN_SPECIAL,
    marks: Sequence[str] = QWEN_MARKS,
    merges: Sequence[tuple[str, str]] = (),
    chat_template: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Tokenizer:
    """Byte-level BPE: ids 0..255 are the bytes, then merges, `special` tokens, `marks` (not special, as in Qwen).

    The first special token is padding, the last one is eos, there is no bos. `config` goes into tokenizer_config.json.
    """
    alphabet = _byte_characters()
    vocab = {character: byte for byte, character in enumerate(alphabet)}
    for left, right in merges:
        vocab.setdefault(left + right, len(vocab))
    backend = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=list(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    _add(backend, special, marks)
    named = {"eos_token": special[-1], "pad_token": special[0]} if special else {}
    return _save(backend, folder, {**named, **(config or {})}, chat_template)


def sentencepiece_tokenizer(
    folder: Path,
    *,
    special: Sequence[str] = LLAMA_SPECIAL,
    marks: Sequence[str] = (),
    words: Sequence[str] = ("▁", "▁he", "llo", "a", "b", "c", "h", "e", "l", "o", "日", "本"),
    is_gemma: bool = False,
    chat_template: str | None = None,
) -> Tokenizer:
    """BPE with byte fallback: `special`, then <0x00>..<0xFF>, then `words`. Gemma's kind adds no leading space."""
    pieces = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    merges = [(w[:n], w[n:]) for w in words for n in range(1, len(w)) if w[:n] in vocab and w[n:] in vocab]
    backend = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges, byte_fallback=True, unk_token=special[0]))
    replace = normalizers.Replace(" ", "▁")
    backend.normalizer = replace if is_gemma else normalizers.Sequence([normalizers.Prepend("▁"), replace])
    spaces = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    backend.decoder = decoders.Sequence(spaces if is_gemma else [*spaces, decoders.Strip(" ", 1, 0)])
    _add(backend, special, marks)
    named = {"unk_token": special[0], "bos_token": special[1], "eos_token": special[2]}
    return _save(backend, folder, named, chat_template)


def _byte_characters() -> list[str]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(hidden)) for byte in range(256)]


def _add(backend: tokenizers.Tokenizer, special: Sequence[str], marks: Sequence[str]) -> None:
    backend.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    backend.add_tokens([AddedToken(token, normalized=False) for token in marks])


def _save(
    backend: tokenizers.Tokenizer, folder: Path, config: Mapping[str, Any], chat_template: str | None
) -> Tokenizer:
    folder.mkdir(parents=True, exist_ok=True)
    backend.save(str(folder / "tokenizer.json"))
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(named), encoding="utf-8")
    if chat_template is not None:
        (folder / "chat_template.jinja").write_text(chat_template, encoding="utf-8")
    return Tokenizer.load(folder)
