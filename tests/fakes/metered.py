"""A server process whose scripted engine pauses for ever after so many tokens: to be killed while it answers.

python -m tests.fakes.metered FOLDER TOKENS_UNTIL_PAUSE [DATABASE_URL]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from owngpt.config import Settings
from owngpt.server.asgi import create_app
from owngpt.server.listen import Server, base_url, bind
from owngpt.server.metrics import PrometheusMetrics
from owngpt.service.app import App
from owngpt.service.limits import Limits
from owngpt.service.models import Models, ServedModel
from owngpt.store.keys import Keys
from owngpt.store.opening import open_database
from owngpt.text.chat import ChatRenderer
from owngpt.types import TokenEvent
from tests.fakes.engine import CHATML, FINGERPRINT, KEY, FakeEngine, Progress, Submission
from tests.fakes.text import byte_tokenizer


class PausingEngine(FakeEngine):
    """After `num_tokens` of an answer it says nothing more, and does not end either."""

    num_tokens = 10

    async def _events(self, submission: Submission, progress: Progress) -> AsyncIterator[TokenEvent]:
        count = 0
        async for event in super()._events(submission, progress):
            if count == self.num_tokens:
                await asyncio.Event().wait()
            count += 1
            yield event


def make_pausing_app(folder: Path, num_tokens: int, delay: float = 0.0, url: str | None = None) -> App:
    """An App on this folder, with its journal and, unless a `url` names another one, its database."""
    tokenizer = byte_tokenizer(folder / "tokenizer", chat_template=CHATML)
    chat = ChatRenderer.load(folder / "tokenizer", tokenizer)
    engine = PausingEngine(tokenizer, "x" * 4000, keep=chat.family.keep, delay=delay)
    engine.num_tokens = num_tokens
    metrics, database = PrometheusMetrics(), open_database(folder, url)
    keys = Keys(database)
    keys.ensure_admin(KEY)
    models = Models([ServedModel("fake", engine, tokenizer, chat, 1, FINGERPRINT)])
    return App(Settings(data_dir=folder), database, keys, Limits(64, metrics), models, metrics)


def main() -> None:
    """Serve until killed; the first line of the output is the URL."""
    folder, num_tokens = Path(sys.argv[1]), int(sys.argv[2])
    url = sys.argv[3] if len(sys.argv) > 3 else None
    app = make_pausing_app(folder, num_tokens, delay=0.0005, url=url)
    listener = bind("127.0.0.1", 0)
    print(base_url("127.0.0.1", listener), flush=True)
    Server(create_app(app), app.drain, drain_seconds=1).run(sockets=[listener])


if __name__ == "__main__":
    main()
