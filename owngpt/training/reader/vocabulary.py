"""A tokenizer for Japanese and English: MiniLM's own pieces, and Japanese ones after them.

English text keeps its ids. Japanese is normalized (NFKC; accents fall, voicing marks stay), cut where its scripts
change, and split into the longest known pieces, as English words are (WordPiece; Schuster and Nakajima 2012).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import Regex, models, normalizers, pre_tokenizers, trainers

SCRIPTS = r"[\p{Han}々〇]+|\p{Hiragana}+|[\p{Katakana}ー]+"
_JAPANESE = re.compile(r"[\u3005\u3007\u3041-\u3096\u30a1-\u30fc\u3400-\u9fff]+")
MAX_LENGTH = 512  # positions that the encoder has
MARKS = {
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "mask_token": "[MASK]",
}
_LONGEST_WORD = 1_000  # characters; Japanese runs have no spaces


def extend_vocabulary(tokenizer_json: str, texts: Iterable[str], num_pieces: int) -> str:
    """`tokenizer.json` of a BERT (uncased) with up to `num_pieces` Japanese pieces learned from the texts."""
    document: dict[str, Any] = json.loads(tokenizer_json)
    known: dict[str, int] = document["model"]["vocab"]
    for piece in _learn(texts, num_pieces):
        known.setdefault(piece, len(known))
    document["model"]["max_input_chars_per_word"] = _LONGEST_WORD
    normalizer, words = json.loads(_shell().to_str())["normalizer"], json.loads(_shell().to_str())["pre_tokenizer"]
    return json.dumps(
        document | {"normalizer": normalizer, "pre_tokenizer": words, "truncation": None, "padding": None},
        ensure_ascii=False,
    )


def is_japanese(piece: str) -> bool:
    """Whether a piece of the vocabulary is Japanese text, at the beginning of a word or inside one."""
    return bool(_JAPANESE.fullmatch(piece.removeprefix("##")))


def runs(text: str) -> Iterator[str]:
    """The Japanese parts of a text."""
    return iter(_JAPANESE.findall(text))


def write_tokenizer(folder: Path, document: str) -> None:
    """`tokenizer.json`, and the settings that make other tools read it as it is (not as a BERT's by its vocabulary)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(document, encoding="utf-8")
    settings = {**MARKS, "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": MAX_LENGTH}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _shell() -> tokenizers.Tokenizer:
    """Normalizer and word boundaries, without pieces."""
    shell = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    shell.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.BertNormalizer(
                clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=True
            ),
            normalizers.NFD(),
            normalizers.Replace(Regex(r"[\p{Mn}&&[^\u3099\u309A]]"), ""),
            normalizers.NFC(),
        ]
    )
    shell.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(SCRIPTS), "isolated"), pre_tokenizers.BertPreTokenizer()]
    )
    return shell


def _learn(texts: Iterable[str], num_pieces: int) -> list[str]:
    shell = _shell()
    trainer = trainers.WordPieceTrainer(vocab_size=num_pieces, min_frequency=2, show_progress=False)
    shell.train_from_iterator((" ".join(runs(text)) for text in texts), trainer)
    return sorted(piece for piece in shell.get_vocab() if is_japanese(piece))  # the trainer's own order is random
