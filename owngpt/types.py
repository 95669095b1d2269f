"""Nouns shared by every room of the house.

Standard library only. Everything here is frozen, so it can cross threads and be compared in tests.
Wire shapes (`server/schemas`) are other types; each direction is translated once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Literal


class FinishReason(StrEnum):
    """Why a choice ended."""

    STOP = "stop"  # an end token, a stop string, or a constraint that is complete
    LENGTH = "length"  # max_tokens, or the model's context is full
    ABORT = "abort"  # the caller left
    ERROR = "error"  # the engine failed; TokenEvent.error says how


class Tier(IntEnum):
    """How urgent a request is: lower is served first. Flex and batch take only what the others leave."""

    PRIORITY = 0
    DEFAULT = 1
    FLEX = 2
    BATCH = 3

    @property
    def label(self) -> str:
        """As on the wire and in metrics."""
        return self.name.lower()

    @property
    def is_spare(self) -> bool:
        """Whether it has to wait for as long as a request of a higher tier has a prompt to be read."""
        return self >= Tier.FLEX


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose turn it is, and how urgent. Tenants of a tier get computed tokens in proportion to their weights."""

    tenant: str = ""  # opaque: the service passes the project
    weight: float = 1.0
    tier: Tier = Tier.DEFAULT
    deadline: float | None = None  # of the first token, on the clock of `time.monotonic`


