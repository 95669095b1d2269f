"""A scripted engine and embedder, and an App around them: the whole server without a model.

app = make_app("Hello!")                     # answers "Hello!" to everything
async with client_of(app) as client:         # an httpx client that carries the key
    await client.post("/v1/chat/completions", json={"messages": [...]})
"""

from __future__ import annotations

import asyncio
import atexit
import math
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from owngpt.config import ServerConfig, Settings
from owngpt.engine.client import EngineStats
from owngpt.errors import EngineFailed
from owngpt.server.asgi import create_app
from owngpt.server.metrics import PrometheusMetrics
from owngpt.service.app import App
from owngpt.service.fingerprint import Fingerprint
from owngpt.service.limits import Limits
from owngpt.service.models import Models, ServedEmbedder, ServedModel
from owngpt.store.db import Database, SQLite
from owngpt.store.keys import Keys
from owngpt.text.chat import ChatRenderer
from owngpt.text.detokenize import Detokenizer
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import ANYONE, Claim, Constraint, FinishReason, PromptInfo, SamplingParams, TokenEvent, TokenLogprob
from tests.fakes.text import byte_tokenizer

KEY = "sk-own-test-key-0123456789"
FINGERPRINT = Fingerprint(weights="w", dtype="fp32", tokenizer="t", template="c", numerics="fake", software="owngpt 0")
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<tool_call>\n{{ c.function | tojson }}\n</tool_call>{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if tools %}{{ tools | tojson }}{% endif %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
)


@dataclass(frozen=True)
class Submission:
    """What the engine was asked."""

    prompt: Sequence[int]
    sampling: SamplingParams
    constraint: Constraint | None = None
    namespace: str = ""
    request_id: str = ""
    claim: Claim = ANYONE
    choice: int = 0
    is_durable: bool = True


Script = str | Callable[[Submission], str]


@dataclass
class FakeEngine:
    """Says what `script` says, one token at a time.

    `delay` is in seconds per token; `refusal` is raised on submission; after `fail_after` tokens the engine dies.
    """

    tokenizer: Tokenizer
    script: Script = "Hello!"
    max_model_len: int = 4096
    delay: float = 0.0
    refusal: Exception | None = None
    fail_after: int | None = None
    keep: frozenset[int] = frozenset()
    submissions: list[Submission] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)  # request ids that were left before their end
    num_running: int = 0
    is_alive: bool = True

    @asynccontextmanager
    async def submit(
        self,
        prompt: Sequence[int],
        sampling: SamplingParams,
        *,
        constraint: Constraint | None = None,
        namespace: str = "",
        is_durable: bool = True,
        request_id: str = "",
        claim: Claim = ANYONE,
    ) -> AsyncIterator[AsyncIterator[TokenEvent]]:
        if self.refusal is not None:
            raise self.refusal
        submission = Submission(list(prompt), sampling, constraint, namespace, request_id, claim, is_durable=is_durable)
        self.submissions.append(submission)
        self.num_running += 1
        progress = Progress(sampling.n)
        try:
            yield self._events(submission, progress)
        finally:
            self.num_running -= 1
            if progress.num_left:
                self.aborted.append(request_id)

    async def _events(self, submission: Submission, progress: Progress) -> AsyncIterator[TokenEvent]:
        choices = [self._choice(replace(submission, choice=i)) for i in range(submission.sampling.n)]
        while choices:
            for choice in list(choices):
                await asyncio.sleep(self.delay)
                event = next(choice)
                if event.finish_reason is not None:
                    choices.remove(choice)
                    progress.num_left -= 1
                yield event

    def _choice(self, submission: Submission):  # type: ignore[no-untyped-def]
        text = self.script if isinstance(self.script, str) else self.script(submission)
        sampling, index = submission.sampling, submission.choice
        ids = self.tokenizer.encode(sampling.begins_with + text)
        detokenizer = Detokenizer(self.tokenizer, sampling.stop, self.keep)
        prompt: PromptInfo | None = self._prompt_info(submission)
        if sampling.max_tokens == 0:
            yield TokenEvent(index, prompt=prompt, finish_reason=FinishReason.LENGTH)
            return
        is_thinking = bool(sampling.thinking and sampling.thinking.is_open)
        for count, token_id in enumerate(ids, start=1):
            if self.fail_after is not None and count > self.fail_after:
                raise EngineFailed("the engine died")
            is_thinking = is_thinking or bool(sampling.thinking and token_id == sampling.thinking.start_id)
            delta = detokenizer.push(token_id)
            finish = FinishReason.STOP if delta.stop else None
            if finish is None and sampling.max_tokens is not None and count >= sampling.max_tokens:
                finish = FinishReason.LENGTH
            last = detokenizer.flush() if finish is FinishReason.LENGTH else ""
            yield TokenEvent(
                index,
                (token_id,),
                delta.text + last,
                self._logprobs(token_id, sampling.logprobs),
                is_thinking,
                prompt,
                finish,
                delta.stop,
            )
            prompt = None
            if finish is not None:
                return
            if sampling.thinking and token_id == sampling.thinking.end_id:
                is_thinking = False
        yield TokenEvent(index, text=detokenizer.flush(), prompt=prompt, finish_reason=FinishReason.STOP)

    def _prompt_info(self, submission: Submission) -> PromptInfo:
        asked = submission.sampling.prompt_logprobs
        logprobs = None
        if asked is not None:
            logprobs = tuple(self._logprob(i, asked) if n else None for n, i in enumerate(submission.prompt))
        return PromptInfo(len(submission.prompt), 0, logprobs=logprobs)

    def _logprobs(self, token_id: int, top: int | None) -> tuple[TokenLogprob, ...] | None:
        return None if top is None else (self._logprob(token_id, top),)

    def _logprob(self, token_id: int, top: int) -> TokenLogprob:
        best = tuple(
            TokenLogprob(i, self.tokenizer.token_bytes(i), -0.5 - n)
            for n, i in enumerate(range(token_id, token_id + top))
        )
        return TokenLogprob(token_id, self.tokenizer.token_bytes(token_id), -0.5, best)

    def stats(self) -> EngineStats:
        return EngineStats(self.num_running, 0, 8, 8, 0, 0, 0, 0, 0, 0.0)

    async def drain(self) -> None:
        while self.num_running:
            await asyncio.sleep(0.001)

    def close(self) -> None:
        pass


