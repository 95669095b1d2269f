"""Reader: one small encoder that embeds texts, and reads a question or statement together with a passage.

The encoder alone is an embedding model. With heads on its last hidden states it says, of a pair, where in the passage
the answer stands (or that it does not), whether the passage is what was looked for, and whether it bears a statement
out (Devlin et al. 2018, sections 4.2 and 4.3).

A folder holds the encoder as any BERT folder does, so other tools load it as an embedding model, and the heads in
`heads.safetensors`.

Shapes: B pairs, L padded length, E hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from owngpt.errors import CheckpointError
from owngpt.model.encoder import Encoder

HEADS = "heads.safetensors"


def is_reader(folder: Path) -> bool:
    """Does this folder of an encoder hold the heads, too?"""
    return (folder / HEADS).is_file()


class Pair(NamedTuple):
    """Token ids of what is asked or said and of a passage, without special tokens."""

    asked: Sequence[int]
    passage: Sequence[int]


class Packed(NamedTuple):
    """Pairs as tensors: [CLS] asked [SEP] passage [SEP], padded."""

    ids_BL: Tensor
    mask_BL: Tensor  # true where there is a token
    types_BL: Tensor  # 1 from the passage on

    @property
    def passage_BL(self) -> Tensor:
        """True at the passage's own tokens, its [SEP] excluded."""
        inside = (self.types_BL == 1) & self.mask_BL
        return inside & inside.roll(-1, 1)


class Reading(NamedTuple):
    """What the heads say of pairs, as logits, float32. Place 0 of a span stands for "no answer"."""

    starts_BL: Tensor  # -inf outside the passage and place 0
    ends_BL: Tensor
    relevance_B: Tensor
    support_B: Tensor


class Reader(nn.Module):
    """An encoder with heads for pairs."""

    def __init__(self, encoder: Encoder, cls_id: int, sep_id: int) -> None:
        super().__init__()
        self.encoder, self.cls_id, self.sep_id = encoder, cls_id, sep_id
        size = encoder.config.hidden_size
        self.spans = nn.Linear(size, 2)
        self.relevance = nn.Linear(size, 1)
        self.support = nn.Linear(size, 1)

    @classmethod
    def load(cls, folder: Path, cls_id: int, sep_id: int) -> Self:
        """Encoder and heads, for inference. `CheckpointError` names the file or tensor that is wrong."""
        reader = cls(Encoder.load(folder), cls_id, sep_id)
        try:
            heads = load_file(folder / HEADS)
            reader.load_state_dict(heads, strict=False)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise CheckpointError(f"{folder / HEADS} cannot be read: {error}") from error
        if missing := reader.head_state().keys() - heads.keys():
            raise CheckpointError(f"{folder / HEADS}: tensor {min(missing)} is missing")
        return reader.to(reader.encoder.words.weight.dtype).eval().requires_grad_(False)

    def head_state(self) -> dict[str, Tensor]:
        """The heads' parameters by name."""
        return {name: value for name, value in self.state_dict().items() if not name.startswith("encoder.")}

    def pack(self, pairs: Sequence[Pair]) -> Packed:
        """Tensors of pairs of any lengths."""
        rows = [[self.cls_id, *pair.asked, self.sep_id, *pair.passage, self.sep_id] for pair in pairs]
        length = max(map(len, rows))
        ids_BL = torch.zeros(len(rows), length, dtype=torch.long)
        types_BL, lengths_B = torch.zeros_like(ids_BL), torch.tensor([len(row) for row in rows])
        for number, (row, pair) in enumerate(zip(rows, pairs, strict=True)):
            ids_BL[number, : len(row)] = torch.tensor(row)
            types_BL[number, len(pair.asked) + 2 : len(row)] = 1
        return Packed(ids_BL, torch.arange(length) < lengths_B[:, None], types_BL)

    def forward(self, packed: Packed) -> Reading:
        """All heads at once; they cost next to nothing."""
        hidden_BLE = self.encoder(packed.ids_BL, packed.mask_BL, packed.types_BL)
        first_BE = hidden_BLE[:, 0]
        can_be_BL = packed.passage_BL.index_fill(1, torch.tensor([0]), True)
        places_BL2 = self.spans(hidden_BLE).float().masked_fill(~can_be_BL[..., None], float("-inf"))
        relevance_B, support_B = self.relevance(first_BE).float()[:, 0], self.support(first_BE).float()[:, 0]
        return Reading(places_BL2[..., 0], places_BL2[..., 1], relevance_B, support_B)
