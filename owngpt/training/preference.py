"""Preference tuning: of two answers, the better one is to become likelier than the first model would have it.

Direct preference optimization (Rafailov et al. 2023, equation 7). What the first model, the reference, says of all
answers is computed once, before the run, and kept in its folder; so it is never held beside the one that learns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from owngpt.errors import InvalidRequest, SetupError
from owngpt.model.transformer import Transformer
from owngpt.training.conversations import Example, TurnEncoder
from owngpt.training.evaluate import output_head
from owngpt.training.examples import pack, parts
from owngpt.training.logprobs import token_logprobs
from owngpt.training.openai_data import Preference, read_preferences
from owngpt.training.tuning import Progress, Taken, TuneConfig, Tuner, export_tuned, load_for_tuning

HELD_OUT_ONE_IN = 20  # pairs
REFERENCE = "reference.npz"


@dataclass(frozen=True, slots=True)
class PreferConfig:
    """`beta`: how dear it is to move away from the reference. `epochs` times the pairs are read."""

    beta: float = 0.1
    epochs: float = 1.0
    batch_pairs: int = 16
    context: int = 2048  # longer pairs are left out
    tune: TuneConfig = field(default_factory=lambda: TuneConfig(num_steps=0, rate=0.02))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one prompt, and how much likelier the reference has the better one, in nats."""

    preferred: Example
    other: Example
    reference: float = 0.0


