"""The marks of each family, and the order in which its prompts have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from owngpt.text.tokenizer import Tokenizer
from tests.fakes.text import LLAMA_SPECIAL, QWEN_FIM, byte_tokenizer, sentencepiece_tokenizer

STARCODER = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<repo_name>", "<file_sep>", "<fim_pad>")
DEEPSEEK = ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>")


@pytest.mark.parametrize(
    ("marks", "prompt"),
    [
        (QWEN_FIM, "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"),
        (STARCODER, "<fim_prefix><fim_suffix>b<fim_middle>a"),
        (("[PREFIX]", "[SUFFIX]", "[MIDDLE]"), "[SUFFIX]b[PREFIX]a"),
        (DEEPSEEK, "<｜fim▁begin｜>a<｜fim▁hole｜>b<｜fim▁end｜>"),
    ],
    ids=["qwen", "starcoder", "codestral", "deepseek"],
)
def test_each_family_has_its_order(tmp_path: Path, marks: tuple[str, ...], prompt: str) -> None:
    tokenizer = byte_tokenizer(tmp_path, marks=marks)
    assert tokenizer.fim is not None
    assert tokenizer.decode(tokenizer.fim.arrange([97], [98])) == prompt


def test_a_checkpoint_may_say_its_order_itself(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer(tmp_path, marks=QWEN_FIM, config={"fim_suffix_first": True})
    assert tokenizer.fim is not None
    assert tokenizer.decode(tokenizer.fim.arrange([97], [98])) == "<|fim_prefix|><|fim_suffix|>b<|fim_middle|>a"


def test_what_ends_a_middle_is_not_only_the_end_of_a_turn(tmp_path: Path) -> None:
    """Qwen's coders end a middle with <|endoftext|> or go on with a next file; only <|im_end|> ends their turns."""
    tokenizer = byte_tokenizer(tmp_path, marks=(*QWEN_FIM, "<|file_sep|>"))
    assert tokenizer.fim is not None
    names = {tokenizer.decode([i], skip_special=False) for i in tokenizer.fim.ends}
    assert {"<|endoftext|>", "<|file_sep|>", "<|fim_prefix|>"} <= names


def test_repositories_have_marks_of_their_own(tmp_path: Path) -> None:
    fim = byte_tokenizer(tmp_path, marks=STARCODER).fim
    assert fim is not None
    assert (fim.repo, fim.file, fim.has_path_inside) == (
        Tokenizer.load(tmp_path).token_to_id("<repo_name>"),
        Tokenizer.load(tmp_path).token_to_id("<file_sep>"),
        True,
    )


def test_a_sentencepiece_suffix_begins_without_the_space_of_a_first_word(tmp_path: Path) -> None:
    """As Code Llama's own code does it: a suffix is no beginning of a text."""
    tokenizer = sentencepiece_tokenizer(tmp_path, special=LLAMA_SPECIAL)
    assert tokenizer.decode(tokenizer.encode("hello"), is_continuation=True) == " hello"
    assert tokenizer.decode(tokenizer.encode_inside("hello"), is_continuation=True) == "hello"
    assert tokenizer.decode(tokenizer.encode_inside(" hello"), is_continuation=True) == " hello"


def test_a_byte_level_suffix_is_encoded_as_any_text(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer(tmp_path)
    assert tokenizer.encode_inside("hello") == tokenizer.encode("hello")
