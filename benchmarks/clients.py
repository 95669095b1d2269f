"""The clients of `load.py`: what people and programs ask of a server, at random, for as long as it lasts."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from benchmarks.wire import Answer, Wire

HANG_UPS = 0.1  # of the streams
STREAMS = {"chat": 4.0, "response": 2.0, "file_search": 1.0, "completion": 1.5, "json_schema": 1.5}  # weights
CALLS = {"embedding": 8.0, "search": 4.0, "document": 1.0}
LONGEST_CHAIN = 6  # responses that follow each other
WORDS = ("the", "server", "cache", "stream", "model", "key", "file", "answer", "disk", "request", "text", "limit")
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "number": {"type": "integer"}},
    "required": ["name", "number"],
    "additionalProperties": False,
}
QUESTIONS = (
    "How are API keys stored?",
    "What happens on SIGTERM?",
    "How long is a receipt kept?",
    "Which GGUF formats are read?",
    "Who was the emperor of Rome in the year 99?",
)


@dataclass
class Seen:
    """What all clients have seen together."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)  # by kind
    broken: list[str] = field(default_factory=list)  # streams that ended as none should
    firsts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # seconds, by kind
    usage: dict[str, tuple[int, int]] = field(default_factory=dict)  # of what has ended: request -> tokens in, out
    left: set[str] = field(default_factory=set)  # requests whose client hung up
    num_open: int = 0


class Client:
    """One that keeps a stream open all the time, for one project."""

    def __init__(self, wire: Wire, vector_store: str, seen: Seen, seed: int) -> None:
        self._wire, self._vector_store, self._seen = wire, vector_store, seen
        self._chance = random.Random(seed)
        self._last: str | None = None  # the response to follow
        self._chain = 0

    async def run(self, works: dict[str, float], is_over: asyncio.Event) -> None:
        """Ask at random, by weight, until it is over; what has begun is ended."""
        kinds, weights = list(works), list(works.values())
        while not is_over.is_set():
            kind = self._chance.choices(kinds, weights)[0]
            self._seen.num_open += 1
            try:
                answer = await getattr(self, kind)()
            except (OSError, asyncio.IncompleteReadError) as error:
                self._seen.broken.append(f"{kind}: {error!r}")
                continue
            finally:
                self._seen.num_open -= 1
            self._note(kind, answer)
            if answer.status == 429:
                await asyncio.sleep(0.5)

    async def chat(self) -> Answer:
        messages = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": self._text(5, 120)}]
        return await self._stream("/chat/completions", {"messages": messages, "max_tokens": self._length()})

    async def json_schema(self) -> Answer:
        shape = {"type": "json_schema", "json_schema": {"name": "thing", "schema": SCHEMA, "strict": True}}
        messages = [{"role": "user", "content": self._text(5, 40)}]
        return await self._stream(
            "/chat/completions", {"messages": messages, "max_tokens": 60, "response_format": shape}
        )

    async def completion(self) -> Answer:
        return await self._stream("/completions", {"prompt": self._text(5, 200), "max_tokens": self._length()})

    async def response(self) -> Answer:
        """Each follows the last one, up to a length."""
        if self._chain >= LONGEST_CHAIN:
            self._last, self._chain = None, 0
        body = {"input": self._text(5, 60), "max_output_tokens": self._length(), "previous_response_id": self._last}
        answer = await self._stream("/responses", body)
        if answer.has_ended and answer.status == 200:
            self._last, self._chain = answer.documents[-1]["response"]["id"], self._chain + 1
        return answer

    async def file_search(self) -> Answer:
        tool = {"type": "file_search", "vector_store_ids": [self._vector_store], "max_num_results": 3}
        body = {"input": self._chance.choice(QUESTIONS), "tools": [tool], "max_output_tokens": 48, "store": False}
        return await self._stream("/responses", body)

    async def embedding(self) -> Answer:
        inputs = [self._text(3, 60) for _ in range(self._chance.randrange(1, 9))]
        return await self._wire.post("/embeddings", {"model": "all-MiniLM-L6-v2", "input": inputs})

    async def search(self) -> Answer:
        path = f"/vector_stores/{self._vector_store}/search"
        return await self._wire.post(path, {"query": self._chance.choice(QUESTIONS), "max_num_results": 5})

    async def document(self) -> Answer:
        """Put a file into the vector store, wait until it is in, and delete it."""
        answer = await upload(self._wire, "note.md", self._text(50, 2000))
        if answer.status != 200:
            return answer
        file_id = answer.documents[0]["id"]
        answer = await self._wire.post(f"/vector_stores/{self._vector_store}/files", {"file_id": file_id})
        await ingested(self._wire, self._vector_store, file_id)
        await self._wire.send("DELETE", f"/files/{file_id}")
        return answer

    async def _stream(self, path: str, body: dict[str, Any]) -> Answer:
        hang_up_after = self._chance.randrange(1, 20) if self._chance.random() < HANG_UPS else None
        options = {} if path == "/responses" else {"stream_options": {"include_usage": True}}
        body = {**body, "model": "garlic", "stream": True, "temperature": 1.0, **options}
        return await self._wire.post(path, body, hang_up_after)

    def _text(self, least: int, most: int) -> str:
        return " ".join(self._chance.choices(WORDS, k=self._chance.randrange(least, most)))

    def _length(self) -> int:
        return self._chance.randrange(8, 96)

    def _note(self, kind: str, answer: Answer) -> None:
        seen = self._seen
        seen.statuses[kind, answer.status] += 1
        if answer.first is not None:
            seen.firsts[kind].append(answer.first)
        if answer.status != 200:
            return
        if not answer.has_ended:
            seen.left.add(answer.request_id)
        elif kind not in ("search", "document"):
            usage = _usage(answer)
            if usage is None:
                seen.broken.append(f"{kind}: {json.dumps(answer.documents[-1])[:300]}")
            else:
                seen.usage[answer.request_id] = usage


def _usage(answer: Answer) -> tuple[int, int] | None:
    """Tokens in and out, as the end of the answer says; None if it does not."""
    last = answer.documents[-1]
    usage = last.get("response", last).get("usage")
    if usage is None:
        return None
    return (
        usage.get("prompt_tokens", usage.get("input_tokens")),
        usage.get("completion_tokens", usage.get("output_tokens", 0)),
    )


async def upload(wire: Wire, name: str, content: str) -> Answer:
    """A file, as a form carries it."""
    parts = ['name="purpose"\r\n\r\nassistants', f'name="file"; filename="{name}"\r\n\r\n{content}']
    form = "".join(f"--b\r\ncontent-disposition: form-data; {part}\r\n" for part in parts) + "--b--\r\n"
    return await wire.send("POST", "/files", form.encode(), "multipart/form-data; boundary=b")


async def ingested(wire: Wire, vector_store: str, file_id: str) -> None:
    """Wait until it can be searched."""
    while True:
        answer = await wire.send("GET", f"/vector_stores/{vector_store}/files/{file_id}")
        if answer.status != 200 or answer.documents[0]["status"] != "in_progress":
            return
        await asyncio.sleep(0.3)
