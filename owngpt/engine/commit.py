"""What a sampled token means for its request: thinking, grammar, end, text; and the event that its client gets.

End tokens and stop tokens end a choice and are not delivered, so they do not count as completion tokens. The token
that completes a stop string is delivered (it was generated); the text ends before the string.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from owngpt.engine.request import Request, Sample
from owngpt.text.detokenize import Delta, Detokenizer
from owngpt.types import FinishReason, PromptInfo, TokenEvent


def commit(request: Request, sample: Sample) -> TokenEvent:
    """Take one token into the request."""
    if request.is_full:  # max_tokens is 0: only the prompt was wanted
        return finish(request, FinishReason.LENGTH)
    if sample.error is not None:
        return finish(request, FinishReason.ERROR, sample.error)
    if sample.token_id in request.end_ids or request.is_complete:
        return finish(request, FinishReason.STOP)
    is_thinking = request.thinking.push(sample.token_id)
    if error := _advance(request, sample.token_id, is_thinking):
        return finish(request, FinishReason.ERROR, error)
    request.append(sample.token_id)
    return _token_event(request, sample, is_thinking)


def _advance(request: Request, token_id: int, is_thinking: bool) -> str:
    """Show the grammar the token, but one that it sleeps through. What went wrong, which nothing should; else empty."""
    if request.matcher is None or (is_thinking and not request.thinking.is_in_grammar):
        return ""
    is_taken = request.matcher.consume_token(token_id)
    return "" if is_taken else f"the grammar failed: {request.matcher.get_error().strip()}"


def finish(request: Request, reason: FinishReason, error: str | None = None) -> TokenEvent:
    """The end without another token."""
    return TokenEvent(
        index=request.index,
        text=_rest(request),
        is_thinking=request.thinking.is_inside,
        prompt=_announce(request),
        finish_reason=reason,
        error=error,
    )


def join(events: Sequence[TokenEvent]) -> list[TokenEvent]:
    """The events of one choice in one step as one, or as two where its thinking ends: no event mixes the two."""
    if len(events) == 1:
        return list(events)
    return [_joined(list(same)) for _, same in groupby(events, lambda event: event.is_thinking)]


def _joined(events: Sequence[TokenEvent]) -> TokenEvent:
    logprobs = [event.logprobs for event in events if event.logprobs is not None]
    return replace(
        events[-1],
        token_ids=tuple(i for event in events for i in event.token_ids),
        text="".join(event.text for event in events),
        logprobs=tuple(entry for each in logprobs for entry in each) if logprobs else None,
        prompt=events[0].prompt,
    )


def _token_event(request: Request, sample: Sample, is_thinking: bool) -> TokenEvent:
    delta = _text(request, sample.token_id, is_thinking)
    reason = _reason(request, delta)
    return TokenEvent(
        index=request.index,
        token_ids=(sample.token_id,),
        text=delta.text if reason is None or delta.stop is not None else delta.text + _rest(request),
        logprobs=None if sample.logprob is None else (sample.logprob,),
        is_thinking=is_thinking,
        prompt=_announce(request),
        finish_reason=reason,
        stop=delta.stop,
    )


def _reason(request: Request, delta: Delta) -> FinishReason | None:
    if delta.stop is not None or request.is_complete:
        return FinishReason.STOP
    return FinishReason.LENGTH if request.is_full else None


def _text(request: Request, token_id: int, is_thinking: bool) -> Delta:
    """Thinking and answer are two texts: stop strings look at the answer only, and no event mixes them."""
    detokenizer = request.thinking_detokenizer if is_thinking else request.detokenizer
    if detokenizer is None:
        return Delta("")
    delta = detokenizer.push(token_id)
    if not is_thinking or request.thinking.is_inside:
        return delta
    return Delta(_held(request.detokenizer) + delta.text + detokenizer.flush())


def _rest(request: Request) -> str:
    return _held(request.thinking_detokenizer if request.thinking.is_inside else request.detokenizer)


def _held(detokenizer: Detokenizer | None) -> str:
    return "" if detokenizer is None else detokenizer.flush()


def _announce(request: Request) -> PromptInfo | None:
    """The first event tells what is known of the prompt."""
    if request.is_announced:
        return None
    request.is_announced = True
    return request.prompt_info