@dataclass
class Progress:
    """How many choices have not ended yet."""

    num_left: int


@dataclass
class FakeEmbedder:
    """Vectors that depend on the ids only."""

    dimensions: int = 8
    max_input_tokens: int = 64
    inputs: list[Sequence[int]] = field(default_factory=list)

    async def embed(self, inputs: Sequence[Sequence[int]]) -> list[list[float]]:
        self.inputs += inputs
        return [self._vector(ids) for ids in inputs]

    def _vector(self, ids: Sequence[int]) -> list[float]:
        raw = [1.0 + sum((i + 1) * (d + 1) % 7 for i in ids) for d in range(self.dimensions)]
        norm = math.sqrt(sum(x * x for x in raw))
        return [x / norm for x in raw]

    def close(self) -> None:
        pass


def make_app(
    script: Script = "Hello!",
    *,
    embedder: bool = True,
    capacity: int = 64,
    database: Database | None = None,
    folder: Path | None = None,
    **engine: Any,
) -> App:
    """An App with one scripted model `fake` (alias `gpt-fake`), one embedder `fake-embed`, and the key `KEY`.

    Its database is SQLite, unless another one is given. Its data lie in `folder`, or in one that is deleted at the end.
    """
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="owngpt-test-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tokenizer = byte_tokenizer(folder, chat_template=CHATML)
    chat = ChatRenderer.load(folder, tokenizer)
    fake = FakeEngine(tokenizer, script, keep=chat.family.keep, **engine)
    models: list[ServedModel | ServedEmbedder] = [ServedModel("fake", fake, tokenizer, chat, 1, FINGERPRINT)]
    if embedder:
        models.append(ServedEmbedder("fake-embed", FakeEmbedder(), tokenizer, 1))
    database = database or SQLite(folder / "owngpt.db")
    keys = Keys(database)
    keys.ensure_admin(KEY)
    metrics = PrometheusMetrics()
    loaded = Models(models, {"gpt-fake": "fake"})
    settings = Settings(data_dir=folder, server=ServerConfig(max_body_bytes=1024**2))
    return App(settings, database, keys, Limits(capacity, metrics), loaded, metrics)


def engine_of(app: App) -> FakeEngine:
    """The scripted engine of an App from `make_app`."""
    engine = app.models.generative[0].engine
    assert isinstance(engine, FakeEngine)
    return engine


def client_of(app: App, key: str | None = KEY) -> httpx.AsyncClient:
    """A client that talks to the App in this process."""
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    transport = httpx.ASGITransport(create_app(app))
    return httpx.AsyncClient(transport=transport, base_url="http://owngpt.test", headers=headers)
