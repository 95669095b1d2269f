"""What teaches the heads: questions answered, or not, by a passage; statements borne out by it, or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from random import Random

import tokenizers
import torch
from torch import Tensor
from torch.nn import functional as F

from owngpt.model.reader import Pair
from owngpt.training.reader.examples import Claim, Language, Passages
from owngpt.training.reader.task import Models, window
from owngpt.training.reader.texts import encode, encode_placed

_SIZES = ((0.6, 96), (0.9, 160), (1.0, 256))  # (share up to here, tokens of a passage)
_NEGATIVES = 0.6  # of the questions also come with a passage that does not answer them
_SAME_ARTICLE = 0.7  # of those
_NEAREST = 4  # paragraphs of an article, the right one among them as a rule
_MAX_ASKED, _MAX_EVIDENCE = 64, 160


class Answer:
    """Where the answer stands in a passage, that it does not, and which of two passages has it."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, passages: Passages, language: Language) -> None:
        self.questions = [question for question in passages.questions if question.language == language]
        self.asked = [ids[:_MAX_ASKED] for ids in encode(tokenizer, [one.question for one in self.questions])]
        numbers = sorted({one.passage for one in self.questions})
        self.texts, self.articles = passages.texts, passages.articles
        self.placed = dict(zip(numbers, encode_placed(tokenizer, [self.texts[n] for n in numbers]), strict=True))
        self.spans = [
            self.placed[one.passage].tokens_of(one.start, one.start + len(one.text)) for one in self.questions
        ]
        self.sizes = [_size(Random(i)) for i in range(len(self.questions))]
        self.lengths = [
            int((min(size, len(self.placed[one.passage].ids)) + len(ids) + 3) * (1 + _NEGATIVES))
            for one, ids, size in zip(self.questions, self.asked, self.sizes, strict=True)
        ]
        self.others: dict[str, list[int]] = defaultdict(list)
        for number in numbers:
            self.others[self.articles[number]].append(number)

    def loss(self, model: Models, numbers: Sequence[int], random: Random) -> Tensor:
        """Cross-entropy of both ends (place 0: no answer), and of which passages are relevant."""
        pairs, spans, rivals = [], [], []
        for number in numbers:
            pair, span = self._answered(number, random)
            pairs.append(pair)
            spans.append(span)
        for place, number in enumerate(numbers):
            if random.random() < _NEGATIVES and (other := self._unanswered(number, random)) is not None:
                rivals.append(place)
                pairs.append(other)
                spans.append((0, 0))
        read = model.reader(model.reader.pack(pairs))
        target_B2 = torch.tensor(spans)
        ends = F.cross_entropy(read.starts_BL, target_B2[:, 0]) + F.cross_entropy(read.ends_BL, target_B2[:, 1])
        is_relevant_B = (torch.arange(len(pairs)) < len(numbers)).float()
        found = F.binary_cross_entropy_with_logits(read.relevance_B, is_relevant_B)
        gaps = read.relevance_B[len(numbers) :] - read.relevance_B[rivals]
        ahead = F.softplus(gaps).mean() if rivals else 0.0
        return ends / 2 + found + ahead

    def _answered(self, number: int, random: Random) -> tuple[Pair, tuple[int, int]]:
        question, asked, span = self.questions[number], self.asked[number], self.spans[number]
        ids = self.placed[question.passage].ids
        start, end = window(len(ids), self.sizes[number], random, span)
        pair = Pair(asked, ids[start:end])
        if span is None or span[1] >= end:
            return pair, (0, 0)
        first = len(asked) + 2 - start
        return pair, (span[0] + first, span[1] + first)

    def _unanswered(self, number: int, random: Random) -> Pair | None:
        question, asked = self.questions[number], self.asked[number]
        other = self._near(number, random) if random.random() < _SAME_ARTICLE else random.choice(list(self.placed))
        if other == question.passage or question.text in self.texts[other]:
            return None
        ids = self.placed[other].ids
        start, end = window(len(ids), self.sizes[number], random)
        return Pair(asked, ids[start:end])

    def _near(self, number: int, random: Random) -> int:
        """One of the paragraphs of the article that share most with the question: what a search would find."""
        others, asked = self.others[self.articles[self.questions[number].passage]], set(self.asked[number])
        shared = {other: len(asked.intersection(self.placed[other].ids)) for other in others}
        return random.choice(sorted(others, key=lambda other: -shared[other])[:_NEAREST])


class Check:
    """Whether a passage bears a statement out."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, claims: Sequence[Claim]) -> None:
        self.texts = encode(tokenizer, [claim.text for claim in claims])
        self.evidence = encode(tokenizer, [claim.evidence for claim in claims])
        self.labels = [float(claim.is_supported) for claim in claims]
        self.lengths = [
            min(len(a), _MAX_ASKED) + min(len(b), _MAX_EVIDENCE) + 3
            for a, b in zip(self.texts, self.evidence, strict=True)
        ]

    def loss(self, model: Models, numbers: Sequence[int], random: Random) -> Tensor:
        """Binary cross-entropy."""
        pairs = [Pair(self.texts[n][:_MAX_ASKED], self.evidence[n][:_MAX_EVIDENCE]) for n in numbers]
        read = model.reader(model.reader.pack(pairs))
        return 2 * F.binary_cross_entropy_with_logits(read.support_B, torch.tensor([self.labels[n] for n in numbers]))


def _size(random: Random) -> int:
    share = random.random()
    return next(size for bound, size in _SIZES if share <= bound)
