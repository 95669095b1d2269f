"""Samples are the model's own, rewards cannot be had by form alone, and reward rises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from owngpt.errors import SetupError
from owngpt.model.attention import DenseAttention
from owngpt.model.weights import load_model
from owngpt.training.cli import train
from owngpt.training.conversations import TurnEncoder
from owngpt.training.documents import Document
from owngpt.training.reinforcement import ReinforceConfig, Reinforced, clipped_losses, reinforce
from owngpt.training.rewards import Problem, code_reward, number_reward, problem_of, quote_reward, read_problems
from owngpt.training.rollout import sample
from owngpt.training.tuning import TuneConfig, Tuner, load_for_tuning
from owngpt.types import Message

CONFIG = ReinforceConfig(
    prompts=4, group=8, max_tokens=6, tune=TuneConfig(40, 1.0, eval_every=100, save_seconds=0, report_seconds=0)
)


def quiet(line: str) -> None:
    """No progress."""


def test_log_probabilities_of_samples_are_those_of_the_model(base: Path) -> None:
    """Of groups that share the blocks of prompts shorter and longer than a block; the same seed draws the same."""
    model = load_model(base, torch.float32)
    prompts = [[5, 6, 7], list(range(20, 57)), list(range(300, 332))]
    groups = sample(model, prompts, 3, ends=range(100), max_tokens=9, seed=1)
    assert groups == sample(model, prompts, 3, ends=range(100), max_tokens=9, seed=1)
    assert len({tuple(one.answer) for group in groups for one in group}) > 6
    for one in (one for group in groups for one in group):
        assert one.is_complete == (one.answer[-1] < 100)
        assert all(token >= 100 for token in one.answer[:-1])
        ids = torch.tensor(one.prompt + one.answer)
        hidden = model(ids[:-1], torch.arange(len(ids) - 1), DenseAttention(model.config, 1))
        logprobs = model.logits(hidden).log_softmax(-1).gather(1, ids[1:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(one.logprobs), logprobs[len(one.prompt) - 1 :], rtol=1e-4, atol=1e-4)


def test_greedy_answers_are_the_likeliest(base: Path) -> None:
    model = load_model(base, torch.float32)
    ((one,),) = sample(model, [[5, 6, 7]], 1, ends=(), max_tokens=4, is_greedy=True)
    ids = torch.tensor(one.prompt + one.answer)
    logits = model.logits(model(ids[:-1], torch.arange(6), DenseAttention(model.config, 1)))
    assert one.answer == logits.argmax(-1)[2:].tolist()


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("3 + 4 = 7\nThe answer is 7.", 1),
        ("The answer is 7.0.", 1),
        ("答えは7です。", 1),
        ("The answer is 8.\nThe answer is 7.", 1),
        ("The answer is 7.\nThe answer is 8.", 0),
        ("7", 0),
    ],
)
def test_a_number_is_right_or_wrong(text: str, worth: float) -> None:
    assert number_reward("7")(text) == worth


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("Paris “[1] She went to Paris in May.”", 1),
        ('Paris "[1] went to Paris"', 1),
        ('Paris "[2] went to Paris"', 0),
        ('Paris "[1] flew to Paris"', 0),
        ('Paris "[1] went to Paris" and "[1] to Rome"', 0),
        ('She "[1] She went to Paris"', 0.2),
        ('Rome "[1] She went to Paris"', 0),
        ("Paris", 0),
        ("The text does not say.", 0),
    ],
)
def test_a_quote_must_stand_in_the_passage_and_hold_the_answer(text: str, worth: float) -> None:
    assert quote_reward("In spring all was well. She went to Paris in May.", "Paris")(text) == pytest.approx(worth)


def test_only_saying_so_is_right_where_the_text_does_not_say() -> None:
    reward = quote_reward("She went to Paris.", None)
    assert reward("The text does not say.") == reward("本文には書かれていません。") == 1
    assert reward('Paris "[1] She went to Paris."') == 0


def test_documents_of_the_corpus_become_problems() -> None:
    def worth(question: str, answer: str, said: str) -> float | None:
        document = Document("any", "1", messages=(Message("user", question), Message("assistant", answer)))
        problem = problem_of(document)
        return problem.reward(said) if problem else None

    assert worth("1 + 1?", "The answer is 2.", "The answer is 2.") == 1
    asked = "Text: Cats are asleep all day.\n\nWho sleeps all night?"
    assert worth(asked, 'Cats "[1] Cats are asleep"', 'Cats "[1] Cats are"') == 1
    assert worth(asked, 'Cats "[1] Cats are asleep"', 'Who "[1] Who sleeps"') == 0
    assert worth(asked, "The text does not say.", 'Cats "[1] Cats are"') == 0
    assert worth("Hi", "Hello.", "Hello.") is None


def test_code_passes_its_tests_or_not() -> None:
    reward = code_reward(["assert double(2) == 4", "assert double(0) == 0"])
    assert reward("```python\ndef double(x):\n    return 2 * x\n```") == 1
    assert reward("```python\ndef double(x):\n    return x * x\n```") == 1  # no test says otherwise
    assert reward("```python\ndef double(x):\n    return x + 2\n```") == 0
    assert reward("def double(x):\n    return 2 * x\n") == 0


def test_the_ratio_is_clipped_on_the_side_that_it_gains_from() -> None:
    old = torch.zeros(4)
    now = torch.tensor([0.5, 0.5, -0.5, -0.5], requires_grad=True)
    advantages = torch.tensor([1.0, -1.0, 1.0, -1.0])
    losses = clipped_losses(now, old, advantages, (0.2, 0.28))
    (grad,) = torch.autograd.grad(losses.sum(), now)
    assert grad[0] == grad[3] == 0
    assert grad[1] > 0 > grad[2]
    assert losses[0].item() == pytest.approx(-1.28)


def test_reward_rises(base: Path, tmp_path: Path) -> None:
    """A model of random weights is to say something with an e in it: it learns to from nothing but rewards."""
    model, encoder = load_for_tuning(base, torch.float32, torch.device("cpu")), TurnEncoder.load(base)
    asked = [Problem((Message("user", f"Say {n}."),), has_e) for n in range(12)]
    objective = Reinforced(model, encoder, asked[2:], asked[:2], replace(CONFIG, kl=0.001))
    objective.encoder = replace(encoder, ends=tuple(range(512)))  # one token is an answer
    tuner = Tuner(model, objective, replace(CONFIG.tune, save_seconds=60), tmp_path, quiet)
    tuner.run()
    rewards = [numbers["reward"] for numbers in tuner.state.evaluations if "reward" in numbers]
    assert len(rewards) == 20
    assert sum(rewards[:3]) / 3 < 0.2
    assert sum(rewards[-3:]) / 3 > 0.8


def has_e(text: str) -> float:
    return float("e" in text)


def test_a_stopped_run_goes_on_bit_for_bit(base: Path, tmp_path: Path) -> None:
    """Stopped in the middle of a round, it begins the round again."""
    data = tmp_path / "problems.jsonl"
    data.write_text('{"messages": [{"role": "user", "content": "Hi"}], "number": 1}\n' * 9)
    config = replace(CONFIG, kl=0.1, tune=replace(CONFIG.tune, num_steps=6))

    class Stopped(Exception):
        """The run was interrupted."""

    def stop(line: str) -> None:
        if line.startswith("step 4/"):
            raise Stopped

    lines: list[str] = []
    reinforce(base, tmp_path / "whole", config, data=data, dtype=torch.float32, progress=quiet)
    with pytest.raises(Stopped):
        reinforce(base, tmp_path / "part", config, data=data, dtype=torch.float32, progress=stop)
    reinforce(base, tmp_path / "part", config, data=data, dtype=torch.float32, progress=lines.append)
    assert "going on from step 2" in lines
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "part")]
    assert weights[0] == weights[1]


def test_a_problem_without_a_right_answer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "Hi"}]}')
    with pytest.raises(SetupError, match="line 1: one of number, passage or tests"):
        read_problems(path)


def test_the_command_reinforces_on_a_corpus(base: Path, corpus: Path, tmp_path: Path) -> None:
    """Its arithmetic has no final lines, so there is nothing to check; a file says what is right."""
    data = tmp_path / "problems.jsonl"
    line = '{"messages": [{"role": "user", "content": "Double."}], "tests": ["assert double(1) == 2"]}'
    data.write_text(f"{line}\n" * 3)
    args = ["reinforce", "--model", str(base), "--out", str(tmp_path / "out"), "--device", "cpu", "--threads", "1"]
    small = ["--steps", "2", "--prompts", "2", "--group", "2", "--max-tokens", "4"]
    done = CliRunner().invoke(train, [*args, *small, "--data", str(data)])
    assert done.exit_code == 0, done.output
    assert "held_out_reward 0.000" in done.output
    assert (tmp_path / "out" / "model" / "model.safetensors").exists()
    refused = CliRunner().invoke(train, [*args, *small, "--corpus", str(corpus)])
    assert "no problems with rewards" in str(refused.exception)
