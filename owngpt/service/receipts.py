"""What a receipt says: everything that the tokens of an answer follow from, and these tokens; to JSON and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from owngpt.service.fingerprint import Fingerprint, canonical
from owngpt.types import FinishReason, SamplingParams, Thinking


@dataclass(frozen=True, slots=True)
class Order:
    """That a receipt is to be kept, and what only the request's route knows for it."""

    id: str  # of the answer
    created: int  # Unix seconds
    body: str  # JSON: the request as it was sent


@dataclass(frozen=True, slots=True)
class Inputs:
    """The same inputs give the same tokens and log-probabilities, bit for bit."""

    fingerprint: Fingerprint
    prompts: Sequence[Sequence[int]]
    seeds: Sequence[int]  # one for each prompt
    sampling: SamplingParams  # without a seed
    grammar: str | None
    max_model_len: int  # where an answer without `max_tokens` ends

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "fingerprint": asdict(self.fingerprint),
            "prompts": [list(prompt) for prompt in self.prompts],
            "seeds": list(self.seeds),
            "sampling": sampling_document(self.sampling),
            "grammar": self.grammar,
            "max_model_len": self.max_model_len,
        }

    @classmethod
    def read(cls, text: str) -> Inputs:
        """From what `write` made."""
        values = json.loads(text)
        return cls(
            **{**values, "fingerprint": Fingerprint(**values["fingerprint"]), "sampling": _sampling(values["sampling"])}
        )

    def write(self) -> str:
        """Canonical JSON, so that equal inputs are equal texts."""
        return canonical(self.document())


@dataclass(frozen=True, slots=True)
class Output:
    """One choice, as far as it was delivered."""

    token_ids: Sequence[int] = ()
    logprobs: Sequence[float] | None = None  # of these tokens, where asked for
    logprobs_digest: str | None = None  # SHA-256 of the bits of all that was reported, alternatives and prompt included
    finish_reason: FinishReason | None = None  # None: the client left before the end


def write_outputs(outputs: Sequence[Output]) -> str:
    """JSON. Numbers keep all their bits."""
    return json.dumps([asdict(output) for output in outputs])


def read_outputs(text: str) -> list[Output]:
    """From what `write_outputs` made."""
    outputs = [Output(**values) for values in json.loads(text)]
    return [
        output if output.finish_reason is None else replace(output, finish_reason=FinishReason(output.finish_reason))
        for output in outputs
    ]


def sampling_document(sampling: SamplingParams) -> dict[str, Any]:
    """The parameters that tokens depend on (a prediction changes the speed only), as JSON values: keys are text."""
    values = asdict(replace(sampling, logit_bias={}))
    del values["prediction"]
    return {**values, "logit_bias": {str(token): bias for token, bias in sampling.logit_bias.items()}}


def _sampling(values: Mapping[str, Any]) -> SamplingParams:
    """From `sampling_document`, by way of JSON, which knows no tuples and no numbers as keys."""
    known = {name: _frozen(value) for name, value in values.items() if name not in ("logit_bias", "thinking")}
    biases = {int(token): bias for token, bias in values["logit_bias"].items()}
    return SamplingParams(**known, logit_bias=biases, thinking=_thinking(values["thinking"]))


def _thinking(values: Mapping[str, Any] | None) -> Thinking | None:
    return None if values is None else Thinking(**{name: _frozen(value) for name, value in values.items()})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
