"""An organization to test with: calls that must succeed, in few words.

async with Office.open() as office:
    project = await office.post("/projects", name="research")
    key = await office.key(project["id"])
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from owngpt.service.app import App
from tests.fakes.engine import KEY, client_of, make_app

ROOT = "/v1/organization"
CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


@dataclass(frozen=True)
class Office:
    """The server as an admin sees it."""

    app: App
    client: httpx.AsyncClient

    @staticmethod
    @asynccontextmanager
    async def open(**options: Any) -> AsyncIterator[Office]:
        app = make_app(**options)
        async with client_of(app) as client:
            yield Office(app, client)

    async def ask(self, method: str, path: str, key: str = KEY, **options: Any) -> httpx.Response:
        """Any call, with any key. Paths without /v1 are the organization's."""
        url = path if path.startswith(("/v1", "/metrics")) else ROOT + path
        return await self.client.request(method, url, headers={"authorization": f"Bearer {key}"}, **options)

    async def get(self, path: str, **params: Any) -> Any:
        return good(await self.ask("GET", path, params=params))

    async def post(self, path: str, **body: Any) -> Any:
        return good(await self.ask("POST", path, json=body))

    async def delete(self, path: str) -> Any:
        return good(await self.ask("DELETE", path))

    async def project(self, name: str) -> str:
        """The id of a new project."""
        return str((await self.post("/projects", name=name))["id"])

    async def key(self, project_id: str, **body: Any) -> str:
        """The secret of a new key of a project."""
        return str((await self.post(f"/projects/{project_id}/api_keys", name="key", **body))["value"])

    async def user(self, email: str, role: str = "reader", projects: tuple[tuple[str, str], ...] = ()) -> Any:
        """A new user, as the invitation's acceptance answers it."""
        wanted = [{"id": project, "role": role} for project, role in projects]
        invite = await self.post("/invites", email=email, role=role, projects=wanted)
        return good(await self.ask("POST", "/invites/accept", invite["token"], json={}))

    async def chat(self, key: str, **body: Any) -> httpx.Response:
        return await self.ask("POST", "/v1/chat/completions", key, json=CHAT | body)


def good(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def refused(response: httpx.Response, status: int, code: str | None = None) -> str:
    """The message of an error with that status and code."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert code is None or error["code"] == code, error
    return str(error["message"])
