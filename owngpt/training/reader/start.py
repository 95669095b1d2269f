"""Where the reader begins: MiniLM with a vocabulary for Japanese, written once as a model folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import tokenizers
import torch
from safetensors.torch import load_file

from owngpt.model.encoder import Encoder
from owngpt.model.reader import Reader
from owngpt.training.reader.alignment import first_rows
from owngpt.training.reader.examples import (
    Passages,
    Translation,
    read_claims,
    read_likenesses,
    read_passages,
    read_translations,
)
from owngpt.training.reader.export import WORDS, write_reader
from owngpt.training.reader.vocabulary import MARKS, extend_vocabulary, is_japanese, write_tokenizer

NUM_PIECES = 16_000  # Japanese, single characters included
CLS, SEP, UNKNOWN = MARKS["cls_token"], MARKS["sep_token"], MARKS["unk_token"]


def make_start(data: Path, base: Path, out: Path, progress: Callable[[str], None] = print) -> None:
    """A reader that was not trained yet, from the encoder in `base`."""
    passages, translations = read_passages(data, held_out=False), read_translations(data)
    document = extend_vocabulary(
        (base / "tokenizer.json").read_text("utf-8"), _texts(data, passages, translations), NUM_PIECES
    )
    write_tokenizer(out, document)
    tokenizer = tokenizers.Tokenizer.from_str(document)
    vocabulary = tokenizer.get_vocab()
    progress(f"{len(vocabulary)} pieces; aligning {len(translations)} translations")
    english = tokenizer.encode_batch([pair.english for pair in translations], add_special_tokens=False)
    japanese = tokenizer.encode_batch([pair.japanese for pair in translations], add_special_tokens=False)
    pairs = [(first.ids, second.ids) for first, second in zip(english, japanese, strict=True)]
    weights = load_file(base / "model.safetensors")
    weights[WORDS] = first_rows(weights[WORDS], vocabulary, [p for p in vocabulary if is_japanese(p)], pairs)
    torch.manual_seed(0)
    config = json.loads((base / "config.json").read_text("utf-8")) | {"vocab_size": len(vocabulary)}
    heads = Reader(Encoder.load(base), vocabulary[CLS], vocabulary[SEP]).head_state()
    write_reader(out, config, weights, heads, base)


def _texts(data: Path, passages: Passages, translations: Iterable[Translation]) -> Iterable[str]:
    yield from passages.texts
    yield from (question.question for question in passages.questions)
    yield from (pair.japanese for pair in translations)
    yield from (claim.text for claim in read_claims(data, held_out=False))
    yield from (pair.first for pair in read_likenesses(data))
