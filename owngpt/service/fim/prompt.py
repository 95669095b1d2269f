"""The prompt of a code completion: text before and behind a gap, and other files of the repository.

Parts are put in the order in which a prompt changes least while somebody types. A family that was trained on it has
the suffix first; for any other the line that is being written is the beginning of the middle, so that all before it
stays the same until the next line. Where the text goes on behind the prompt's last token, that token is taken back and
chosen again (`SamplingParams.begins_with`): whoever types stops inside words, as no training text does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from owngpt.errors import InvalidRequest
from owngpt.service.completions import ending, start_of
from owngpt.service.fim.fitting import MOST, Cut, fit_end, fit_start
from owngpt.service.fim.gap import Gap
from owngpt.service.generate import Prepared
from owngpt.service.models import ServedModel
from owngpt.service.workers import INLINE_COST
from owngpt.text.fim import FimMarks
from owngpt.text.matcher import Matcher
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import SamplingParams

MAX_CONTEXT_TOKENS = 1024  # of other files, where a request does not say how many
REPOSITORY = "repository"  # where it does not say its name
_ANSWER_SHARE = 4  # of the context is kept for the answer, however much it may have
_CONTEXT_SHARE = 4  # of the room is kept for other files, if there are any
_SUFFIX_SHARE = 4  # where both do not fit, the suffix has a quarter of the room
_MARGIN = 16  # tokens for marks
_UNTITLED = "untitled"
_LONG_LINE = 1_000  # characters: such a line is no unit to begin with
_MOST_TAKEN_BACK = 4  # tokens; a character has no more bytes


class Snippet(NamedTuple):
    """Another file, or a part of one."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Fitted:
    """What did not fit."""

    included: tuple[str, ...] = ()  # paths of other files
    omitted: tuple[str, ...] = ()
    num_prefix_characters: int = 0  # left out
    num_suffix_characters: int = 0


class _Beginning(NamedTuple):
    """Token ids, and the text that the output is to begin with because its tokens were taken back."""

    ids: list[int]
    text: str = ""
    num_taken_back: int = 0


