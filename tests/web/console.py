"""The console as a person meets it: a page of Chromium, and the scripted engine behind the real server."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect, sync_playwright

from owngpt.service.app import App
from tests.clients.serving import running
from tests.fakes.engine import KEY, FakeEngine, Script, engine_of

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window; skips the test where Chromium is missing."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("Chromium is not installed (`apt-get install chromium`)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def served(app: App) -> Iterator[str]:
    """The real server in a thread, closed in the end; -> its address."""
    with running(app) as server:
        yield server.url.removesuffix("v1")


@dataclass
class Console:
    """A page with the console, and what its model says."""

    page: Page
    engine: FakeEngine
    address: str

    def says(self, script: Script, delay: float = 0.0) -> None:
        """What the model answers from now on; `delay` is in seconds per byte."""
        self.engine.script, self.engine.delay = script, delay

    def open(self, key: str | None = KEY) -> Console:
        """Load the page, with a key already entered in this tab."""
        self.page.goto(self.address)
        if key is not None:
            self.enter_key(key)
            expect(self.page.locator("#key-dialog")).to_be_hidden()
        return self

    def enter_key(self, key: str) -> None:
        self.page.locator("#key-input").fill(key)
        self.page.get_by_role("button", name=re.compile("Connect|接続")).click()

    def ask(self, text: str) -> None:
        """Send a message and wait for the end of the answer."""
        answers = self.page.locator(".assistant")
        count = answers.count()
        self.send(text)
        expect(answers).to_have_count(count + 1)
        self.wait_until_idle()

    def send(self, text: str) -> None:
        self.composer.fill(text)
        self.composer.press("Enter")

    def wait_until_idle(self) -> None:
        expect(self.page.locator("#stop")).to_be_hidden()
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0)

    def api(self, method: str, path: str, body: object = None, key: str = KEY) -> Any:
        """What the server answers beside the page, as other clients would see it."""
        headers = {"authorization": f"Bearer {key}"}
        url = f"{self.address}v1/{path}"
        answer = self.page.context.request.fetch(url, method=method, headers=headers, data=body)
        assert answer.ok, answer.text()
        return answer.json()

    def add_file(self, store: str, name: str, data: bytes) -> str:
        """Put a file into a vector store and wait until it is read; -> its id."""
        upload: FilePayload = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
        answer = self.page.context.request.post(
            f"{self.address}v1/files",
            headers={"authorization": f"Bearer {KEY}"},
            multipart={"purpose": "assistants", "file": upload},
        )
        file_id = str(answer.json()["id"])
        path = f"vector_stores/{store}/files"
        self.api("POST", path, {"file_id": file_id})
        while (file := self.api("GET", f"{path}/{file_id}"))["status"] == "in_progress":
            time.sleep(0.02)
        assert file["status"] == "completed", file["last_error"]
        return file_id

    @property
    def composer(self) -> Locator:
        return self.page.locator("#message")

    @property
    def answer(self) -> Locator:
        """The last answer."""
        return self.page.locator(".assistant").last

    @property
    def text(self) -> Locator:
        """What the last answer says."""
        return self.answer.locator("> .markdown")

    @property
    def question(self) -> Locator:
        return self.page.locator(".user").last

    @property
    def conversations(self) -> Locator:
        return self.page.locator(".conversation")

    @property
    def prompt(self) -> str:
        """What the engine was asked last, rendered."""
        ids = self.engine.submissions[-1].prompt
        return self.engine.tokenizer.decode(ids, skip_special=False)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)


def console_of(app: App, page: Page, address: str) -> Console:
    return Console(page, engine_of(app), address)


def num_marked_pixels(picture: Locator) -> int:
    """How much of a page of a document is marked: yellow, as a text marker is."""
    count = (
        "async (image) => { await image.decode(); const canvas = new OffscreenCanvas(image.naturalWidth,"
        " image.naturalHeight); const context = canvas.getContext('2d'); context.drawImage(image, 0, 0);"
        " const {data} = context.getImageData(0, 0, canvas.width, canvas.height); let count = 0;"
        " for (let i = 0; i < data.length; i += 4) count += data[i] > 200 && data[i + 1] > 180 && data[i + 2] < 120;"
        " return count; }"
    )
    return int(picture.evaluate(count))
