"""One line of a batch: the request that it is, and the line that becomes of its answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from owngpt.errors import RequestError
from owngpt.service.app import Caller
from owngpt.store.batches import Batch, BatchUsage, Line, Result

MAX_PAUSE = 60.0  # seconds
_ONE_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route has answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def pause(self) -> float | None:
        """Seconds to wait before it is asked again, where there was no room for it; None: the answer is final."""
        if self.status not in (429, 503) or self.headers.get("x-should-retry") == "false":
            return None
        text = self.headers.get("retry-after", "")
        return min(MAX_PAUSE, max(_ONE_PAUSE, float(text) if text.isdigit() else _ONE_PAUSE))


class Inside(Protocol):
    """Calls a route of this server: every check of the route runs, but nobody needs a key."""

    async def __call__(self, caller: Caller, path: str, body: bytes, request_id: str) -> Answer: ...


def request_id(batch_id: str, line: int) -> str:
    """The same for each try, so that what an earlier one has left behind is found."""
    return f"req_{_hex(batch_id, line)}"


def is_repeatable(endpoint: str, body: Mapping[str, Any]) -> bool:
    """Whether a request may run again that was cut off: whether it leaves nothing behind but its usage."""
    if endpoint == "/v1/responses":
        tools = body.get("tools") or ()
        return body.get("store") is False and not any(_is_hosted(tool) for tool in tools)
    return not body.get("store")


def result_of(batch: Batch, line: Line, answer: Answer) -> Result:
    """An answer as a line of the output file, or of the error file."""
    body = json.loads(answer.body)
    response = {"status_code": answer.status, "request_id": request_id(batch.id, line.line), "body": body}
    is_success = answer.status < 400
    text = _document(batch.id, line.line, line.custom_id, response, None)
    return Result(is_success, text, _usage(body) if is_success else BatchUsage())


def interrupted(batch: Batch, line: Line) -> Result:
    """For a line that may have had effects when the server was killed, and so must not run again."""
    message = (
        "The server was killed while this request ran. It was not run again, since it may have stored its answer or "
        "called a tool; send it again if it should."
    )
    error = {"code": "batch_interrupted", "message": message}
    return Result(False, _document(batch.id, line.line, line.custom_id, None, error))


def expired(batch: Batch, line: int, custom_id: str) -> str:
    """For a line whose turn did not come in time."""
    message = "This request could not be executed before the completion window expired."
    return _document(batch.id, line, custom_id, None, {"code": "batch_expired", "message": message})


def refused(error: RequestError) -> Answer:
    """An error that was raised before a route was called."""
    document = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return Answer(error.status, {}, json.dumps({"error": document}).encode())


def _document(batch_id: str, line: int, custom_id: str, response: Any, error: Any) -> str:
    document = {
        "id": f"batch_req_{_hex(batch_id, line)}",
        "custom_id": custom_id,
        "response": response,
        "error": error,
    }
    return json.dumps(document, separators=(",", ":"))


def _hex(batch_id: str, line: int) -> str:
    return hashlib.sha256(f"{batch_id}:{line}".encode()).hexdigest()[:32]


def _is_hosted(tool: Any) -> bool:
    """Whether the server itself calls it, so that it has effects elsewhere; searching files has none."""
    return not isinstance(tool, dict) or tool.get("type") not in ("function", "custom", "file_search")


def _usage(body: Mapping[str, Any]) -> BatchUsage:
    """From either of OpenAI's two ways to write it."""
    usage = body.get("usage") or {}
    inputs = usage.get("input_tokens_details") or usage.get("prompt_tokens_details") or {}
    outputs = usage.get("output_tokens_details") or usage.get("completion_tokens_details") or {}
    return BatchUsage(
        usage.get("input_tokens", usage.get("prompt_tokens", 0)),
        inputs.get("cached_tokens", 0),
        usage.get("output_tokens", usage.get("completion_tokens", 0)),
        outputs.get("reasoning_tokens", 0),
    )