@dataclass(slots=True)
class FimPrompt:
    """A `Prompt` (`service/generate.py`). `others` are the best first."""

    gap: Gap
    others: Sequence[Snippet] = ()
    repository: str = REPOSITORY
    max_context_tokens: int = MAX_CONTEXT_TOKENS
    is_truncated: bool = True  # where it does not fit; else that is an error
    fitted: Fitted = field(default=Fitted(), init=False)  # known when it is prepared
    begins_with: str = field(default="", init=False)  # what the output begins with, and is not part of the middle

    operation = "text_completion"
    param = "prompt"
    num_prompts = 1

    @property
    def cost(self) -> int:
        length = len(self.gap.prefix) + len(self.gap.suffix) + sum(len(other.text) for other in self.others)
        return max(length, INLINE_COST)  # the vocabulary may have to be sorted first

    def prepare(self, model: ServedModel, sampling: SamplingParams) -> Prepared:
        """Tokenize what fits. Raises `InvalidRequest` where something does not and must not be cut."""
        writer = _Writer(model.tokenizer, sampling.stop)
        limit = model.engine.max_model_len
        room = max(1, limit - min(sampling.max_tokens or limit, limit // _ANSWER_SHARE) - _MARGIN)
        reserved = min(self.max_context_tokens, room // _CONTEXT_SHARE) if self.others else 0
        prefix, suffix = self._fit(writer, room - reserved)
        left = min(self.max_context_tokens, room - len(prefix.ids) - len(suffix.ids))
        included, context = self._context(writer, left)
        omitted = tuple(other.path for other in self.others if other not in included)
        paths = tuple(other.path for other in included)
        self.fitted = Fitted(paths, omitted, prefix.num_omitted, suffix.num_omitted)
        beginning = writer.write(self.gap, prefix, suffix.ids, context)
        self.begins_with = beginning.text
        if sampling.max_tokens is not None:
            sampling = replace(sampling, max_tokens=sampling.max_tokens + beginning.num_taken_back)
        sampling = replace(sampling, begins_with=beginning.text)
        marks = model.tokenizer.fim
        return Prepared([beginning.ids], sampling if marks is None else ending(sampling, marks))

    def _fit(self, writer: _Writer, room: int) -> tuple[Cut, Cut]:
        suffix = writer.fit_suffix(self.gap.suffix, room)
        prefix = fit_end(self.gap.prefix, room, writer.encode)
        if len(prefix.ids) + len(suffix.ids) > room:
            suffix = writer.fit_suffix(self.gap.suffix, max(room // _SUFFIX_SHARE, room - len(prefix.ids)))
            prefix = fit_end(self.gap.prefix, room - len(suffix.ids), writer.encode)
        if not (self.is_truncated or (prefix.is_whole and suffix.is_whole)):
            raise InvalidRequest(
                f"'prompt' and 'suffix' do not fit into this model's context: {room} tokens beside 'max_tokens'. "
                "Send less, or set 'truncation' to 'auto'.",
                param="prompt",
                code="context_length_exceeded",
            )
        return prefix, suffix

    def _context(self, writer: _Writer, room: int) -> tuple[list[Snippet], list[int]]:
        """The other files that fit, and their tokens; the best one stands next to the prefix."""
        included: list[Snippet] = []
        ids: list[int] = []
        for other in self.others:
            is_far_too_long = len(other.text) > MOST * max(room, 0)
            written = [] if is_far_too_long else writer.snippet(other, self.gap)
            if not is_far_too_long and len(written) + len(ids) <= room:
                included.append(other)
                ids = written + ids
        return included, writer.context(self.repository, ids, self.gap.path) if included else []


class _Writer:
    """Texts to tokens, in the ways of a vocabulary. Marks that stand in a text are text."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self._tokenizer, self._marks, self._stops = tokenizer, tokenizer.fim, stops
        self._inert = Matcher(self._marks.names if self._marks else tokenizer.special_tokens)

    @property
    def _has_files(self) -> bool:
        return self._marks is not None and self._marks.repo is not None and self._marks.file is not None

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode_pieces(self._inert.divide(text))

    def fit_suffix(self, text: str, room: int) -> Cut:
        """None of it where the model has no place for it."""
        return Cut([], 0) if self._marks is None else fit_start(text, room, self._encode_inside)

    def snippet(self, other: Snippet, gap: Gap) -> list[int]:
        """A file in front of the prefix: as it was trained on, or as comments."""
        if self._has_files:
            assert self._marks is not None
            assert self._marks.file is not None
            return [self._marks.file, *self.encode(f"{other.path}\n{other.text}\n")]
        comment = gap.language.comment
        lines = "\n".join(f"{comment} {line}".rstrip() for line in (f"{other.path}:", *other.text.splitlines()))
        return self.encode(f"{lines}\n\n")

    def context(self, repository: str, ids: list[int], path: str | None) -> list[int]:
        """Other files, and what tells them from the one with the gap."""
        if not self._has_files:
            return ids
        assert self._marks is not None
        assert self._marks.repo is not None
        assert self._marks.file is not None
        if self._marks.has_path_inside:
            return [self._marks.repo, *self.encode(repository), *ids, self._marks.file]
        name = self.encode(f"{path or _UNTITLED}\n")
        return [self._marks.repo, *self.encode(f"{repository}\n"), *ids, self._marks.file, *name]

    def write(self, gap: Gap, prefix: Cut, suffix: list[int], context: list[int]) -> _Beginning:
        """The whole prompt."""
        tokenizer, marks = self._tokenizer, self._marks
        outside, inside = (context, []) if self._has_files else ([], context)
        if self._has_files and context and marks is not None and marks.has_path_inside:
            inside = self.encode(f"{gap.path or _UNTITLED}\n")
        front = [*tokenizer.opening, *outside]
        if marks is None:
            text = self._taken_back([*inside, *prefix.ids])
            return text._replace(ids=[*front, *text.ids] or [start_of(tokenizer)])
        if marks.is_suffix_first:
            text = self._taken_back(prefix.ids)
            return text._replace(ids=[*front, *marks.arrange([*inside, *text.ids], suffix)])
        if len(gap.head) > _LONG_LINE:
            return _Beginning([*front, *marks.arrange([*inside, *prefix.ids], suffix)])
        return self._line_in_middle(gap, prefix, suffix, front, inside, marks)

    def _line_in_middle(
        self, gap: Gap, prefix: Cut, suffix: list[int], front: list[int], inside: list[int], marks: FimMarks
    ) -> _Beginning:
        """The prefix up to its last line; that one begins the middle."""
        lines = gap.prefix[prefix.num_omitted : len(gap.prefix) - len(gap.head)]
        head = self._taken_back(self.encode(gap.head))
        return head._replace(ids=[*front, *marks.arrange([*inside, *self.encode(lines)], suffix), *head.ids])

    def _encode_inside(self, text: str) -> list[int]:
        first, *others = self._inert.divide(text)
        return [*self._tokenizer.encode_inside(first), *self._tokenizer.encode_pieces(others)]

    def _taken_back(self, ids: list[int]) -> _Beginning:
        """Without the last token, or as many as make whole characters; never with what may begin a stop string."""
        for count in range(1, min(_MOST_TAKEN_BACK, len(ids)) + 1):
            text = self._tokenizer.decode(ids[-count:], skip_special=False, is_continuation=True)
            if any(stop[0] in text for stop in self._stops):
                break
            if "\ufffd" not in text:
                return _Beginning(ids[:-count], text, count)
        return _Beginning(ids)
