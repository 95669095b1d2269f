"""Trains Garlic's tokenizer: byte-level BPE for English, Japanese and Python. Writes the tokenizer files of a folder.

Before merging, text is cut into chunks that no token crosses: a word with its leading space, one digit, a run of white
space, and in Japanese a run of kanji with the hiragana that ends it (roughly a phrase), a run of katakana, a run of
hiragana. Any bytes round-trip: there is no normalization, and all 256 bytes are tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers

from owngpt.training.corpus import read_manifest, train_file
from owngpt.training.documents import read_documents

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE = "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"
SPECIAL_TOKENS = (END_OF_TEXT, TURN_START, TURN_END, FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE)
PLAIN_TOKENS = (
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
)  # one token each, but shown as text
CHUNKS = "|".join(
    (
        r"'(?:[sdmt]|ll|ve|re)",
        r"\p{N}",
        r"\p{Han}+\p{Hiragana}*",
        r"[\p{Katakana}ー]+",
        r"[\p{Hiragana}ー]+",
        r"[^\r\n\p{L}\p{N}]?[\p{L}&&[^\p{Han}\p{Hiragana}\p{Katakana}ー]]+",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> tokenizers.Tokenizer:
    """Learn merges from `texts`. The result has exactly `vocab_size` ids, special tokens included, if texts suffice."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CHUNKS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(PLAIN_TOKENS),
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        max_token_length=24,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in PLAIN_TOKENS])
    return tokenizer


def sample_texts(corpus: Path, num_characters: int) -> Iterator[str]:
    """Texts of every source in proportion to its shares of the mixture, `num_characters` in all."""
    sources = read_manifest(corpus)
    total = sum(source.stable + source.decay for source in sources)
    for source in sources:
        budget = num_characters * (source.stable + source.decay) / total
        for document in read_documents(train_file(corpus, source.name)):
            for text in (document.text, *(message.content for message in document.messages)):
                budget -= len(text)
                yield text
            if budget <= 0:
                break


def save_tokenizer(tokenizer: tokenizers.Tokenizer, folder: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": None,
        "eos_token": TURN_END,
        "pad_token": END_OF_TEXT,
        "unk_token": None,
        "additional_special_tokens": list(SPECIAL_TOKENS),
        "clean_up_tokenization_spaces": False,
        "fim_suffix_first": True,  # read by owngpt/text/tokenizer.py: `fim.py` trains on both orders
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    template = Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
