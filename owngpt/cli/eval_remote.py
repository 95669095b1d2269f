"""A model behind the OpenAI API as a `Completer`: chats and completions are generated, echoed prompts are weighed."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from typing import Any

from owngpt.cli.remote import AnswerFailed, opened
from owngpt.errors import ConfigError
from owngpt.evals.completer import Unable
from owngpt.evals.task import Item

CONCURRENCY = 16
_SECONDS = 300.0  # between two bytes of an answer
_START = "<|endoftext|>"  # stands before a text, so that its first token is weighed as well
_NUM_TOP = 20  # of a chat answer's first token


def remote_completer(model: str | None, base_url: str, api_key: str, effort: str | None = None) -> RemoteCompleter:
    """Raises `ConfigError` where no model is named."""
    if model is None:
        raise ConfigError("--base-url needs --model: what the model is called there")
    return RemoteCompleter(model, base_url.rstrip("/"), api_key, effort)


class RemoteCompleter:
    """See `Completer`.

    Choices behind a chat prompt are weighed by the answer's first token, which is all that a chat API tells.
    """

    concurrency = CONCURRENCY

    def __init__(self, name: str, base_url: str, api_key: str = "", effort: str | None = None) -> None:
        self.name, self._base_url, self._api_key = name, base_url, api_key
        self._thinking = {} if effort is None else {"reasoning_effort": effort}

    @property
    def about(self) -> dict[str, str]:
        """Where it was asked."""
        return {"base_url": self._base_url, **self._thinking}

    async def generate(self, item: Item, max_tokens: int, stop: Sequence[str]) -> str:
        body = {"temperature": 0, "max_tokens": max_tokens, **({"stop": list(stop)} if stop else {})}
        if item.messages:
            answer = await self._post("chat/completions", {**body, **self._thinking, "messages": _messages(item)})
            return str(answer["choices"][0]["message"]["content"] or "")
        suffix = {} if item.suffix is None else {"suffix": item.suffix}
        answer = await self._post("completions", {**body, "prompt": item.text, **suffix})
        return str(answer["choices"][0]["text"])

    async def loglikelihood(self, item: Item, continuation: str) -> float:
        if item.messages:
            return await self._first_token(item, continuation)
        before = _START + item.text
        body = {"prompt": before + continuation, "echo": True, "max_tokens": 1, "temperature": 0, "logprobs": 1}
        choice = (await self._post("completions", body))["choices"][0]
        if not (choice.get("logprobs") or {}).get("token_logprobs"):
            raise Unable(f"{self._base_url} returns no log-probabilities of a prompt")
        is_shown = "".join(choice["logprobs"]["tokens"][: len(_START)]).startswith(_START)  # else it counts for nothing
        first = len(before) - (0 if is_shown else len(_START))
        return _sum_within(choice["logprobs"], first, first + len(continuation))

    async def _first_token(self, item: Item, continuation: str) -> float:
        body = {"messages": _messages(item), "max_tokens": 1, "temperature": 0, "logprobs": True}
        answer = await self._post("chat/completions", {**body, **self._thinking, "top_logprobs": _NUM_TOP})
        found = (answer["choices"][0].get("logprobs") or {}).get("content")
        if not found:
            raise Unable(f"{self._base_url} returns no log-probabilities of an answer")
        top = {one["token"].strip(): float(one["logprob"]) for one in found[0]["top_logprobs"]}
        fitting = [value for token, value in top.items() if token and continuation.startswith(token)]
        return max(fitting, default=min(top.values()))

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.to_thread(self._post_now, path, {**body, "model": self.name})

    def _post_now(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        sent = json.dumps(body).encode()
        try:
            with opened(f"{self._base_url}/{path}", self._api_key, sent, seconds=_SECONDS) as response:
                answer: dict[str, Any] = json.loads(response.read())
        except AnswerFailed as error:
            raise Unable(f"{self._base_url}/{path}: {error}") from error
        return answer


def _messages(item: Item) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in item.messages]


def _sum_within(logprobs: dict[str, Any], first: int, last: int) -> float:
    """Of the tokens that stand, if only in part, between two characters of the echoed text."""
    starts = logprobs["text_offset"]
    places = zip(starts, [*starts[1:], math.inf], logprobs["token_logprobs"], strict=True)
    here = [value for start, end, value in places if start < last and (start >= first or end > first)]
    return math.fsum(value for value in here if value is not None)  # nothing foretells the first token of a prompt
