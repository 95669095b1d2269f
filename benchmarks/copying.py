"""Copying work with and without speculation: a quotation, and a file that is written again with a variable renamed.

Real text and a model that copies (`copier.py`): the prompt is the source and an instruction, the answer its quoted part
or the whole edited file. With and without speculation take turns on the same weights; the tokens must be the same, and
those that the text demands.
"""

from __future__ import annotations

import inspect
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.asking import Heard, ask, served
from benchmarks.copier import write_copier
from benchmarks.rows import Row
from benchmarks.shape import write_config
from owngpt.config import EngineConfig
from owngpt.text.tokenizer import Tokenizer

LICENSE = Path(__file__).parents[1] / "LICENSE"
SOURCE_TOKENS, QUOTED_FROM, QUOTED_TOKENS = 1_000, 300, 200
FILE_LINES, OLD_NAME, NEW_NAME = 300, " width", " limit"
FLOOR = 2.5


class Work(NamedTuple):
    """A prompt, and the answer that its model is built to give."""

    what: str
    prompt: list[int]
    answer: list[int]
    distance: int  # from a token of the answer's source to where it is said
    renamed: dict[int, int]


def works(folder: Path, *, tiny: bool) -> list[Work]:
    """Both, in the tokens of the shape; `folder` takes its tokenizer."""
    write_config(folder, tiny=tiny)
    tokenizer = Tokenizer.load(folder)
    return [_quotation(tokenizer), _edit(tokenizer, 40 if tiny else FILE_LINES)]


async def copying(work: Work, folder: Path, data_dir: Path, config: EngineConfig, rounds: int, *, tiny: bool) -> Row:
    """How many times as fast it is done with speculation."""
    write_copier(folder, work.distance, work.renamed, tiny=tiny)
    values, notes = [], []
    with (
        served(folder, data_dir, replace(config, speculation="off")) as plain,
        served(folder, data_dir, config) as speculating,
    ):
        for _ in range(rounds):
            slow, fast = [await ask(model, work.prompt, len(work.answer)) for model in (plain, speculating)]
            _check(work, slow, fast)
            values.append(slow.seconds_per_token / fast.seconds_per_token)
            notes.append(
                f"{slow.seconds_per_token * 1e3:.1f} to {fast.seconds_per_token * 1e3:.1f} ms a token,"
                f" {len(work.answer)} tokens in {len(fast.times)} pieces"
            )
    return Row(f"{work.what}, speculation on against off", values, FLOOR, True, notes[-1])


def _check(work: Work, slow: Heard, fast: Heard) -> None:
    assert slow.token_ids == fast.token_ids, f"{work.what}: speculation has changed the answer"
    assert slow.token_ids == work.answer, f"{work.what}: the model does not copy"


def _quotation(tokenizer: Tokenizer) -> Work:
    source = tokenizer.encode(LICENSE.read_text(encoding="utf-8"))[:SOURCE_TOKENS]
    prompt = source + tokenizer.encode("\n\nQuote what this says of the definitions, word for word.\n\n")
    answer = source[QUOTED_FROM : QUOTED_FROM + QUOTED_TOKENS]
    what = f"quoting {QUOTED_TOKENS} tokens of {SOURCE_TOKENS}"
    return Work(what, prompt, answer, len(prompt) - 1 - QUOTED_FROM, {})


def _edit(tokenizer: Tokenizer, num_lines: int) -> Work:
    text = "".join(inspect.getsource(textwrap).splitlines(keepends=True)[:num_lines])
    file = tokenizer.encode(text)
    prompt = file + tokenizer.encode(f"\n\nRename{OLD_NAME} to{NEW_NAME} and give me the whole file.\n\n")
    (old,), (new,) = tokenizer.encode(OLD_NAME), tokenizer.encode(NEW_NAME)
    answer = [new if token == old else token for token in file]
    what = f"editing a file of {num_lines} lines in {file.count(old)} places"
    return Work(what, prompt, answer, len(prompt) - 1, {old: new})
