"""A server whose engine only follows a script, so that what is measured is everything around the engine.

`python -m benchmarks.scripted FOLDER` prints `[port, key]`; when its input ends it prints the engine's own seconds
of each request and stops. FOLDER takes its database.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import itertools
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import tokenizers
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send
from tokenizers import decoders, models, pre_tokenizers

from owngpt.build import open_app
from owngpt.config import Settings
from owngpt.engine.client import EngineStats
from owngpt.server.asgi import create_app
from owngpt.server.listen import Server, bind
from owngpt.service.fingerprint import Fingerprint
from owngpt.service.models import Models, ServedModel
from owngpt.text.chat import ChatRenderer
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import ANYONE, Claim, Constraint, FinishReason, PromptInfo, SamplingParams, TokenEvent

NUM_TOKENS, TOKEN_SECONDS = 16, 0.005
BARE_PATH = "/bare"  # answered by `WithBare`
Due = tuple[float, int, Callable[[], None]]  # when, order among equals, what


class ScriptedEngine:
    """Emits `num_tokens` tokens, one each `token_seconds`, from a thread of its own like the real engine.

    `own_seconds` has, per request id, the time from `submit` to the moment when the last token was handed over.
    """

    max_model_len = 32_768
    is_alive = True

    def __init__(self, num_tokens: int, token_seconds: float) -> None:
        self._num_tokens, self._token_seconds = num_tokens, token_seconds
        self._due: list[Due] = []  # a heap
        self._order = itertools.count()
        self._wake = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="scripted-engine", daemon=True)
        self._thread.start()
        self.own_seconds: dict[str, float] = {}

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
        """Follow the script, whatever is asked."""
        start = time.perf_counter()
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[TokenEvent]()

        def emit(number: int) -> None:
            event = self._event(number, len(prompt))
            if event.finish_reason is not None:
                self.own_seconds[request_id] = time.perf_counter() - start
            loop.call_soon_threadsafe(queue.put_nowait, event)

        with self._wake:
            for number in range(self._num_tokens):
                when = start + (number + 1) * self._token_seconds
                due: Due = (when, next(self._order), partial(emit, number))
                heapq.heappush(self._due, due)
            self._wake.notify()
        yield _until_finished(queue)

    def stats(self) -> EngineStats:
        return EngineStats(0, 0, 1, 1, 0, 0, 0, 0, 0, 0.0)

    async def drain(self) -> None:
        """Nothing waits: the script ends by itself."""

    def close(self) -> None:
        with self._wake:
            self._is_closed = True
            self._wake.notify()
        self._thread.join()

    def _event(self, number: int, num_prompt_tokens: int) -> TokenEvent:
        is_last = number == self._num_tokens - 1
        return TokenEvent(
            index=0,
            token_ids=(97,),
            text=" word",
            prompt=PromptInfo(num_prompt_tokens, 0) if number == 0 else None,
            finish_reason=FinishReason.STOP if is_last else None,
        )

    def _run(self) -> None:
        while not self._is_closed:
            with self._wake:
                now = time.perf_counter()
                ready = []
                while self._due and self._due[0][0] <= now:
                    ready.append(heapq.heappop(self._due)[2])
                if not ready:
                    self._wake.wait(self._due[0][0] - now if self._due else None)
            for emit in ready:
                emit()


async def _until_finished(queue: asyncio.Queue[TokenEvent]) -> AsyncIterator[TokenEvent]:
    while True:
        event = await queue.get()
        yield event
        if event.finish_reason is not None:
            return


def scripted_model(engine: ScriptedEngine, folder: Path) -> ServedModel:
    """The engine with a byte-level tokenizer and the ChatML template; `folder` takes the tokenizer's files."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = tokenizers.Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    backend.save(str(folder / "tokenizer.json"))
    tokenizer = Tokenizer.load(folder)
    identity = Fingerprint(weights="", dtype="", tokenizer="", template="", numerics="scripted", software="")
    return ServedModel("scripted", engine, tokenizer, ChatRenderer.load(folder, tokenizer), 0, identity)


class WithBare:
    """Beside an application, a path that answers at once: what a request takes with nothing behind uvicorn."""

    BODY = b"x" * 700

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != BARE_PATH:
            await self.app(scope, receive, send)
            return
        await receive()
        headers = [(b"content-length", b"%d" % len(self.BODY)), (b"x-request-id", b"bare")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.BODY})


async def serve(folder: Path) -> None:
    """Until standard input ends."""
    settings = Settings(data_dir=folder)
    app, key = open_app(settings)
    engine = ScriptedEngine(NUM_TOKENS, TOKEN_SECONDS)
    app.loaded = Models([scripted_model(engine, folder)])
    listener = bind("127.0.0.1", 0)
    server = Server(WithBare(create_app(app)), app.drain, drain_seconds=1.0)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    gc.collect()
    gc.freeze()  # as `owngpt serve` does
    print(json.dumps([listener.getsockname()[1], key]), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving
    app.close()
    print(json.dumps(engine.own_seconds), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Path(sys.argv[1])))