ANYONE = Claim()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function (or custom tool) that the model asks the caller to run. `arguments` is text as generated."""

    id: str
    name: str
    arguments: str
    type: Literal["function", "custom"] = "function"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, as chat templates see it."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str = ""
    reasoning: str | None = None  # an assistant's earlier thinking
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool offered to the model. A custom tool has a grammar (or free text) instead of a JSON schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] | None = None  # JSON schema; None for custom tools
    is_strict: bool = False
    type: Literal["function", "custom"] = "function"
    grammar: Constraint | None = None  # custom tools only; None is free text


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a generation is allowed to say.

    `grammar` is a Lark grammar in llguidance's dialect (JSON schemas and regexes are embedded in it);
    `param` is the wire path to blame when it cannot be enforced.
    """

    grammar: str
    param: str = "response_format"
    is_long: bool = False  # our own, of long texts: it may cost more to follow, and is not kept for the next request


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a reasoning model's thinking is bounded. While it thinks, a constraint sleeps.

    `is_open`: the prompt already ends inside the thinking block. Otherwise the model opens it itself, by
    choosing `start_id` as its first token. After `budget` tokens of thinking, `end_ids` are forced, one by one.

    With `headers`, the output is messages (harmony): each has a header up to `start_id`, then a body up to `end_id`,
    and it is thinking if its header is one of these. The grammar, which describes all messages, does not sleep.
    """

    budget: int | None
    start_id: int
    end_id: int  # the token that closes the block, forced or chosen
    end_ids: tuple[int, ...]  # what is forced when the budget is spent; contains end_id
    is_open: bool = False
    headers: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How tokens are chosen. Values are valid here: the API checks ranges before it builds one."""

    temperature: float = 1.0  # 0 is greedy
    top_p: float = 1.0
    top_k: int = 0  # 0 is off
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int | None = None  # None: the engine draws one
    stop: tuple[str, ...] = ()  # never part of the text that is delivered
    stop_token_ids: tuple[int, ...] = ()  # beside the model's own end tokens
    ignore_eos: bool = False
    max_tokens: int | None = None  # None: up to the model's context
    n: int = 1
    logprobs: int | None = None  # None: none; k: the chosen token's, and the k best
    prompt_logprobs: int | None = None  # likewise for the prompt (echo)
    thinking: Thinking | None = None
    begins_with: str = ""  # how the text begins, whatever the model prefers: so a prompt may end inside a word
    prediction: tuple[int, ...] = ()  # tokens that the answer may resemble; they change its speed only


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token with its natural-log probability, before temperature and masks."""

    token_id: int
    token: bytes  # the bytes that the token stands for; may be part of a character
    logprob: float
    top: tuple[TokenLogprob, ...] = ()  # the k best, best first; their own `top` is empty


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a request cost.

    Cached tokens, and those that were written to the cache for others to find, are a part of the prompt's; reasoning
    tokens, and accepted ones of a prediction, are a part of the completion's. Rejected ones cost nothing.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.accepted_prediction_tokens + other.accepted_prediction_tokens,
            self.rejected_prediction_tokens + other.rejected_prediction_tokens,
        )


@dataclass(frozen=True, slots=True)
class PromptInfo:
    """What the engine knows of the prompt once it has been read."""

    num_tokens: int
    num_cached_tokens: int
    num_written_tokens: int = 0  # computed, and shared from now on
    logprobs: tuple[TokenLogprob | None, ...] | None = None  # one per prompt token; the first is None


@dataclass(frozen=True, slots=True)
class PredictionUse:
    """How much of a prediction is in the answer, at the place where it was looked for, and how much is not."""

    num_accepted: int
    num_rejected: int


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """News of one choice: the tokens of one step, the text that is safe to show, perhaps the end.

    `text` may be empty (half a character, a possible stop string) and may hold text of earlier tokens.
    The first event of a choice carries `prompt`; the last one carries `finish_reason`.
    """

    index: int
    token_ids: tuple[int, ...] = ()
    text: str = ""
    logprobs: tuple[TokenLogprob, ...] | None = None  # one per token id, where asked for
    is_thinking: bool = False  # these tokens belong to the thinking block (its marks included)
    prompt: PromptInfo | None = None
    finish_reason: FinishReason | None = None
    stop: str | None = None  # the stop string that was met
    prediction: PredictionUse | None = None  # at the end, where there was one
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document, as it is searched. Offsets count the characters of the document's extracted text."""

    id: str  # unique in the database: "<vector store file's id>#<index>"
    index: int  # its place in the document, from 0
    text: str  # exactly what stands in the document from `start`
    start: int
    pages: tuple[tuple[int, int], ...] = ()  # (offset, page from 1) where each begins, if it has any
    headings: tuple[str, ...] = ()  # the titles that it stands under, outermost first

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def page_at(self, offset: int) -> int | None:
        """The page of a character of this chunk."""
        return page_at(self.pages, offset)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that an answer may quote. Only what its caller may read ever becomes one."""

    id: str  # unique in its request
    text: str
    file_id: str
    filename: str
    start: int = 0  # of `text` in the document, in characters
    pages: tuple[tuple[int, int], ...] = ()  # as in Chunk
    score: float = 0.0  # how well it fits the query, 0 to 1
    attributes: Mapping[str, str | float | bool] = field(default_factory=dict)
    vector_store_id: str | None = None
    readers: frozenset[str] = frozenset()  # who may read it (`Caller.principals`); empty: the whole project

    def page_at(self, offset: int) -> int | None:
        """The page of a character of the document."""
        return page_at(self.pages, offset)


@dataclass(frozen=True, slots=True)
class Citation:
    """A quoted span of an answer and where it stands: `document[start:end] == quote`, always."""

    index: int  # in the answer's text, in characters: where the mark of this citation stands
    quote: str
    file_id: str
    filename: str
    start: int
    end: int
    page: int | None = None  # of the first character
    passage_id: str = ""
    support: float | None = None  # how well the passage bears out the sentence that cites it, 0 to 1


class Verdict(StrEnum):
    """Whether an answer is borne out by its sources."""

    SUPPORTED = "supported"
    PARTLY = "partly"
    ABSTAINED = "abstained"


def page_at(pages: tuple[tuple[int, int], ...], offset: int) -> int | None:
    """The page that has begun last before `offset`; None where there are none."""
    return next((page for begins, page in reversed(pages) if begins <= offset), None)
