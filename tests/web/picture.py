"""The console with the bundled models: what `test_grounded.py` tries, and the pictures in the docs.

python -m tests.web.picture chat docs/console.png
python -m tests.web.picture citation docs/console-citation.png
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from owngpt.build import load, open_app
from owngpt.config import EngineConfig, Settings
from tests.clients.serving import running
from tests.fakes.engine import KEY
from tests.web.console import chromium
from tests.web.handbook import QUESTION, handbook

QUESTIONS = ("Who are you?", "あなたは誰ですか？", "Write a Python function that adds two numbers.")
PATIENCE_MS = 60_000  # models of this size answer in seconds, on a busy machine in tens of them


@contextmanager
def bundled(browser: Browser, data_dir: Path) -> Iterator[Page]:
    """A page of the console before a server with the bundled models, with the key entered."""
    app = open_app(Settings(data_dir=data_dir, api_key=KEY, engine=EngineConfig(threads=1))).app
    load(app)
    viewport = {"width": 1280, "height": 800}
    with running(app) as server, browser.new_context(locale="en-US", viewport=viewport) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(server.url.removesuffix("v1"))
        page.locator("#key-input").fill(KEY)
        page.get_by_role("button", name="Connect").click()
        yield page


def open_citation(page: Page, mode: str) -> Locator:
    """Upload the handbook, ask in a mode (quote or extract), and open the first citation; -> its page's picture."""
    page.get_by_role("link", name="Documents", exact=True).click()
    page.get_by_role("button", name="New vector store").first.click()
    page.get_by_role("textbox", name="Name").fill("Company rules")
    page.get_by_role("button", name="Save").click()
    upload: FilePayload = {"name": "handbook.pdf", "mimeType": "application/pdf", "buffer": handbook()}
    page.locator(".drop-zone input").set_input_files([upload])
    expect(page.get_by_role("row", name="handbook.pdf")).to_contain_text("Ready", timeout=PATIENCE_MS)
    page.get_by_role("link", name="Ask documents").click()
    page.get_by_label("Question").fill(QUESTION)
    page.locator("select[name=mode]").select_option(mode)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_role("button", name="Quote 1: open handbook.pdf").click()
    picture = page.locator(".source img")
    expect(picture).to_be_visible(timeout=PATIENCE_MS)
    return picture


def chat(page: Page) -> None:
    """Ask some things, in two languages; all of it is in the picture."""
    page.set_viewport_size({"width": 1280, "height": 960})
    for number, question in enumerate(QUESTIONS, start=1):
        page.locator("#message").fill(question)
        page.locator("#message").press("Enter")
        expect(page.locator(".assistant")).to_have_count(number)
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        expect(page.locator("#stop")).to_be_hidden()


def main(what: str, path: str) -> None:
    """Take a picture, of a chat or of a citation."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, bundled(browser, Path(folder)) as page:
        if what == "chat":
            chat(page)
        else:
            open_citation(page, "extract")
        page.screenshot(path=path)


if __name__ == "__main__":
    main(*sys.argv[1:])
