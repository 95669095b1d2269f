"""Our recipe, as `owngpt train pretrain` has it, on the text that all recipes learn from."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.learners.text import CONTEXT, Learnt, Text
from owngpt.model.config import ModelConfig
from owngpt.model.transformer import Transformer
from owngpt.training.dial import flops_per_token, num_parameters, recipe, shape
from owngpt.training.evaluate import forward_rows, output_head
from owngpt.training.loop import TrainData, Trainer
from owngpt.training.loss import next_token_loss, token_losses
from owngpt.training.optim import Optimizer
from owngpt.training.plan import TrainConfig, phase_tokens, plan_steps
from owngpt.training.shards import Phase, Tokens


class Ours:
    """One run of a decoder of `depth`; `folder` keeps its checkpoint, so that it can be gone on with."""

    def __init__(self, text: Text, depth: int, seed: int, num_tokens: int, folder: Path) -> None:
        self.text = text
        self.values = shape(depth, text.vocab_size, CONTEXT)
        self.model = Transformer(ModelConfig.from_dict(self.values))
        self.model.init_weights(seed)
        self.model.to(torch.bfloat16)
        self.config = replace(recipe(self.values), num_tokens=num_tokens, decay_context=CONTEXT, eval_every=1 << 40)
        self.folder = folder

    def train(self, progress: Callable[[str], None]) -> Learnt:
        """All tokens, then the measure."""
        start = time.process_time()
        trainer = Trainer(self.model, self.config, self._data(self.config), self.folder, progress)
        state = trainer.run()
        return Learnt(
            num_parameters=num_parameters(self.values),
            tokens=state.tokens,
            flops=state.tokens * flops_per_token(self.values, CONTEXT),
            bits=self.text.bits_per_byte(self.losses),
            cpu_seconds=max(state.cpu_seconds, time.process_time() - start),
        )

    def stepper(self, num_steps: int, batch: int) -> Callable[[], None]:
        """A function that takes so many steps of `batch` tokens, for the clock."""
        optimizer = Optimizer(self.model, self.config.optim)

        def steps() -> None:
            for start in range(0, num_steps * batch, batch):
                tokens = self.text.tokens(start, batch + 1)
                hidden_TE = self._hidden(tokens[:-1])
                loss = next_token_loss(hidden_TE, output_head(self.model), tokens[1:], self.config.z_loss)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.accumulate()
                optimizer.step(1.0, num_backward=1)

        return steps

    @torch.no_grad()
    def losses(self, inputs_T: Tensor, targets_T: Tensor, num_rows: int) -> Tensor:
        """losses_T in nats."""
        return token_losses(self._hidden(inputs_T), output_head(self.model), targets_T)

    def _hidden(self, tokens_T: Tensor) -> Tensor:
        end = self.text.end_of_text if self.config.is_masked else None
        return forward_rows(self.model, tokens_T, len(tokens_T) // CONTEXT, end)

    def _data(self, config: TrainConfig) -> TrainData:
        """The falling rate reads on where the level one ended: one mixture, in one order, as the baseline has it."""
        num_level = phase_tokens(plan_steps(config))["stable"] - 1
        phases: dict[Phase, Tokens] = {"stable": self.text.train, "decay": self.text.train[num_level:]}
        return TrainData(phases, {}, self.text.sizes_V, self.text.end_of_text)
