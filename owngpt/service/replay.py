"""Replaying a receipt: what has changed since, the same inputs run again, and where the two answers part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from owngpt.service.fingerprint import Fingerprint
from owngpt.service.generate import Prepared
from owngpt.service.models import ServedModel
from owngpt.service.receipts import Inputs, Output, sampling_document
from owngpt.service.recording import ChoiceRecord
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Constraint, FinishReason

_NUM_SHOWN = 12  # tokens before the first that differs


@dataclass(frozen=True, slots=True)
class Change:
    """Something that an answer follows from, and that is not what it was."""

    part: str
    then: str
    now: str


@dataclass(frozen=True, slots=True)
class Parting:
    """Where the tokens or log-probabilities of a choice are no longer the same."""

    choice: int
    position: int  # counted in tokens of the answer
    then: str
    now: str


def fingerprint_changes(then: Fingerprint, now: Fingerprint) -> list[Change]:
    """Part by part."""
    return list(_changes("", asdict(then), asdict(now)))


def input_changes(then: Inputs, now: Prepared, model: ServedModel) -> list[Change]:
    """What the request would become today: other prompts, other parameters, another grammar, less room."""
    sampling = sampling_document(replace(now.sampling, seed=None))
    grammar = None if now.constraint is None else now.constraint.grammar
    return [
        *_prompt_changes(then.prompts, now.prompts, model.tokenizer),
        *_changes("parameter ", sampling_document(then.sampling), sampling),
        *_changes(
            "",
            {"grammar": then.grammar, "max_model_len": then.max_model_len},
            {"grammar": grammar, "max_model_len": model.engine.max_model_len},
        ),
    ]


async def run_again(model: ServedModel, inputs: Inputs, delivered: Sequence[Output]) -> list[Output]:
    """The same inputs, one prompt after the other; of what was not delivered to its end, only as much."""
    outputs: list[Output] = []
    for number, (prompt, seed) in enumerate(zip(inputs.prompts, inputs.seeds, strict=True)):
        first = number * inputs.sampling.n
        outputs += await _run(model, inputs, prompt, seed, delivered[first : first + inputs.sampling.n])
    return outputs


async def _run(
    model: ServedModel, inputs: Inputs, prompt: Sequence[int], seed: int, delivered: Sequence[Output]
) -> list[Output]:
    constraint = None if inputs.grammar is None else Constraint(inputs.grammar, is_long=True)
    choices = [ChoiceRecord() for _ in delivered]
    async with model.engine.submit(prompt, replace(inputs.sampling, seed=seed), constraint=constraint) as events:
        async for event in events:
            choices[event.index].add(event)
            if all(map(_has_caught_up, choices, delivered)):
                break
    return [choice.output() for choice in choices]


def _has_caught_up(choice: ChoiceRecord, delivered: Output) -> bool:
    return choice.finish_reason is not None or (
        not is_whole(delivered) and len(choice.token_ids) >= len(delivered.token_ids)
    )


def is_whole(output: Output) -> bool:
    """Whether the choice came to its end: its client stayed, and the engine did not fail."""
    return output.finish_reason in (FinishReason.STOP, FinishReason.LENGTH)


def partings(then: Sequence[Output], now: Sequence[Output], tokenizer: Tokenizer) -> list[Parting]:
    """The first difference of each choice that has one."""
    pairs = enumerate(zip(then, now, strict=True))
    return [parting for choice, (a, b) in pairs if (parting := _parting(choice, a, b, tokenizer)) is not None]


def _parting(choice: int, then: Output, now: Output, tokenizer: Tokenizer) -> Parting | None:
    length = max(len(then.token_ids), len(now.token_ids)) if is_whole(then) else len(then.token_ids)
    at = _first_difference(then.token_ids[:length], now.token_ids[:length])
    if at is not None:
        texts = (_around(output.token_ids, at, tokenizer) for output in (then, now))
        return Parting(choice, at, *texts)
    at = _first_difference(_bits(then, length), _bits(now, length))
    if at is not None:
        return Parting(choice, at, *(f"log-probability {_bits(output, length)[at]}" for output in (then, now)))
    if not is_whole(then):
        return None
    if then.logprobs_digest != now.logprobs_digest:
        return Parting(choice, 0, "alternatives or prompt with other log-probabilities", "")
    if then.finish_reason != now.finish_reason:
        return Parting(choice, length, f"finish reason {then.finish_reason}", f"finish reason {now.finish_reason}")
    return None


def _bits(output: Output, length: int) -> list[str]:
    """Exactly, so that -0.0 and NaN are told apart as well."""
    return [float(value).hex() for value in (output.logprobs or ())[:length]]


def _first_difference(a: Sequence[Any], b: Sequence[Any]) -> int | None:
    shared = min(len(a), len(b))
    different = next((i for i in range(shared) if a[i] != b[i]), None)
    return shared if different is None and len(a) != len(b) else different


def _around(token_ids: Sequence[int], at: int, tokenizer: Tokenizer) -> str:
    """The text before a token, and the token, with its id."""
    before = tokenizer.decode(token_ids[max(0, at - _NUM_SHOWN) : at], skip_special=False, is_continuation=True)
    if at >= len(token_ids):
        return f"{before!r}, then the end"
    token = tokenizer.token_bytes(token_ids[at]).decode(errors="backslashreplace")
    return f"{before!r}, then {token!r} (id {token_ids[at]})"


def _prompt_changes(
    then: Sequence[Sequence[int]], now: Sequence[Sequence[int]], tokenizer: Tokenizer
) -> Iterator[Change]:
    if len(then) != len(now):
        yield Change("number of prompts", str(len(then)), str(len(now)))
        return
    for number, (a, b) in enumerate(zip(then, now, strict=True)):
        at = _first_difference(a, b)
        if at is not None:
            name = f"prompt {number}" if len(then) > 1 else "prompt"
            yield Change(f"{name} from token {at} on", _around(a, at, tokenizer), _around(b, at, tokenizer))


def _changes(prefix: str, then: dict[str, Any], now: dict[str, Any]) -> Iterator[Change]:
    for name in then | now:
        if then.get(name) != now.get(name):
            yield Change(prefix + name, _shown(then.get(name)), _shown(now.get(name)))


def _shown(value: Any, limit: int = 120) -> str:
    text = "none" if value is None else value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."
