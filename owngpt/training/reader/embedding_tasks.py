"""What teaches the encoder to embed: translations, like sentences, questions with their paragraphs."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import tokenizers
import torch
from torch import Tensor
from torch.nn import functional as F

from owngpt.training.reader.examples import Language, Likeness, Passages, Translation
from owngpt.training.reader.task import Models, window
from owngpt.training.reader.texts import Ids, encode

_SCALE = 20.0  # of cosines, in contrasts
_WEIGHT = 4.0  # of a distance between unit vectors beside other losses
_REHEARSED = 4  # every so many-th English sentence is read by the student, too
_MAX_PASSAGE = 120  # tokens


class Translate:
    """Japanese gets the vector that the teacher gives its translation, and English keeps its own.

    Reimers and Gurevych (2020), "Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation".
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer, pairs: Sequence[Translation]) -> None:
        self.english = encode(tokenizer, [pair.english for pair in pairs])
        self.japanese = encode(tokenizer, [pair.japanese for pair in pairs])
        self.lengths = [len(ids) + 2 for ids in self.japanese]

    def loss(self, model: Models, numbers: Sequence[int], random: Random) -> Tensor:
        """Distance to the teacher, and a contrast with the other sentences of the batch."""
        english, japanese = [self.english[n] for n in numbers], [self.japanese[n] for n in numbers]
        target_BE = model.taught(english)
        vectors = model.embed(japanese)
        near = (1 - (vectors * target_BE).sum(1)).mean()
        kept = range(0, len(english), _REHEARSED)
        same = (1 - (model.embed([english[i] for i in kept]) * target_BE[::_REHEARSED]).sum(1)).mean()
        return _WEIGHT * (near + same) + 0.2 * contrast(vectors, target_BE)


class Alike:
    """Cosines follow what people said of how alike two sentences are."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, pairs: Sequence[Likeness]) -> None:
        self.first = encode(tokenizer, [pair.first for pair in pairs])
        self.second = encode(tokenizer, [pair.second for pair in pairs])
        self.scores = [pair.score for pair in pairs]
        self.lengths = [len(a) + len(b) + 4 for a, b in zip(self.first, self.second, strict=True)]

    def loss(self, model: Models, numbers: Sequence[int], random: Random) -> Tensor:
        """Each pair of pairs is in the right order, by a margin: CoSENT (Su 2022)."""
        vectors = model.embed([self.first[n] for n in numbers] + [self.second[n] for n in numbers])
        cosine_B = (vectors[: len(numbers)] * vectors[len(numbers) :]).sum(1) * _SCALE
        score_B = torch.tensor([self.scores[n] for n in numbers])
        lower = score_B[:, None] < score_B[None, :]
        gaps = (cosine_B[:, None] - cosine_B[None, :])[lower]
        return 0.2 * torch.logsumexp(torch.cat([torch.zeros(1), gaps]), 0)


class Find:
    """A question is nearer to its paragraph than to others (Karpukhin et al. 2020, in-batch negatives)."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, passages: Passages, language: Language) -> None:
        kept = [question for question in passages.questions if question.language == language]
        self.language, self.owners = language, [question.passage for question in kept]
        self.questions = encode(tokenizer, [question.question for question in kept])
        numbers = sorted(set(self.owners))
        self.passages = dict(zip(numbers, encode(tokenizer, [passages.texts[n] for n in numbers]), strict=True))
        self.lengths = [
            len(ids) + 4 + min(_MAX_PASSAGE, len(self.passages[owner]))
            for ids, owner in zip(self.questions, self.owners, strict=True)
        ]

    def loss(self, model: Models, numbers: Sequence[int], random: Random) -> Tensor:
        """The contrast, both ways; English vectors also stay near the teacher's."""
        unique = list({self.owners[n]: n for n in numbers}.values())
        asked = [self.questions[n] for n in unique]
        passages = [self._window(self.passages[self.owners[n]], random) for n in unique]
        first_BE, second_BE = model.embed(asked), model.embed(passages)
        found = (contrast(first_BE, second_BE) + contrast(second_BE, first_BE)) / 2
        if self.language == "ja":
            return found
        vectors, taught = torch.cat([first_BE, second_BE]), torch.cat([model.taught(asked), model.taught(passages)])
        return found + _WEIGHT * (1 - (vectors * taught).sum(1)).mean()

    def _window(self, ids: Ids, random: Random) -> Ids:
        start, end = (0, _MAX_PASSAGE) if random.random() < 0.5 else window(len(ids), _MAX_PASSAGE, random)
        return ids[start:end]


def contrast(first_BE: Tensor, second_BE: Tensor) -> Tensor:
    """Cross-entropy of finding each second vector by its first one (InfoNCE; van den Oord et al. 2018)."""
    return F.cross_entropy(first_BE @ second_BE.T * _SCALE, torch.arange(len(first_BE)))
