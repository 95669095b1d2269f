"""What benchmarks conclude from their figures, and the model that copies."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from benchmarks.contestant import Contestant
from benchmarks.copier import write_copier
from benchmarks.duel import Entry, Task, duels
from benchmarks.rows import Row
from owngpt.config import EngineConfig
from owngpt.engine.core import EngineCore
from owngpt.engine.request import Request
from owngpt.model.weights import load_model
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import SamplingParams

ENGINE = """
import threading
from benchmarks.peers.turns import serve
class Engine:
    about = "a fake"
    def decode(self, streams, context, steps):
        print("what libraries print is not an answer")
        return [streams / context] * steps
    def spin(self):
        threading.Thread(target=forever, daemon=True).start()
        return [0.0]
def forever():
    while True: pass
serve(Engine)
"""


def entry(name: str, format: str, bits: int, *seconds: float) -> Entry:
    """Each round one step of every task."""
    return Entry(name, format, bits, {task: [[value] for value in seconds] for task in Task})


def test_we_meet_the_best_of_their_formats_that_have_at_least_as_many_bits() -> None:
    ours = [entry("owngpt", "int8", 8, 2.0, 1.0), entry("owngpt", "int4", 4, 1.0, 1.0)]
    theirs = [entry("llama.cpp", "Q4_0", 4, 0.5, 0.5), entry("llama.cpp", "Q8_0", 8, 4.0, 3.0)]
    theirs += [entry("llama.cpp", "BF16", 16, 3.5, 2.5)]
    found = {(duel.task, duel.ours.format): duel for duel in duels([*ours, *theirs])}
    assert found[Task.DECODE_4, "int8"].best == pytest.approx(2.5)
    assert found[Task.DECODE_4, "int8"].of_rounds == pytest.approx([1.75, 2.5])
    assert found[Task.DECODE_4, "int4"].best == pytest.approx(0.5)


def test_a_line_names_the_fastest_format_and_says_whether_the_floor_is_kept() -> None:
    ours, theirs = (
        entry("owngpt", "int8", 8, 1.0),
        [entry("llama.cpp", "Q8_0", 8, 2.1), entry("llama.cpp", "BF16", 16, 3)],
    )
    lines = {duel.task: duel.line() for duel in duels([ours, *theirs])}
    assert "llama.cpp Q8_0 | 2.10" in lines[Task.DECODE_4]
    assert lines[Task.DECODE_4].endswith("| 2.2 | not reached |")
    assert lines[Task.DECODE_1].endswith("| 1.0 | ok |")
    assert lines[Task.DECODE_8].endswith("|  |  |"), "no floor, no verdict"


def test_a_row_is_judged_by_its_median() -> None:
    assert Row("faster", [2.0, 3.0, 9.0], 2.5, is_at_least=True).is_kept
    assert not Row("slower", [2.0, 3.0, 9.0], 2.5, is_at_least=False).is_kept


def test_an_engine_takes_its_turns_in_a_process_of_its_own() -> None:
    engine = Contestant("fake", "int8", 8, [sys.executable, "-c", ENGINE])
    assert engine.about == "a fake"
    assert engine.turn(do="decode", streams=4, context=2, steps=3) == [2.0, 2.0, 2.0]
    assert engine.resting_load < 0.05
    engine.close()


def test_an_engine_whose_threads_spin_while_it_waits_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.contestant.PATIENCE", 0.3)
    engine = Contestant("fake", "int8", 8, [sys.executable, "-c", ENGINE])
    with pytest.raises(RuntimeError, match="spin"):
        engine.turn(do="spin")
    engine.close()


def test_an_engine_that_dies_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="ended with status 3"):
        Contestant("fake", "int8", 8, [sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_copy_quote_and_rename(tmp_path: Path, dtype: torch.dtype) -> None:
    source, question = list(range(3000, 3200)), [7, 8, 9]
    prompt = source + question
    folder = write_copier(tmp_path, len(prompt) - 1 - 50, {3060: 17}, tiny=True)
    core = EngineCore(load_model(folder, dtype), Tokenizer.load(folder), EngineConfig(kv_memory=2**24))
    request = Request(prompt, len(prompt), len(prompt) + 20, SamplingParams(temperature=0))
    core.add(request)
    while core.has_work:
        core.step()
    assert request.token_ids[203:] == [17 if token == 3060 else token for token in source[50:70]]
    core.close()
