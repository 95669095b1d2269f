"""Reinforcement with rewards that can be checked: several answers to each question, each compared to the others.

Group-relative policy optimization (Shao et al. 2024, "DeepSeekMath", section 4.1), without a value model, and with what
was found since:

- an advantage is the reward less the group's mean, and is not divided by the spread: that would give questions that are
  nearly always or nearly never solved the most weight (Liu et al. 2025, "Understanding R1-Zero-like training", "Dr.
  GRPO", section 3.1);
- the losses of tokens are summed and divided by a constant, not by each answer's length: that would make long wrong
  answers cheaper than short ones (same place);
- the ratio may rise further than it may fall, so that unlikely tokens can become likely, and groups of one reward only
  are left out, as they say nothing (Yu et al. 2025, "DAPO", sections 3.1 and 3.2);
- closeness to the first model costs (Schulman's k3 estimate) only if asked for, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor

from owngpt.errors import SetupError
from owngpt.model.transformer import Transformer
from owngpt.training.conversations import Example, TurnEncoder
from owngpt.training.corpus import MANIFEST
from owngpt.training.evaluate import output_head
from owngpt.training.examples import Packed, pack, parts
from owngpt.training.logprobs import score_tokens, token_logprobs
from owngpt.training.rewards import Problem, corpus_problems, read_problems
from owngpt.training.rollout import Rollout, sample
from owngpt.training.tuning import Progress, Taken, TuneConfig, Tuner, export_tuned, load_for_tuning

WORKERS = 4  # processes that run tests at once


@dataclass(frozen=True, slots=True)
class ReinforceConfig:
    """Steps come in rounds: answers are drawn once for `updates` steps."""

    prompts: int = 8  # in a round
    group: int = 8  # answers to each
    updates: int = 2  # steps on the answers of a round
    max_tokens: int = 192  # of an answer
    clip: tuple[float, float] = (0.2, 0.28)  # how far the ratio may fall and rise
    kl: float = 0.0  # what a nat away from the first model costs
    max_problems: int = 20_000  # of a corpus
    num_held_out: int = 64
    tune: TuneConfig = field(default_factory=lambda: TuneConfig(num_steps=200, rate=0.02))


class Judged(NamedTuple):
    """An answer and by how much it is better than the others to its question."""

    rollout: Rollout
    advantage: float
    reference: list[float]  # the first model's log-probabilities; empty where they cost nothing

    @property
    def example(self) -> Example:
        """The answer behind its prompt."""
        rollout = self.rollout
        return Example(rollout.prompt + rollout.answer, [False] * len(rollout.prompt) + [True] * len(rollout.answer))


class Reinforced:
    """The objective: likelier where better. Which questions a round asks follows from the seed and its number."""

    def __init__(
        self,
        model: Transformer,
        encoder: TurnEncoder,
        train: Sequence[Problem],
        held_out: Sequence[Problem],
        config: ReinforceConfig,
    ) -> None:
        self.model, self.encoder, self.config = model, encoder, config
        self.train, self.held_out = train, held_out
        self._first = deepcopy(model).requires_grad_(False) if config.kl else None
        self._round: list[Judged] = []
        self._numbers: dict[str, float] = {}

    def take(self, step: int, accumulate: Callable[[], None]) -> Taken:
        """See `Objective`."""
        config = self.config
        number, part = divmod(step, config.updates)
        if part == 0:
            self._begin(number)
        judged = self._round[part :: config.updates]
        loss, num_tokens = torch.zeros((), device=self.model.device), 0
        for share in parts(judged, _size, config.tune.pass_tokens):
            loss += self._backward(share, len(judged))
            num_tokens += sum(map(_size, share))
            accumulate()
        return Taken(float(loss), num_tokens, self._numbers if part == 0 else {})

    def measure(self) -> dict[str, float]:
        """The mean reward of the likeliest answers to held-out questions."""
        groups = self._sample(self.held_out, 1, seed=0, is_greedy=True)
        rewards = self._rewards(self.held_out, groups)
        return {"held_out_reward": sum(sum(group) for group in rewards) / max(1, len(rewards))}

    def _begin(self, number: int) -> None:
        """Ask, judge, and compare the answers of a round."""
        config, seed = self.config, self.config.tune.seed
        asked = Random(f"{seed}/{number}").sample(self.train, min(config.prompts, len(self.train)))
        groups = self._sample(asked, config.group, seed=seed + 1000 * (number + 1), is_greedy=False)
        rewards = self._rewards(asked, groups)
        pairs = [pair for group, values in zip(groups, rewards, strict=True) for pair in _compared(group, values)]
        told = [pair for pair in pairs if pair[1]] or pairs[: config.updates]
        self._round = [self._judged(rollout, advantage) for rollout, advantage in told]
        Random(f"{seed}/{number}/order").shuffle(self._round)
        self._numbers = _described(groups, rewards)

    def _sample(self, problems: Sequence[Problem], num_each: int, *, seed: int, is_greedy: bool) -> list[list[Rollout]]:
        prompts = [self.encoder.prompt(problem.messages) for problem in problems]
        ends, limit = self.encoder.ends, self.config.max_tokens
        return sample(self.model, prompts, num_each, ends, limit, seed=seed, is_greedy=is_greedy)

    def _rewards(self, problems: Sequence[Problem], groups: Sequence[Sequence[Rollout]]) -> list[list[float]]:
        """Of every answer; nothing for one that did not come to its end."""

        def worth(problem: Problem, rollout: Rollout) -> float:
            return problem.reward(self.encoder.tokenizer.decode(rollout.answer)) if rollout.is_complete else 0.0

        with ThreadPoolExecutor(WORKERS) as pool:
            asked = [[problem] * len(group) for problem, group in zip(problems, groups, strict=True)]
            return [list(pool.map(worth, same, group)) for same, group in zip(asked, groups, strict=True)]

    def _judged(self, rollout: Rollout, advantage: float) -> Judged:
        judged = Judged(rollout, advantage, [])
        if self._first is None:
            return judged
        row = pack([judged.example], self.model.device)
        with torch.no_grad():
            hidden = row.hidden(self._first)[row.is_answer_T]
            scores = score_tokens(hidden, output_head(self._first), row.targets_T[row.is_answer_T])
        return judged._replace(reference=scores.logprobs_T.tolist())

    def _backward(self, share: Sequence[Judged], num_answers: int) -> Tensor:
        row = pack([one.example for one in share], self.model.device)
        logprobs_N = self._logprobs(row)
        old_N = logprobs_N.new_tensor([value for one in share for value in one.rollout.logprobs])
        advantages = [one.advantage for one in share for _ in one.rollout.answer]
        losses_N = clipped_losses(logprobs_N, old_N, logprobs_N.new_tensor(advantages), self.config.clip)
        if self._first is not None:
            away_N = logprobs_N.new_tensor([value for one in share for value in one.reference]) - logprobs_N
            losses_N = losses_N + self.config.kl * (away_N.exp() - away_N - 1)
        loss = losses_N.sum() / (num_answers * self.config.max_tokens)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _logprobs(self, row: Packed) -> Tensor:
        hidden_NE = row.hidden(self.model)[row.is_answer_T]
        return token_logprobs(hidden_NE, output_head(self.model), row.targets_T[row.is_answer_T])


def clipped_losses(logprobs_N: Tensor, old_N: Tensor, advantages_N: Tensor, clip: tuple[float, float]) -> Tensor:
    """losses_N of the clipped objective (Schulman et al. 2017, "Proximal policy optimization", equation 7)."""
    ratio_N = (logprobs_N - old_N).exp()
    clipped_N = ratio_N.clamp(1 - clip[0], 1 + clip[1])
    return -torch.minimum(ratio_N * advantages_N, clipped_N * advantages_N)


def reinforce(
    base: Path,
    out: Path,
    config: ReinforceConfig,
    *,
    corpus: Path | None = None,
    data: Path | None = None,
    dtype: torch.dtype = torch.bfloat16,
    device: torch.device | None = None,
    progress: Progress = print,
) -> Tuner:
    """Improve the model of `base` on a corpus' or a file's problems; the result is `out/model`.

    A checkpoint that is already in `out` is gone on from. `SetupError` says what is missing or cannot be read.
    """
    model, encoder = load_for_tuning(base, dtype, device or torch.device("cpu")), TurnEncoder.load(base)
    train, held_out = _of_corpus(corpus, config) if corpus else _of_file(data, config)
    if not train or not held_out:
        raise SetupError("there are no problems with rewards, or none to hold out; give two or more")
    progress(f"{len(train)} problems, {len(held_out)} held out")
    read = (corpus / MANIFEST if corpus else data or Path()).read_bytes()
    settings = {"data": sha256(read).hexdigest()[:16], "prompts": config.prompts, "group": config.group}
    settings |= {"updates": config.updates, "max_tokens": config.max_tokens, "clip": config.clip, "kl": config.kl}
    tune = replace(config.tune, save_at=config.updates)
    objective = Reinforced(model, encoder, train, held_out, config)
    tuner = Tuner(model, objective, tune, out, progress, settings=settings)
    export_tuned(base, out / "model", tuner.run())
    return tuner


def _of_corpus(corpus: Path, config: ReinforceConfig) -> tuple[list[Problem], list[Problem]]:
    train = list(islice(corpus_problems(corpus), config.max_problems))
    return train, list(islice(corpus_problems(corpus, is_held_out=True), config.num_held_out))


def _of_file(data: Path | None, config: ReinforceConfig) -> tuple[list[Problem], list[Problem]]:
    assert data is not None, "the command line asks for one of the two"
    ranked = sorted(read_problems(data), key=lambda one: sha256(repr(one.messages).encode()).digest())
    num_held_out = min(config.num_held_out, max(1, len(ranked) // 20))
    return ranked[num_held_out:], ranked[:num_held_out]


def _compared(group: Sequence[Rollout], rewards: Sequence[float]) -> Iterator[tuple[Rollout, float]]:
    """Each answer with its reward above the mean of its group."""
    mean = sum(rewards) / len(rewards)
    is_alike = max(rewards) == min(rewards)
    return ((rollout, 0.0 if is_alike else value - mean) for rollout, value in zip(group, rewards, strict=True))


def _size(judged: Judged) -> int:
    return len(judged.example.ids)


def _described(groups: Sequence[Sequence[Rollout]], rewards: Sequence[Sequence[float]]) -> dict[str, float]:
    answers = [rollout for group in groups for rollout in group]
    values = [value for group in rewards for value in group]
    return {
        "reward": sum(values) / len(values),
        "telling_groups": sum(max(group) > min(group) for group in rewards) / len(rewards),
        "answer_tokens": sum(len(rollout.answer) for rollout in answers) / len(answers),
        "complete": sum(rollout.is_complete for rollout in answers) / len(answers),
    }