class Preferred:
    """The objective: -log sigmoid(beta * how much the gap grew), each pair of a step with the same weight."""

    def __init__(
        self, model: Transformer, train: Sequence[Pair], held_out: Sequence[Pair], config: PreferConfig
    ) -> None:
        self.model, self.train, self.held_out, self.config = model, train, held_out, config

    def take(self, step: int, accumulate: Callable[[], None]) -> Taken:
        """See `Objective`."""
        pairs = self._batch(step)
        loss, margins = torch.zeros((), device=self.model.device), list[Tensor]()
        for part in parts(pairs, _size, self.config.tune.pass_tokens):
            margins_N = self._margins(part)
            part_loss = -logsigmoid(margins_N).sum() / len(pairs)
            part_loss.backward()  # type: ignore[no-untyped-call]
            accumulate()
            loss += part_loss.detach()
            margins.append(margins_N.detach())
        return Taken(float(loss), sum(map(_size, pairs)), _described(torch.cat(margins)))

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Of held-out pairs: the share whose better answer gained more, by how much (times beta), and the loss."""
        held_out = parts(self.held_out, _size, self.config.tune.pass_tokens)
        margins_N = torch.cat([self._margins(part) for part in held_out])
        numbers = _described(margins_N) | {"loss": float(-logsigmoid(margins_N).mean())}
        return {f"held_out_{name}": value for name, value in numbers.items()}

    def _margins(self, pairs: Sequence[Pair]) -> Tensor:
        """beta times how much wider the gap is than the reference's; differentiable."""
        gaps_N = gaps(self.model, pairs)
        return self.config.beta * (gaps_N - gaps_N.new_tensor([pair.reference for pair in pairs]))

    def _batch(self, step: int) -> list[Pair]:
        """By the step's number alone; every epoch in another order."""
        size, count = self.config.batch_pairs, len(self.train)
        places = range(step * size, (step + 1) * size)
        orders = {
            epoch: np.random.default_rng((self.config.tune.seed, epoch)).permutation(count)
            for epoch in {place // count for place in places}
        }
        return [self.train[int(orders[place // count][place % count])] for place in places]


def gaps(model: Transformer, pairs: Sequence[Pair]) -> Tensor:
    """How much likelier the better answer of each pair is than the other one, in nats; float32, differentiable."""
    answers = [example for pair in pairs for example in (pair.preferred, pair.other)]
    row = pack(answers, model.device)
    hidden_NE = row.hidden(model)[row.is_answer_T]
    logprobs_N = token_logprobs(hidden_NE, output_head(model), row.targets_T[row.is_answer_T])
    sums = torch.stack([part.sum() for part in torch.split(logprobs_N, [sum(one.is_answer) for one in answers])])
    return sums[0::2] - sums[1::2]


def prefer(
    base: Path,
    out: Path,
    config: PreferConfig,
    data: Path,
    *,
    dtype: torch.dtype = torch.bfloat16,
    device: torch.device | None = None,
    progress: Progress = print,
) -> Tuner:
    """Tune the model of `base` on pairs of answers; the result is `out/model`.

    A checkpoint that is already in `out` is gone on from. `SetupError` says what is missing or cannot be read.
    """
    model, encoder = load_for_tuning(base, dtype, device or torch.device("cpu")), TurnEncoder.load(base)
    config = replace(config, context=min(config.context, model.config.max_position))
    digest = sha256(repr((data.read_bytes(), encoder.chat.digest, config.context)).encode()).hexdigest()[:16]
    pairs = _with_reference(out, digest, model, _read(data, encoder, config.context, progress), config, progress)
    num_held_out = max(1, len(pairs) // HELD_OUT_ONE_IN)
    train, held_out = pairs[num_held_out:], pairs[:num_held_out]
    num_steps = max(1, round(config.epochs * len(train) / config.batch_pairs))
    config = replace(config, tune=replace(config.tune, num_steps=num_steps))
    progress(f"{len(train)} pairs, {len(held_out)} held out; {num_steps} steps")
    settings = {"data": digest, "beta": config.beta, "batch_pairs": config.batch_pairs}
    tuner = Tuner(model, Preferred(model, train, held_out, config), config.tune, out, progress, settings=settings)
    export_tuned(base, out / "model", tuner.run())
    return tuner


def _read(data: Path, encoder: TurnEncoder, context: int, progress: Progress) -> list[Pair]:
    """Those that fit, in an order that follows from what they say."""
    read = sorted(read_preferences(data), key=lambda one: sha256(repr(one).encode()).digest())
    pairs = [_pair(one, encoder) for one in read]
    fitting = [pair for pair in pairs if max(len(pair.preferred.ids), len(pair.other.ids)) <= context]
    if len(fitting) < len(pairs):
        progress(f"{len(pairs) - len(fitting)} pairs are longer than context={context}, and left out")
    if len(fitting) < 2:
        raise SetupError(f"{data} has {len(fitting)} pairs that can be used; one is held out, so give two or more")
    return fitting


def _pair(one: Preference, encoder: TurnEncoder) -> Pair:
    try:
        preferred, other = (encoder.turn(one.messages, said, one.tools).example for said in (one.preferred, one.other))
    except InvalidRequest as error:
        raise SetupError(f"a pair cannot be used: {error.message}; mend it, or take it out") from error
    return Pair(preferred, other)


def _with_reference(
    out: Path, digest: str, model: Transformer, pairs: Sequence[Pair], config: PreferConfig, progress: Progress
) -> list[Pair]:
    """The pairs with the gaps of the model as it is before the run."""
    path = out / REFERENCE
    gaps_N = _kept(path, digest)
    if gaps_N is None:
        progress(f"asking the first model about {len(pairs)} pairs")
        with torch.no_grad():
            asked = parts(pairs, _size, config.tune.pass_tokens)
            gaps_N = torch.cat([gaps(model, part) for part in asked]).cpu().numpy()
        out.mkdir(parents=True, exist_ok=True)
        draft = out / f"draft.{REFERENCE}"
        np.savez(draft, gaps=gaps_N, digest=np.array(digest))
        draft.replace(path)
    return [replace(pair, reference=float(gap)) for pair, gap in zip(pairs, gaps_N, strict=True)]


def _kept(path: Path, digest: str) -> np.ndarray[tuple[int], np.dtype[np.float32]] | None:
    if not path.exists():
        return None
    with np.load(path) as arrays:
        return arrays["gaps"] if str(arrays["digest"]) == digest else None


def _size(pair: Pair) -> int:
    """Tokens of both answers, with the prompt of each."""
    return len(pair.preferred.ids) + len(pair.other.ids)


def _described(margins_N: Tensor) -> dict[str, float]:
    return {"reward_accuracy": float((margins_N > 0).float().mean()), "reward_margin": float(margins_N.mean())}
