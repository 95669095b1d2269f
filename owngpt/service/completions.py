"""Plain prompts: text or token ids to be continued, or (with a suffix) a gap to be filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from owngpt.errors import InvalidRequest
from owngpt.service.generate import Prepared
from owngpt.service.models import ServedModel
from owngpt.text.fim import FimMarks
from owngpt.text.matcher import Matcher
from owngpt.text.tokenizer import FAR, Tokenizer
from owngpt.types import SamplingParams


@dataclass(frozen=True, slots=True)
class CompletionPrompt:
    """One or several prompts; `suffix` is the text after the gap."""

    inputs: Sequence[str | Sequence[int]]
    suffix: str | None = None
    operation: str = "text_completion"
    param: str = "prompt"

    @property
    def num_prompts(self) -> int:
        return len(self.inputs)

    @property
    def cost(self) -> int:
        return sum(map(len, self.inputs)) + len(self.suffix or "")

    def prepare(self, model: ServedModel, sampling: SamplingParams) -> Prepared:
        """Tokenize; raises `InvalidRequest` where the tokenizer has no tokens for filling gaps."""
        prompts = [self._ids(text, model) for text in self.inputs]
        marks = model.tokenizer.fim if self.suffix else None
        return Prepared(prompts, sampling if marks is None else ending(sampling, marks))

    def _ids(self, text: str | Sequence[int], model: ServedModel) -> Sequence[int]:
        tokenizer = model.tokenizer
        limit = model.engine.max_model_len
        if self.suffix:
            return fill_in_the_middle(tokenizer, text, self.suffix, limit, model.name)
        ids = tokenizer.encode_pieces([text], limit, add_special_tokens=True) if isinstance(text, str) else text
        return ids or [start_of(tokenizer)]


def fill_in_the_middle(
    tokenizer: Tokenizer, text: str | Sequence[int], suffix: str, limit: int, name: str
) -> list[int]:
    """A prompt with a gap, in the order that the model was trained on. Marks that stand in a text are text."""
    marks = tokenizer.fim
    if marks is None:
        raise InvalidRequest(
            f"The model {name!r} cannot fill in the middle: its tokenizer has no tokens for it. Leave 'suffix' out.",
            param="suffix",
            code="unsupported_value",
        )
    inert = Matcher(marks.names)
    prefix = tokenizer.encode_pieces(inert.divide(text), limit) if isinstance(text, str) else list(text)
    return [*tokenizer.opening, *marks.arrange(prefix, encode_suffix(tokenizer, inert.divide(suffix), limit))]


def encode_suffix(tokenizer: Tokenizer, pieces: Sequence[str], limit: int) -> list[int]:
    """Ids of what follows a gap, which is no beginning of a text; of what is far above `limit`, only the first."""
    first, *others = pieces
    cut = FAR * 16 * limit  # characters: more than any vocabulary puts into so many tokens
    return [*tokenizer.encode_inside(first[:cut]), *tokenizer.encode_pieces(others, limit)]


def ending(sampling: SamplingParams, marks: FimMarks) -> SamplingParams:
    """The same, with the marks that end a middle beside the model's own end tokens."""
    return replace(sampling, stop_token_ids=(*sampling.stop_token_ids, *marks.ends))


def start_of(tokenizer: Tokenizer) -> int:
    """What stands for an empty prompt: the start of a document."""
    if tokenizer.bos_token_id is not None:
        return tokenizer.bos_token_id
    return tokenizer.eos_token_ids[0] if tokenizer.eos_token_ids else 0
