"""The better answers gain on the others, also where nobody looked, and a stopped run goes on bit for bit."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner

from owngpt.errors import SetupError
from owngpt.model.attention import DenseAttention
from owngpt.model.weights import load_model
from owngpt.training.cli import train
from owngpt.training.conversations import TurnEncoder
from owngpt.training.openai_data import read_preferences
from owngpt.training.preference import Pair, PreferConfig, Preferred, gaps, prefer
from owngpt.training.tuning import TuneConfig, load_for_tuning
from owngpt.types import Message

CONFIG = PreferConfig(
    epochs=4, batch_pairs=8, tune=TuneConfig(0, 0.5, eval_every=4, pass_tokens=200, save_seconds=0, report_seconds=0)
)


def quiet(line: str) -> None:
    """No progress."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """People like it short."""
    path = tmp_path / "pairs.jsonl"

    def said(content: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": content}]

    lines = [
        {
            "input": {"messages": [{"role": "user", "content": f"Is {n} small?"}], "tools": []},
            "preferred_output": said("Yes."),
            "non_preferred_output": said("Well, who can say?"),
        }
        for n in range(40)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def pair_of(encoder: TurnEncoder, asked: str, preferred: str, other: str) -> Pair:
    messages = [Message("user", asked)]
    turns = [encoder.turn(messages, Message("assistant", said)) for said in (preferred, other)]
    return Pair(turns[0].example, turns[1].example)


def test_gaps_are_those_of_each_answer_alone(base: Path) -> None:
    model, encoder = load_model(base, torch.float32), TurnEncoder.load(base)
    pairs = [pair_of(encoder, "Who?", "Me.", "I do not know."), pair_of(encoder, "And you? " * 9, "No.", "No, no.")]

    def logprob(ids: list[int], is_answer: list[bool]) -> float:
        hidden = model(torch.tensor(ids[:-1]), torch.arange(len(ids) - 1), DenseAttention(model.config, 1))
        logprobs = model.logits(hidden).log_softmax(-1)
        return sum(float(logprobs[place, ids[place + 1]]) for place in range(len(ids) - 1) if is_answer[place + 1])

    expected = [logprob(*pair.preferred) - logprob(*pair.other) for pair in pairs]
    assert gaps(model, pairs).tolist() == pytest.approx(expected, abs=1e-3)


def test_a_model_that_is_its_own_reference_knows_nothing(base: Path) -> None:
    """The loss begins at log 2, and its gradient makes the better answer likelier."""
    model, encoder = load_for_tuning(base, torch.float32, torch.device("cpu")), TurnEncoder.load(base)
    pair = pair_of(encoder, "Who?", "Me.", "I do not know.")
    before = gaps(model, [pair]).item()
    objective = Preferred(model, [replace(pair, reference=before)], [], replace(CONFIG, batch_pairs=1))
    taken = objective.take(0, lambda: None)
    assert taken.loss == pytest.approx(math.log(2), abs=1e-5)
    with torch.no_grad():
        for parameter in model.parameters():
            assert parameter.grad is not None
            parameter.sub_(0.1 * parameter.grad)
    assert gaps(model, [pair]).item() > before


def test_it_learns_and_a_stopped_run_goes_on_bit_for_bit(base: Path, file: Path, tmp_path: Path) -> None:
    whole = prefer(base, tmp_path / "whole", CONFIG, file, dtype=torch.float32, progress=quiet)
    first, last = whole.state.evaluations[0], whole.state.evaluations[-1]
    assert first["held_out_reward_margin"] == pytest.approx(0, abs=1e-3)
    assert last["held_out_reward_margin"] > 1
    assert last["held_out_reward_accuracy"] == 1
    assert last["held_out_loss"] < 0.4

    class Stopped(Exception):
        """The run was interrupted."""

    def stop(line: str) -> None:
        if line.startswith("step 5/"):
            raise Stopped

    lines: list[str] = []
    with pytest.raises(Stopped):
        prefer(base, tmp_path / "part", CONFIG, file, dtype=torch.float32, progress=stop)
    prefer(base, tmp_path / "part", CONFIG, file, dtype=torch.float32, progress=lines.append)
    assert "going on from step 4" in lines
    assert not any(line.startswith("asking the first model") for line in lines)
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "part")]
    assert weights[0] == weights[1]


def test_the_command_prefers(base: Path, file: Path, tmp_path: Path) -> None:
    args = ["prefer", "--model", str(base), "--data", str(file), "--out", str(tmp_path / "out"), "--device", "cpu"]
    done = CliRunner().invoke(train, [*args, "--batch-pairs", "20", "--threads", "1"])
    assert done.exit_code == 0, done.output
    assert "held_out_reward_accuracy" in done.output
    assert (tmp_path / "out" / "model" / "model.safetensors").exists()


@pytest.mark.parametrize("command", ["sft", "prefer", "reinforce"])
def test_every_option_has_help(command: str) -> None:
    assert all(option.help for option in train.commands[command].params if isinstance(option, click.Option))


def test_a_pair_without_an_answer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    asked = [{"role": "user", "content": "a"}]
    path.write_text(json.dumps({"input": {"messages": asked}, "preferred_output": asked, "non_preferred_output": []}))
    with pytest.raises(SetupError, match="line 1: preferred_output must be one assistant message"):
        list(read_preferences(path))
