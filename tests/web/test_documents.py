"""Documents in the console: vector stores, files on their way into them, what stands in a file."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import FilePayload, expect

from tests.web.console import Console
from tests.web.handbook import RULE, handbook, partly_scanned

HTML = b"<p>Text of <img src=x onerror=alert(1)> HTML</p>"


def payload(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


def open_store(console: Console, *files: FilePayload, name: str = "Handbook") -> None:
    """A new vector store by hand, with files that are read to the end."""
    page = console.page
    page.get_by_role("link", name="Documents", exact=True).click()
    console.button("New vector store").first.click()
    page.get_by_role("textbox", name="Name").fill(name)
    console.button("Save").click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    if files:
        page.locator(".drop-zone input").set_input_files(list(files))
        expect(page.locator(".page tbody tr")).to_have_count(len(files))
        expect(page.locator("progress")).to_have_count(0)


def test_files_are_uploaded_read_and_shown_with_what_could_not_be_read(console: Console) -> None:
    broken = payload("bad.pdf", b"%PDF-1.4 nothing")
    open_store(console.open(), payload("scan.pdf", partly_scanned()), broken, payload("a.txt", b"Hello."))
    row = console.page.get_by_role("row")
    expect(row.filter(has_text="scan.pdf")).to_contain_text("page 2 has no text layer")
    expect(row.filter(has_text="bad.pdf")).to_contain_text(re.compile("Failed.*it is broken and cannot be read as PDF"))
    expect(row.filter(has_text="a.txt")).to_contain_text("Ready")
    assert console.page.get_by_role("link", name="bad.pdf").count() == 0


def test_the_progress_of_reading_is_shown_while_it_goes_on(console: Console) -> None:
    """The server says how far it is; here it says so for a file that is never finished."""
    console.open()
    open_store(console, payload("long.txt", b"Long."))
    progress = {"stage": "embedding", "done": 30, "total": 120}

    def unfinished(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        body["data"] = [{**body["data"][0], "status": "in_progress", "progress": progress, "notes": []}]
        route.fulfill(response=answer, json=body)

    console.page.route("**/v1/vector_stores/*/files?*", unfinished)
    console.page.reload()
    bar = console.page.get_by_role("progressbar", name="long.txt")
    expect(bar).to_have_attribute("value", "30")
    expect(bar).to_have_attribute("max", "120")
    expect(console.page.get_by_role("row").last).to_contain_text("Indexing 30 of 120")
    progress |= {"done": 90}
    expect(bar).to_have_attribute("value", "90")


def test_dropped_files_have_the_readers_that_were_named(console: Console) -> None:
    open_store(console.open())
    page = console.page
    [project] = console.api("GET", "organization/projects")["data"]
    [key] = console.api("GET", f"organization/projects/{project['id']}/api_keys")["data"]
    page.get_by_text("Who may read them").click()
    drop = (
        "(zone) => { const data = new DataTransfer(); data.items.add(new File(['Secret.'], 'secret.txt'));"
        "zone.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})) }"
    )
    page.get_by_label("Readers").fill("nonsense")
    page.locator(".drop-zone").evaluate(drop)
    expect(page.locator(".uploads")).to_contain_text("nonsense")  # what is wrong with it, in the server's words
    page.get_by_label("Readers").fill(f"key:{key['id']}")
    page.locator(".drop-zone").evaluate(drop)
    expect(page.get_by_role("row", name="secret.txt")).to_contain_text("Ready")
    [file] = console.api("GET", "files")["data"]
    assert file["readers"] == [f"key:{key['id']}"]


def test_what_stands_in_a_file_is_shown_page_by_page(console: Console) -> None:
    open_store(console.open(), payload("handbook.pdf", handbook()), payload("page.html", HTML))
    page = console.page
    page.get_by_role("link", name="handbook.pdf").click()
    expect(page.get_by_role("img", name="Page 1 of handbook.pdf")).to_be_visible()
    next_page = console.button("Next page")
    next_page.click()
    expect(page.get_by_role("img", name="Page 2 of handbook.pdf")).to_be_visible()
    expect(next_page).to_be_focused()
    page.get_by_text("Text of this page").click()
    expect(page.locator(".page-text")).to_contain_text(RULE)
    page.get_by_role("link", name="‹ Handbook").click()
    page.get_by_role("link", name="page.html").click()
    expect(page.locator(".page-text")).to_have_text("Text of HTML")


def test_stores_and_files_are_renamed_and_deleted(console: Console) -> None:
    open_store(console.open(), payload("one.txt", b"One."), payload("two.txt", b"Two."))
    page = console.page
    for name, action in [("one.txt", "Take out of this store"), ("two.txt", "Delete the file")]:
        page.get_by_role("button", name=f"Actions for “{name}”").click()
        page.get_by_role("menuitem", name=action).click()
        page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("row", name=name)).to_have_count(0)
    assert [file["filename"] for file in console.api("GET", "files")["data"]] == ["one.txt"]
    console.button("Rename").click()
    page.get_by_role("textbox", name="Name").fill("手引き")
    console.button("Save").click()
    expect(page.get_by_role("heading", name="手引き", level=1)).to_be_visible()
    page.get_by_role("link", name="‹ Documents").click()
    page.get_by_role("button", name="Delete “手引き”").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("There is no vector store yet.")).to_be_visible()


def test_a_store_that_is_gone_is_told_in_the_servers_words(console: Console) -> None:
    console.open()
    console.page.evaluate("location.hash = '#documents/vs_gone'")
    expect(console.page.get_by_role("alert")).to_contain_text("vs_gone")
    expect(console.button("Try again")).to_be_visible()
