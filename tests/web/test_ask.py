"""Questions to documents in the console: the verdict, the quotes, and the page that each of them opens."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.console import Console, num_marked_pixels
from tests.web.handbook import ABSENT, QUESTION, RULE, handbook

SAID = f'By the rules: "[1] {RULE}"'
NOTE = "Umlauts and 😀 come first. The **cellar** door is opened with the brass key. It closes by itself."


def fill(console: Console) -> None:
    """A vector store with a PDF and a text, made by the API, and the view in which it can be asked."""
    store = console.api("POST", "vector_stores", {"name": "Handbook"})["id"]
    for name, data in [("handbook.pdf", handbook()), ("note.txt", NOTE.encode())]:
        console.add_file(store, name, data)
    console.page.get_by_role("link", name="Ask documents").click()


def ask(console: Console, question: str, mode: str = "quote") -> None:
    console.page.locator("select[name=mode]").select_option(mode)
    console.page.get_by_label("Question").fill(question)
    console.page.get_by_label("Question").press("Enter")
    expect(console.page.locator(".verdict")).to_be_visible()
    console.wait_until_idle()


@pytest.mark.parametrize("mode", ["quote", "extract"])
def test_a_quote_opens_its_page_with_the_quote_marked(console: Console, mode: str) -> None:
    console.open().says(SAID)
    fill(console)
    ask(console, QUESTION, mode)
    page = console.page
    expect(page.locator(".verdict")).to_contain_text("Supported.")
    expect(page.locator(".grounded-answer > .markdown")).to_contain_text(RULE)
    mark = page.get_by_role("button", name="Quote 1: open handbook.pdf")
    mark.click()
    source = page.get_by_role("complementary", name="Source: handbook.pdf")
    expect(source).to_be_focused()
    expect(source.locator("#source-facts")).to_contain_text("page 2")
    expect(source.locator("blockquote")).to_have_text(RULE)
    picture = source.get_by_role("img", name="Page 2 of handbook.pdf, with the quote marked")
    expect(picture).to_be_visible()
    assert num_marked_pixels(picture) > 1000
    page.keyboard.press("Escape")
    expect(source).to_be_hidden()
    expect(mark).to_be_focused()


def test_a_quote_of_a_text_is_marked_and_scrolled_to(console: Console) -> None:
    """Offsets are code points, so a character outside of the BMP moves nothing; asterisks are shown as they are."""
    quote = "The **cellar** door is opened with the brass key."
    console.open().says(f'"[1] {quote}"')
    fill(console)
    ask(console, "How is the cellar door opened?")
    expect(console.page.locator(".grounded-answer > .markdown")).to_contain_text(quote)
    console.page.get_by_role("button", name="Quote 1: open note.txt").click()
    expect(console.page.locator(".source mark")).to_have_text(quote)
    expect(console.page.locator(".source mark")).to_be_in_viewport()


def test_an_abstention_says_so_and_shows_the_nearest_passages(console: Console) -> None:
    console.open().says("Nobody knows.")
    fill(console)
    ask(console, ABSENT)
    page = console.page
    expect(page.locator(".verdict")).to_contain_text("No answer. The documents do not answer this well enough.")
    assert page.locator("button.mark").count() == 0
    hints = page.get_by_role("region", name="The nearest passages").get_by_role("button")
    hints.first.click()
    expect(page.locator(".source blockquote")).not_to_be_empty()


def test_an_answer_is_still_there_after_a_look_at_a_document(console: Console) -> None:
    console.open().says(SAID)
    fill(console)
    ask(console, QUESTION)
    console.page.get_by_role("button", name="Quote 1: open handbook.pdf").click()
    console.page.get_by_role("link", name="Open the whole document").click()
    expect(console.page.get_by_role("heading", name="handbook.pdf", level=1)).to_be_visible()
    console.page.go_back()
    expect(console.page.get_by_role("button", name="Quote 1: open handbook.pdf")).to_be_visible()
    expect(console.page.get_by_label("Question")).to_have_value(QUESTION)


def test_what_goes_wrong_is_shown_in_the_servers_words(console: Console) -> None:
    console.open()
    fill(console)
    console.engine.fail_after = 0
    console.page.get_by_label("Question").fill(QUESTION)
    console.button("Ask").click()
    expect(console.page.get_by_role("alert")).to_contain_text("the engine died")
    console.engine.fail_after = None
    console.says(SAID)
    console.button("Try again").click()
    expect(console.page.locator(".verdict")).to_contain_text("Supported.")


def test_an_answer_can_be_stopped(console: Console) -> None:
    console.open().says("Nothing of this is shown before it is borne out. " * 50, delay=0.02)
    fill(console)
    console.page.get_by_label("Question").fill(QUESTION)
    console.button("Ask").click()
    console.page.locator(".ask").get_by_role("button", name="Stop").click()
    expect(console.page.locator(".grounded-answer")).to_contain_text("Stopped.")
    expect(console.button("Ask")).to_be_visible()


def test_without_documents_it_says_where_to_begin(console: Console) -> None:
    console.open()
    console.page.get_by_role("link", name="Ask documents").click()
    console.page.locator(".ask").get_by_role("link", name="Documents").click()
    expect(console.button("New vector store")).to_be_visible()
