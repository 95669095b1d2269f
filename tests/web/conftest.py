"""One browser for all; a server and a fresh profile per test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.fakes.engine import make_app
from tests.web.console import Console, chromium, console_of, served

MAX_WAIT_MS = 15_000  # a busy machine; what is there is found at once


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Playwright keeps a loop running in this thread, so it ends with the tests of this folder."""
    expect.set_options(timeout=MAX_WAIT_MS)
    with chromium() as browser:
        yield browser


@pytest.fixture
def options() -> dict[str, object]:
    """How the browser presents itself; a test file overrides it."""
    return {"locale": "en-US", "viewport": {"width": 1280, "height": 800}}


@pytest.fixture
def console(browser: Browser, options: dict[str, object]) -> Iterator[Console]:
    """The console, not opened yet. An error in the page fails the test."""
    app = make_app()
    with served(app) as address, browser.new_context(**options) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.set_default_timeout(MAX_WAIT_MS)
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if is_problem(message.text) else None)
        yield console_of(app, page, address)
    assert not problems


def is_problem(text: str) -> bool:
    """Whether a line of the browser's console tells of a fault, such as a broken content security policy."""
    return "Content Security Policy" in text or "Uncaught" in text
