"""The bundled models in the console, end to end: a PDF goes in, a question is asked, a citation opens at its quote."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.web.console import num_marked_pixels
from tests.web.handbook import RULE
from tests.web.picture import bundled, open_citation


def test_a_citation_opens_the_page_with_its_quote_marked(browser: Browser, tmp_path: Path) -> None:
    with bundled(browser, tmp_path) as page:
        picture = open_citation(page, "quote")
        expect(page.locator(".verdict")).to_contain_text("Supported.")
        expect(picture).to_have_attribute("alt", "Page 2 of handbook.pdf, with the quote marked")
        quote = page.locator(".source blockquote").inner_text()
        assert quote in RULE
        assert num_marked_pixels(picture) > 1000
