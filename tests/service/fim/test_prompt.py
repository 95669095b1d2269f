"""The prompt in the formats of vocabularies that have marks for repositories."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest

from owngpt.service.fim.gap import Gap
from owngpt.service.fim.language import language_of
from owngpt.service.fim.prompt import FimPrompt, Snippet
from owngpt.service.models import ServedModel
from owngpt.types import SamplingParams
from tests.fakes.engine import engine_of, make_app
from tests.fakes.text import QWEN_FIM, QWEN_SPECIAL, byte_tokenizer, sentencepiece_tokenizer
from tests.text.test_fim import STARCODER

OTHERS = (Snippet("b.py", "B = 1"), Snippet("c.py", "C = 2"))


def model_with(folder: Path, marks: tuple[str, ...], special: tuple[str, ...] = QWEN_SPECIAL) -> ServedModel:
    app = make_app()
    tokenizer = byte_tokenizer(folder, marks=marks, special=special)
    engine_of(app).tokenizer = tokenizer
    return replace(app.models.generator("fake"), tokenizer=tokenizer)


def shown(model: ServedModel, prompt: FimPrompt) -> str:
    [ids] = prompt.prepare(model, SamplingParams(max_tokens=9)).prompts
    return model.tokenizer.decode(ids, skip_special=False)


def test_qwens_repositories(tmp_path: Path) -> None:
    """As the README of Qwen2.5-Coder has it: every file behind its path, the gap in the last one."""
    model = model_with(tmp_path, (*QWEN_FIM, "<|repo_name|>", "<|file_sep|>"))
    prompt = FimPrompt(Gap("x\na", "z", "a.py"), OTHERS, "shop")
    assert shown(model, prompt) == (
        "<|repo_name|>shop\n<|file_sep|>c.py\nC = 2\n<|file_sep|>b.py\nB = 1\n<|file_sep|>a.py\n"
        "<|fim_prefix|>x\n<|fim_suffix|>z<|fim_middle|>"
    )
    assert prompt.begins_with == "a"


def test_starcoders_repositories(tmp_path: Path) -> None:
    """The path of the file with the gap stands inside its prefix."""
    model = model_with(tmp_path, STARCODER)
    assert shown(model, FimPrompt(Gap("xa", "z", "a.py"), OTHERS[:1], "shop")) == (
        "<repo_name>shop<file_sep>b.py\nB = 1\n<file_sep><fim_prefix><fim_suffix>z<fim_middle>a.py\nx"
    )


def test_a_file_alone_needs_no_repository(tmp_path: Path) -> None:
    model = model_with(tmp_path, (*QWEN_FIM, "<|repo_name|>", "<|file_sep|>"))
    assert shown(model, FimPrompt(Gap("", "z", "a.py"), (), "shop")) == "<|fim_prefix|><|fim_suffix|>z<|fim_middle|>"


def test_what_begins_every_prompt_of_a_model_begins_this_one(tmp_path: Path) -> None:
    tokenizer = sentencepiece_tokenizer(tmp_path, marks=("▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"))
    model = replace(make_app().models.generator("fake"), tokenizer=tokenizer)
    prepared = FimPrompt(Gap("a", "hello")).prepare(model, SamplingParams(max_tokens=9))
    names = [tokenizer.token_to_id(name) for name in ("▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>")]
    assert names[-1] in prepared.sampling.stop_token_ids
    [ids] = prepared.prompts
    assert [i for i in ids if i in names] == names[:3]
    assert tokenizer.decode(ids, skip_special=False, is_continuation=True).endswith(" <MID> ")


def test_a_character_of_several_tokens_is_taken_back_whole(tmp_path: Path) -> None:
    model = model_with(tmp_path, QWEN_FIM)
    prompt = FimPrompt(Gap("x = 日"))
    assert shown(model, prompt).endswith("<|fim_middle|>x = ")
    assert prompt.begins_with == "日"


def test_a_line_of_a_whole_file_is_cut(tmp_path: Path) -> None:
    model = model_with(tmp_path, QWEN_FIM)
    prompt = FimPrompt(Gap("a" * 20_000, "b" * 20_000))
    assert len(shown(model, prompt)) < 4096 + 40
    assert prompt.fitted.num_prefix_characters > 10_000


@pytest.mark.parametrize("text", ["\n" * 300_000, "if " * 100_000, "@a(" * 100_000, " " * 300_000, "class a" * 40_000])
def test_no_text_takes_long_to_be_known(text: str) -> None:
    start = perf_counter()
    language_of(None, text)
    assert perf_counter() - start < 2
