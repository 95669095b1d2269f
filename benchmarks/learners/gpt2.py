"""The baseline: a decoder as GPT-2 has it, trained as GPT-2's successors first were.

Learned positions, LayerNorm with biases, GELU, one matrix for embedding and output (Radford et al. 2019); AdamW with a
cosine down to a tenth (Brown et al. 2020, appendix B; their betas, decay and clipping). Everything that is not the
recipe is as in ours, so that it costs the baseline nothing: bf16 with float32 master weights, the loss in chunks.

Shapes: B rows, L tokens of a row, T = B * L, E hidden size, V vocabulary.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.learners.text import BATCH, CONTEXT, WARMUP, Learnt, Text
from owngpt.training.loss import next_token_loss, token_losses

HEAD_SIZE = 64
BETAS, WEIGHT_DECAY, CLIP = (0.9, 0.95), 0.1, 1.0
LAST_RATE = 0.1  # of the cosine, relative to its top


class Block(nn.Module):
    """Attention and an MLP of four times the width, each after a LayerNorm and added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_heads = width // HEAD_SIZE
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x_BLE: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm_1(x_BLE)).unflatten(-1, (3, self.num_heads, HEAD_SIZE)).unbind(2)
        o = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True)
        x_BLE = x_BLE + self.out(o.transpose(1, 2).flatten(2))
        mlp_BLE: Tensor = self.down(F.gelu(self.up(self.norm_2(x_BLE)), approximate="tanh"))
        return x_BLE + mlp_BLE


class GPT2(nn.Module):
    """tokens_BL -> hidden_TE; the output head is the embedding."""

    def __init__(self, vocab_size: int, depth: int, width: int, context: int, seed: int) -> None:
        super().__init__()
        self.embedding, self.positions = nn.Embedding(vocab_size, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self._init_weights(seed, depth)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        x_BLE = self.embedding(tokens_BL) + self.positions.weight[: tokens_BL.shape[1]]
        for block in self.blocks:
            x_BLE = block(x_BLE)
        hidden_BLE: Tensor = self.norm(x_BLE)
        return hidden_BLE.flatten(0, 1)

    def flops_per_token(self, context: int) -> float:
        """Of a forward and a backward pass: 6 per weight that multiplies, and the products of causal attention."""
        width, depth = self.embedding.embedding_dim, len(self.blocks)
        multiplying = sum(p.numel() for p in self.parameters() if p.ndim == 2) - self.positions.weight.numel()
        return 6 * multiplying + 6 * depth * width * context

    @torch.no_grad()
    def _init_weights(self, seed: int, depth: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                is_residual = name.endswith(("out.weight", "down.weight"))
                parameter.normal_(0.0, 0.02 / math.sqrt(2 * depth) if is_residual else 0.02, generator=generator)
            elif name.endswith("bias"):
                parameter.zero_()


class AdamW:
    """AdamW on float32 master weights of a model that computes in bfloat16."""

    def __init__(self, model: nn.Module, rate: float) -> None:
        self._pairs = [(parameter, parameter.detach().float().clone()) for parameter in model.parameters()]
        masters = [master for _, master in self._pairs]
        groups = [
            {"params": [master for master in masters if master.ndim == 2], "weight_decay": WEIGHT_DECAY},
            {"params": [master for master in masters if master.ndim < 2], "weight_decay": 0.0},
        ]
        self._rate = rate
        self._adam = torch.optim.AdamW(groups, lr=rate, betas=BETAS, fused=True)

    def accumulate(self) -> None:
        """Add the gradients of a pass to those before."""
        for parameter, master in self._pairs:
            assert parameter.grad is not None, "every parameter takes part"
            grad = parameter.grad.float()
            master.grad = grad if master.grad is None else master.grad.add_(grad)
            parameter.grad = None

    @torch.no_grad()
    def step(self, factor: float, num_backward: int) -> None:
        """Move the weights by the mean of the gradients, `factor` times the rate's top."""
        masters = [master for _, master in self._pairs]
        for master in masters:
            assert master.grad is not None, "accumulated before"
            master.grad /= num_backward
        nn.utils.clip_grad_norm_(masters, CLIP)
        for group in self._adam.param_groups:
            group["lr"] = self._rate * factor
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        for parameter, master in self._pairs:
            parameter.copy_(master)


def cosine(step: int, num_steps: int, warmup: int) -> float:
    """What the rate's top is multiplied by: up over `warmup` steps, then half a cosine down to `LAST_RATE`."""
    if step < warmup:
        return (step + 1) / warmup
    share = (step - warmup) / max(1, num_steps - warmup)
    return LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * share)) / 2


def shape_of(num_parameters: int, vocab_size: int, context: int) -> tuple[int, int]:
    """(depth, width) with closest to `num_parameters`, where a layer more or less goes with a head more or less."""
    shapes = [(heads + more, heads * HEAD_SIZE) for heads in range(1, 33) for more in (-1, 0, 1) if heads + more > 0]

    def distance(shape: tuple[int, int]) -> int:
        depth, width = shape
        size = (vocab_size + context) * width + depth * (12 * width**2 + 13 * width) + 2 * width
        return abs(size - num_parameters)

    return min(shapes, key=distance)


class Baseline:
    """One run of the baseline over `text`, with the peak learning rate `rate`."""

    def __init__(self, text: Text, num_parameters: int, rate: float, seed: int) -> None:
        self.text = text
        torch.manual_seed(seed)
        self.model = GPT2(text.vocab_size, *shape_of(num_parameters, text.vocab_size, CONTEXT), CONTEXT, seed)
        self.model.to(torch.bfloat16)
        self.optimizer = AdamW(self.model, rate)

    def train(self, num_tokens: int, progress: Callable[[str], None]) -> Learnt:
        """All of `num_tokens`, then the measure."""
        num_steps, start, said = num_tokens // BATCH, time.process_time(), 0.0
        for step in range(num_steps):
            loss = self.step(step * BATCH, cosine(step, num_steps, WARMUP // BATCH))
            if time.monotonic() - said > 10:
                said = time.monotonic()
                progress(f"  step {step}/{num_steps}  loss {loss:.3f}")
        return Learnt(
            num_parameters=sum(parameter.numel() for parameter in self.model.parameters()),
            tokens=num_steps * BATCH,
            flops=num_steps * BATCH * self.model.flops_per_token(CONTEXT),
            bits=self.text.bits_per_byte(self.losses),
            cpu_seconds=time.process_time() - start,
        )

    def step(self, start: int, factor: float) -> float:
        """The tokens of a batch from `start` on; -> their loss in nats per token."""
        tokens = self.text.tokens(start, BATCH + 1)
        inputs_BL, targets_BL = tokens[:-1].view(-1, CONTEXT), tokens[1:].view(-1, CONTEXT)
        loss = next_token_loss(self.model(inputs_BL), self.model.embedding.weight, targets_BL.flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.accumulate()
        self.optimizer.step(factor, 1)
        return loss.item()

    @torch.no_grad()
    def losses(self, inputs_T: Tensor, targets_T: Tensor, num_rows: int) -> Tensor:
        """losses_T in nats."""
        return token_losses(self.model(inputs_T.view(num_rows, -1)), self.model.embedding.weight, targets_T)
