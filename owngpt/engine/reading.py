"""PairReader: texts in, numbers out. What a trained reader says of a question or statement and passages.

Passages that are longer than the model likes are read in windows that overlap; the best one counts. Knows nothing of
search, answers or thresholds: those who do (`retrieval/reading.py`, `trust/reading.py`) see it as a protocol.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import tokenizers
import torch
from torch import Tensor

from owngpt.errors import CheckpointError
from owngpt.model.reader import Pair, Reader, Reading

WINDOW = 224  # tokens of a passage that are read at once; training saw up to 256
OVERLAP = 64
MAX_ASKED = 96  # tokens of a question or statement; the rest is not read
MAX_ANSWER = 48  # tokens
_BATCH_TOKENS = 4_096
_TOP = 12  # starts and ends that are tried with each other


class Found(NamedTuple):
    """The likeliest place of an answer among some texts: characters [start, end) of text number `text`.

    `logit` says how likely the text has an answer at all (log odds).
    """

    text: int
    start: int
    end: int
    logit: float


class _Window(NamedTuple):
    """Part of a text: its tokens, and the characters that each stands for."""

    text: int
    ids: list[int]
    places: list[tuple[int, int]]


class PairReader:
    """A reader with its tokenizer. Safe to use from any thread; one call computes at a time."""

    def __init__(self, reader: Reader, tokenizer: tokenizers.Tokenizer) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._reader, self._tokenizer = reader, tokenizer
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From a folder that `owngpt train reader` wrote. `CheckpointError` names the file that is wrong."""
        try:
            tokenizer = tokenizers.Tokenizer.from_str((folder / "tokenizer.json").read_text("utf-8"))
        except Exception as error:  # `tokenizers` raises bare Exception for what it cannot parse
            raise CheckpointError(f"{folder / 'tokenizer.json'} cannot be read: {error}") from error
        cls_id, sep_id = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
        if cls_id is None or sep_id is None:
            raise CheckpointError(f"{folder / 'tokenizer.json'} has no [CLS] or no [SEP]; it is not that of a reader")
        return cls(Reader.load(folder, cls_id, sep_id), tokenizer)

    def relevance(self, question: str, texts: Sequence[str]) -> list[float]:
        """How likely each text is what was looked for, 0 to 1."""
        return self._best([(question, text) for text in texts], "relevance_B")

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Of (statement, text): how likely the text bears the statement out, 0 to 1."""
        return self._best(pairs, "support_B")

    def answer(self, question: str, texts: Sequence[str]) -> Found | None:
        """The likeliest answer in the words of a text; None where there is no text. `Found.logit` > 0: there is one."""
        windows = [window for number, text in enumerate(texts) for window in self._windows(number, text)]
        asked = self._ids(question)
        found = [
            spot
            for batch in _batches(windows)
            for window, start, end, logit in self._spans(asked, batch)
            for spot in [Found(window.text, window.places[start][0], window.places[end][1], logit)]
        ]
        return max(found, key=lambda spot: spot.logit, default=None)

    def _best(self, pairs: Sequence[tuple[str, str]], head: str) -> list[float]:
        """The highest of each text's windows."""
        asked = [self._ids(first) for first, _ in pairs]
        windows = [window for number, (_, text) in enumerate(pairs) for window in self._windows(number, text)]
        best = [0.0] * len(pairs)
        for batch in _batches(windows):
            read = self._read([Pair(asked[window.text], window.ids) for window in batch])
            logits_B: Tensor = getattr(read, head)
            for window, score in zip(batch, torch.sigmoid(logits_B).tolist(), strict=True):
                best[window.text] = max(best[window.text], score)
        return best

    def _spans(self, asked: list[int], batch: Sequence[_Window]) -> Iterator[tuple[_Window, int, int, float]]:
        """(window, first token, last token, logit) of the best span of each window that has one."""
        read = self._read([Pair(asked, window.ids) for window in batch])
        first = len(asked) + 2
        for row, window in enumerate(batch):
            if window.ids:
                starts_L, ends_L = read.starts_BL[row].log_softmax(0), read.ends_BL[row].log_softmax(0)
                start, end = best_span(starts_L[first:], ends_L[first:])
                yield window, start, end, _odds_of_any(float(starts_L[0] + ends_L[0]) / 2)

    def _read(self, pairs: Sequence[Pair]) -> Reading:
        with self._lock, torch.inference_mode():
            read: Reading = self._reader(self._reader.pack(pairs))
            return read

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids[:MAX_ASKED]

    def _windows(self, number: int, text: str) -> Iterator[_Window]:
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        for start in range(0, max(1, len(encoded.ids) - OVERLAP), WINDOW - OVERLAP):
            part = slice(start, start + WINDOW)
            yield _Window(number, encoded.ids[part], encoded.offsets[part])


def best_span(starts_L: Tensor, ends_L: Tensor) -> tuple[int, int]:
    """(first, last) of the likeliest span of at most `MAX_ANSWER` tokens."""
    starts, ends = (scores.topk(min(_TOP, len(scores))).indices.tolist() for scores in (starts_L, ends_L))
    pairs = [(a, b) for a in starts for b in ends if a <= b < a + MAX_ANSWER] or [(starts[0], starts[0])]
    return max(pairs, key=lambda pair: float(starts_L[pair[0]] + ends_L[pair[1]]))


def _odds_of_any(none: float) -> float:
    """Log odds that there is an answer, from the log probability that there is none.

    Not those of the best span: where several are likely, none of them is, but an answer is there.
    """
    return math.log(-math.expm1(min(none, -1e-6))) - none


def _batches(windows: Sequence[_Window]) -> Iterator[list[_Window]]:
    """Of similar length."""
    batch: list[_Window] = []
    for window in sorted(windows, key=lambda window: len(window.ids)):
        if batch and (len(batch) + 1) * len(window.ids) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch
