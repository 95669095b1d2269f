"""A server that runs elsewhere: one request to it, and what it says where it refuses."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse

from owngpt.errors import OwnGPTError


class AnswerFailed(OwnGPTError):
    """The server refused, failed, or cannot be reached; the message says which."""


@contextmanager
def opened(url: str, api_key: str, body: bytes | None = None, *, seconds: float) -> Iterator[HTTPResponse]:
    """The answer to a GET, or to a POST of `body` (JSON), with `seconds` between two bytes. Raises `AnswerFailed`."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {api_key}"} if api_key else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=seconds) as response:
            yield response
    except urllib.error.HTTPError as error:
        with error:
            raise AnswerFailed(said(error.read(), error.code)) from error
    except (OSError, ValueError) as error:
        raise AnswerFailed(f"cannot talk to {url}: {getattr(error, 'reason', error)}") from error


def said(body: bytes, status: int) -> str:
    """What an error answer says."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered with status {status}"
