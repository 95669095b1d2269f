"""A walk through every operation: each step is one request, which uses what the steps before it have made.

Step("POST /files", form={"purpose": "batch"}, file=b"{}", saves={"file_id": "id"})
Step("GET /files/{file_id}")
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

Ids = dict[str, str]


@dataclass(frozen=True)
class Step:
    """One request. `{name}` in the path, the body and the form is what an earlier step has saved."""

    operation: str  # method and path, as in the spec
    json: Any = None
    form: dict[str, str] | None = None
    file: bytes | None = None  # sent as the form's `file` or `data`
    params: dict[str, Any] = field(default_factory=dict)
    key: str | None = None  # another bearer key than the client's
    saves: dict[str, str] = field(default_factory=dict)  # name -> where the answer has it: "data.0.id"
    status: int = 200
    or_status: int = 0  # as right: what it ends may have ended by itself
    until: tuple[str, str] | None = None  # ask again until the answer's field has this value

    def is_right(self, response: httpx.Response) -> bool:
        """Whether it was answered as it should be."""
        return response.status_code in (self.status, self.or_status)

    @property
    def method(self) -> str:
        return self.operation.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.operation.partition(" ")[2]

    @property
    def path_names(self) -> list[str]:
        """Parameters of the path."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def is_final(self) -> bool:
        """Whether it ends something, and has no body that says how."""
        return self.method == "DELETE" or (self.method == "POST" and self.json is None and self.form is None)

    @property
    def is_download(self) -> bool:
        """Whether the answer is a file's bytes."""
        return self.operation == "GET /files/{file_id}/content"

    def url(self, ids: Ids) -> str:
        """With every parameter quoted."""
        return "/v1" + re.sub(r"\{(\w+)\}", lambda found: quote(ids[found[1]], safe=""), self.path)

    def arguments(self, ids: Ids) -> dict[str, Any]:
        """What httpx sends beside method and URL."""
        body = {"json": filled(self.json, ids)} if self.json is not None else {}
        form = {"data": filled(self.form, ids)} if self.form is not None else {}
        name = "data" if self.path.endswith("/parts") else "file"
        files = {"files": {name: ("a.txt", self.file)}} if self.file is not None else {}
        headers = {"headers": {"authorization": f"Bearer {filled(self.key, ids)}"}} if self.key else {}
        return {"params": filled(self.params, ids), **body, **form, **files, **headers}


async def walk(
    client: httpx.AsyncClient, steps: Iterable[Step], ids: Ids
) -> AsyncIterator[tuple[Step, httpx.Response]]:
    """Take the steps; `ids` fills up on the way. The caller looks at each answer before the next step is taken."""
    for step in steps:
        response = await _ask(client, step, ids)
        if response.status_code == 200:
            ids.update({name: _part(response.json(), where) for name, where in step.saves.items()})
        yield step, response


async def _ask(client: httpx.AsyncClient, step: Step, ids: Ids) -> httpx.Response:
    end = time.monotonic() + 30
    while True:
        response = await client.request(step.method, step.url(ids), **step.arguments(ids))
        if step.until is None or response.json().get(step.until[0]) == step.until[1] or time.monotonic() > end:
            return response
        await asyncio.sleep(0.02)


def filled(value: Any, ids: Ids) -> Any:
    """The same with every `{name}` in its texts replaced."""
    match value:
        case str():
            return re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], found[0]), value)
        case dict():
            return {name: filled(each, ids) for name, each in value.items()}
        case list():
            return [filled(each, ids) for each in value]
        case _:
            return value


def _part(document: Any, where: str) -> str:
    for name in where.split("."):
        document = document[int(name)] if isinstance(document, list) else document[name]
    return str(document)
