"""The console's files: open, typed, and allowed to run nothing but themselves."""

from __future__ import annotations

import re

import pytest

from owngpt.server.console import FOLDER, PATHS
from tests.fakes.engine import client_of, make_app

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not (FOLDER / "index.html").is_file(), reason="the console is not there"),
]


async def test_every_file_is_served_without_a_key() -> None:
    async with client_of(make_app(), key=None) as client:
        for path, file in PATHS.items():
            response = await client.get(path)
            assert (response.status_code, response.content) == (200, file.read_bytes())
            assert response.headers["x-content-type-options"] == "nosniff"
            assert "application/octet-stream" not in response.headers["content-type"], path


async def test_the_page_runs_only_its_own_scripts() -> None:
    async with client_of(make_app(), key=None) as client:
        page = await client.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert re.search(r"<script(?![^>]*\bsrc=)", page.text) is None, "an inline script would not run"
    assert re.search(r"\son\w+=", page.text) is None, "an inline handler would not run"
    assert re.search(r"\sstyle=", page.text) is None, "an inline style would not apply"


async def test_a_file_that_has_not_changed_is_not_sent_again() -> None:
    async with client_of(make_app(), key=None) as client:
        first = await client.get("/")
        again = await client.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_nothing_else_of_the_package_is_served() -> None:
    async with client_of(make_app()) as client:
        for path in ("/../config.py", "/%2e%2e/config.py", "/js", "/js/", "/.git/config", "/index.html/x"):
            assert (await client.get(path)).status_code == 404
