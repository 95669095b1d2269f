"""The tokenizer of a GGUF file encodes and decodes as the Hugging Face one that it was made of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from owngpt.errors import CheckpointError
from owngpt.model.bundled import garlic_folder
from owngpt.text.chat import ChatRenderer
from owngpt.text.gguf_tokenizer import tokenizer_files
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Message
from tests.fakes.gguf import tokenizer_fields
from tests.fakes.text import byte_tokenizer, sentencepiece_tokenizer

TEXTS = (
    "",
    "Hello, World! It's 12345 o'clock, and WE'LL see: foo_bar(x=1)\n\n\t  end  ",
    "日本語のテキスト、naïve café ☃ — “quotes” 😀",
    "hello  hello   abc\r\n <|im_start|> </s> é e\u0301",
)


def unfolded(fields: dict[str, Any], folder: Path) -> Tokenizer:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    for name, content in tokenizer_files(fields, folder / "model.gguf").items():
        (folder / name).write_text(content, encoding="utf-8")
    return Tokenizer.load(folder)


def assert_same(found: Tokenizer, expected: Tokenizer) -> None:
    for text in TEXTS:
        ids = expected.encode(text)
        assert found.encode(text) == ids
        assert found.decode(ids, skip_special=False) == expected.decode(ids, skip_special=False)
    assert found.special_ids == expected.special_ids
    assert found.vocab_size == expected.vocab_size
    assert found.bos_token_id == expected.bos_token_id


def byte_level(folder: Path) -> Tokenizer:
    return byte_tokenizer(folder, merges=[("l", "l"), ("ll", "o"), ("1", "2"), ("Ġ", "a"), ("h", "e")])


MAKERS: dict[str, Callable[[Path], Tokenizer]] = {
    "byte-level": byte_level,
    "llama": sentencepiece_tokenizer,
    "gemma": lambda folder: sentencepiece_tokenizer(folder, is_gemma=True),
}


@pytest.mark.parametrize("maker", MAKERS)
def test_text_becomes_the_same_tokens(maker: str, tmp_path: Path) -> None:
    expected = MAKERS[maker](tmp_path / "original")
    more = {"tokenizer.ggml.add_space_prefix": False} if maker == "gemma" else {}
    found = unfolded(tokenizer_fields(tmp_path / "original", **more), tmp_path / "unfolded")
    assert_same(found, expected)


QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def test_a_real_vocabulary_gives_the_same_tokens_and_prompts(tmp_path: Path) -> None:
    """Garlic's, with text cut as Qwen's own tokenizer.json says."""
    folder = Path(shutil.copytree(garlic_folder(), tmp_path / "original"))
    state = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    state["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {"Regex": QWEN2}
    state["normalizer"] = {"type": "NFC"}
    (folder / "tokenizer.json").write_text(json.dumps(state), encoding="utf-8")
    fields = tokenizer_fields(folder, pre="qwen2")
    expected, found = Tokenizer.load(folder), unfolded(fields, tmp_path / "unfolded")
    assert_same(found, expected)
    assert set(expected.eos_token_ids) <= set(found.eos_token_ids)
    conversation = [Message("user", "Hello <|im_end|> there"), Message("assistant", "Hi"), Message("user", "Bye")]
    prompts = [
        ChatRenderer.load(place, tokenizer).encode(conversation)
        for place, tokenizer in ((folder, expected), (tmp_path / "unfolded", found))
    ]
    assert prompts[0] == prompts[1]


# text -> how these pre-tokenizers cut it: digits by one, by three, or as they come
CUTS = {"qwen2": 5, "llama-bpe": 2, "smollm": 5, "gpt-2": 1, "tekken": 5, "gpt-4o": 2}


@pytest.mark.parametrize("pre", CUTS)
def test_digits_are_cut_as_the_models_makers_did(pre: str, tmp_path: Path) -> None:
    byte_tokenizer(tmp_path / "original", merges=[("1", "2"), ("12", "3"), ("123", "4"), ("1234", "5"), ("4", "5")])
    found = unfolded(tokenizer_fields(tmp_path / "original", pre=pre), tmp_path / "unfolded")
    assert len(found.encode("12345")) == CUTS[pre]


def test_a_beginning_is_added_where_the_file_says_so(tmp_path: Path) -> None:
    sentencepiece_tokenizer(tmp_path / "original")
    fields = tokenizer_fields(tmp_path / "original")
    assert unfolded(fields, tmp_path / "a").encode("a", add_special_tokens=True)[0] == 1
    without = unfolded({**fields, "tokenizer.ggml.add_bos_token": False}, tmp_path / "b")
    assert without.encode("a", add_special_tokens=True) == without.encode("a")


def test_padding_of_the_vocabulary_is_left_out(tmp_path: Path) -> None:
    expected = byte_level(tmp_path / "original")
    fields = tokenizer_fields(tmp_path / "original")
    fields["tokenizer.ggml.tokens"] += ["[PAD1]", "[PAD2]"]
    fields["tokenizer.ggml.token_type"] += [5, 5]
    assert unfolded(fields, tmp_path / "unfolded").vocab_size == expected.vocab_size


def test_several_templates_keep_their_names(tmp_path: Path) -> None:
    byte_level(tmp_path / "original")
    fields = tokenizer_fields(tmp_path / "original", **{"tokenizer.chat_template": "A"})
    files = tokenizer_files({**fields, "tokenizer.chat_template.tool_use": "B"}, tmp_path)
    templates = json.loads(files["tokenizer_config.json"])["chat_template"]
    assert templates == [{"name": "default", "template": "A"}, {"name": "tool_use", "template": "B"}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer.ggml.model": "bert"}, "tokenizer.ggml.model: 'bert' is not supported; supported: gpt2, llama"),
        ({"tokenizer.ggml.pre": "viking"}, "tokenizer.ggml.pre: 'viking' is not supported; supported: qwen2, "),
        ({"tokenizer.ggml.pre": ["qwen2"]}, r"tokenizer.ggml.pre: .* is not supported"),
        ({"tokenizer.ggml.tokens": ["a" * 100_000]}, "tokenizer.ggml.tokens: one has more than 512 characters"),
        ({"tokenizer.ggml.token_type": -1}, "tokenizer.ggml.token_type: it is missing or not a list"),
        ({"tokenizer.ggml.tokens": None}, "tokenizer.ggml.tokens: it is missing or not a list"),
        ({"tokenizer.ggml.merges": [1]}, "tokenizer.ggml.merges: it is missing or not a list"),
        ({"tokenizer.ggml.token_type": [1]}, "tokenizer.ggml.token_type: 1 values for "),
        ({"tokenizer.ggml.model": "llama", "tokenizer.ggml.scores": [0.0]}, "tokenizer.ggml.scores: 1 values for "),
    ],
)
def test_what_is_missing_or_unknown_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    byte_level(tmp_path)
    with pytest.raises(CheckpointError, match=message):
        tokenizer_files({**tokenizer_fields(tmp_path), **changes}, tmp_path / "model.gguf")


def test_what_the_tokenizer_library_does_not_take_is_said(tmp_path: Path) -> None:
    sentencepiece_tokenizer(tmp_path)
    fields = tokenizer_fields(tmp_path)
    fields["tokenizer.ggml.tokens"][fields["tokenizer.ggml.bos_token_id"]] = "a b"
    with pytest.raises(CheckpointError, match=r"model.gguf: its tokenizer cannot be built: .*SpecialToken"):
        tokenizer_files(fields, tmp_path / "model.gguf")
