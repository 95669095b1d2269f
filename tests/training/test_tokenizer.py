from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from owngpt.errors import SetupError
from owngpt.text.chat import ChatRenderer
from owngpt.text.output import ContentDelta, OutputParser, ToolCallArguments, ToolCallStart
from owngpt.text.tokenizer import Tokenizer
from owngpt.training.corpus import build_corpus
from owngpt.training.tokenizer import sample_texts, save_tokenizer, train_tokenizer
from owngpt.types import Message, Tool, ToolCall

TOOL = Tool("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}})
MESSAGES = (
    Message("system", "Be brief."),
    Message("user", "Add 1, 駅で。"),
    Message("assistant", tool_calls=(ToolCall("call_0", "add", '{"a": 1}'), ToolCall("call_1", "add", '{"a": 2}'))),
    Message("tool", "2"),
    Message("tool", "3"),
    Message("assistant", "2 and 3."),
)


@pytest.fixture(scope="module")
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer.load(tokenizer_folder)


@given(st.text())
def test_any_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text), skip_special=False) == text


def test_it_has_as_many_tokens_as_asked_for(tokenizer: Tokenizer) -> None:
    assert tokenizer.vocab_size == 450


def test_digits_stand_alone(tokenizer: Tokenizer) -> None:
    assert [tokenizer.token_bytes(i) for i in tokenizer.encode("2026")] == [b"2", b"0", b"2", b"6"]


def test_indentation_is_one_token(tokenizer: Tokenizer) -> None:
    newline_and_body = tokenizer.encode("\n    total")
    assert tokenizer.token_bytes(newline_and_body[1]).strip() == b""


def test_a_frequent_phrase_becomes_one_token(tokenizer: Tokenizer) -> None:
    assert len(tokenizer.encode("小さな")) == 1


def test_no_token_joins_a_phrase_with_the_next_one(tokenizer: Tokenizer) -> None:
    """Phrases end where hiragana meets kanji: 小さな|猫が|青い|空を."""
    cut = "".join(tokenizer.decode([i]) + "|" for i in tokenizer.encode("小さな猫が青い空を"))
    for boundary in ("な|", "が|", "い|"):
        assert boundary in cut


def test_control_tokens(tokenizer: Tokenizer) -> None:
    assert tokenizer.fim is not None
    assert [tokenizer.decode([i], skip_special=False) for i in tokenizer.eos_token_ids] == ["<|im_end|>"]
    for mark in ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"):
        token_id = tokenizer.token_to_id(mark)
        assert token_id is not None
        assert token_id not in tokenizer.special_ids


def test_transformers_reads_it_alike(tokenizer: Tokenizer, tokenizer_folder: Path) -> None:
    theirs = AutoTokenizer.from_pretrained(tokenizer_folder)
    text = "The cats, 小さな猫 and\n    total + 12<|im_end|><think>"
    assert theirs.encode(text, add_special_tokens=False) == tokenizer.encode(text)
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Add 1, 駅で。"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}},
                {"type": "function", "function": {"name": "add", "arguments": {"a": 2}}},
            ],
        },
        {"role": "tool", "content": "2"},
        {"role": "tool", "content": "3"},
        {"role": "assistant", "content": "2 and 3."},
    ]
    function = {"name": "add", "description": "Adds.", "parameters": dict(TOOL.parameters or {})}
    tools = [{"type": "function", "function": function}]
    ours = ChatRenderer.load(tokenizer_folder, tokenizer).render(MESSAGES, [TOOL], add_generation_prompt=True)
    assert ours == theirs.apply_chat_template(messages, tools=tools, add_generation_prompt=True, tokenize=False)


def test_the_template_needs_no_system_message(tokenizer: Tokenizer, tokenizer_folder: Path) -> None:
    text = ChatRenderer.load(tokenizer_folder, tokenizer).render([Message("user", "Hi")])
    assert text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_rendered_tool_calls_are_what_the_parser_reads(tokenizer: Tokenizer, tokenizer_folder: Path) -> None:
    chat = ChatRenderer.load(tokenizer_folder, tokenizer)
    assert chat.family.name == "hermes"
    turn = chat.render(MESSAGES[:3], [TOOL], add_generation_prompt=False).rpartition("<|im_start|>assistant\n")[2]
    parser = OutputParser(chat.family, [TOOL])
    deltas = [*parser.feed(turn.removesuffix("<|im_end|>\n")), *parser.finish()]
    assert [delta.name for delta in deltas if isinstance(delta, ToolCallStart)] == ["add", "add"]
    arguments = ["", ""]
    for delta in deltas:
        if isinstance(delta, ToolCallArguments):
            arguments[delta.index] += delta.text
    assert arguments == ['{"a": 1}', '{"a": 2}']
    assert not "".join(delta.text for delta in deltas if isinstance(delta, ContentDelta)).strip()


def test_training_it_again_gives_the_same_tokenizer(corpus: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    save_tokenizer(train_tokenizer(sample_texts(corpus, 50_000), 450), tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == (tokenizer_folder / "tokenizer.json").read_bytes()


def test_the_sample_follows_the_shares(corpus: Path) -> None:
    texts = list(sample_texts(corpus, 9_000))
    assert 1_000 < sum(len(text) for text in texts if text.startswith("The ")) < 2_500


def test_a_folder_without_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="owngpt train corpus"):
        list(sample_texts(tmp_path, 10))
    assert build_corpus(tmp_path, tmp_path, sources=()) == []
