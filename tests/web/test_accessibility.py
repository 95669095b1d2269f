"""Keyboard, input methods, screen readers, languages, themes and narrow screens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from tests.fakes.engine import KEY
from tests.web.console import Console
from tests.web.handbook import QUESTION, RULE, handbook

RICH = """# Heading

Text with **bold**, `code`, a [link](https://example.org/) and

1. a list

| a | b |
|---|---|
| 1 | 2 |

```python
print(1)
```

> quoted
"""
RULES = (
    "有給休暇は一年に二十五日取得できます。"
    "事務所は朝八時に開きます。出張では電車を使います。領収書は三十日以内に出します。"
)
PHONE: ViewportSize = {"width": 390, "height": 844}


# --- keyboard


def test_everything_can_be_done_without_a_mouse(console: Console) -> None:
    page = console.page
    console.open(key=None)
    expect(page.locator("#key-input")).to_be_focused()
    page.keyboard.type(KEY)
    page.keyboard.press("Enter")
    expect(console.composer).to_be_focused()
    page.keyboard.type("First line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second line")
    page.keyboard.press("Enter")
    expect(console.text).to_have_text("Hello!")
    expect(console.question.locator(".bubble")).to_have_text("First line\nsecond line", use_inner_text=True)
    expect(console.composer).to_be_focused()
    page.keyboard.press("Control+k")
    expect(page.locator(".message")).to_have_count(0)
    expect(console.composer).to_be_focused()


def test_focus_goes_from_the_list_over_the_model_and_the_thread_to_the_message(console: Console) -> None:
    console.open()
    console.ask("Hi")
    console.page.reload()
    expect(console.text).to_have_text("Hello!")
    console.page.locator("#skip-link").focus()
    assert names_in_tab_order(console.page, 21) == [
        "Skip to the message box",
        "Hide conversations",
        *("Chat", "Ask documents", "Documents", "Projects and keys", "Organization", "Usage and costs", "Audit log"),
        *("New chat", "Search conversations", "Hi", "Actions for “Hi”", "Preferences"),
        *("Model", "Conversation settings", "Conversation", "Copy", "Edit", "Copy", "Regenerate"),
    ]


def test_a_menu_opens_moves_and_closes_by_key(console: Console) -> None:
    console.open()
    console.ask("Hi")
    opener = console.page.get_by_role("button", name="Actions for “Hi”")
    opener.press("Enter")
    expect(console.page.get_by_role("menuitem", name="Rename")).to_be_focused()
    console.page.keyboard.press("ArrowUp")
    expect(console.page.get_by_role("menuitem", name="Delete")).to_be_focused()
    console.page.keyboard.press("Escape")
    expect(console.page.get_by_role("menu")).to_be_hidden()
    expect(opener).to_be_focused()


def test_the_focus_stays_in_its_place_when_elements_are_replaced(console: Console) -> None:
    page = console.page
    console.open()
    console.ask("Hi")
    console.button("Regenerate").press("Enter")
    expect(console.composer).to_be_focused()
    console.button("Previous version").press("Enter")
    expect(console.button("Previous version")).to_be_focused()
    expect(console.button("Previous version")).to_be_disabled()
    console.question.get_by_role("button", name="Edit").press("Enter")
    page.keyboard.press("Escape")
    expect(console.question.get_by_role("button", name="Edit")).to_be_focused()
    page.get_by_role("button", name="Actions for “Hi”").press("Enter")
    page.keyboard.press("Enter")
    page.keyboard.type("Renamed")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Actions for “Renamed”")).to_be_focused()


@pytest.mark.parametrize("event", [{"isComposing": True}, {"keyCode": 229}])
def test_enter_that_accepts_a_japanese_candidate_sends_nothing(console: Console, event: dict[str, object]) -> None:
    """Chromium says `isComposing`; Safari ends the composition first and says key code 229."""
    console.open()
    console.composer.fill("にほんご")
    is_taken = console.composer.evaluate(
        "(area, event) => !area.dispatchEvent("
        "new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true, ...event}))",
        event,
    )
    assert not is_taken
    assert console.engine.submissions == []
    expect(console.composer).to_have_value("にほんご")
    console.composer.press("Enter")
    expect(console.text).to_have_text("Hello!")


# --- screen readers


def test_an_answer_is_read_once_block_by_block(console: Console) -> None:
    console.open().says("First.\n\nSecond.\n\nThird.", delay=0.02)
    console.page.evaluate(
        "() => { window.heard = []; new MutationObserver((all) => all.forEach(({addedNodes}) => "
        "addedNodes.forEach((node) => heard.push(node.textContent)))).observe(announcer, {childList: true}) }"
    )
    console.ask("Tell me")
    assert console.page.evaluate("heard") == ["First.", "Second.", "Third.", "Answer complete"]
    expect(console.page.get_by_role("log")).to_have_attribute("aria-live", "polite")


def test_the_page_is_built_of_landmarks_and_headings(console: Console) -> None:
    console.open()
    console.ask("Hi")
    for role, name in [("navigation", "Sections and conversations"), ("main", None), ("region", "Conversation")]:
        expect(console.page.get_by_role(role, name=name, exact=True)).to_be_visible()  # type: ignore[arg-type]
    levels = (
        "[...document.querySelectorAll('main :is(h1,h2)')].filter((e) => e.checkVisibility()).map((e) => e.textContent)"
    )
    assert console.page.evaluate(levels) == ["Hi", "You", "fake"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [ViewportSize(width=1280, height=800), PHONE], ids=["wide", "narrow"])
def test_axe_finds_nothing(console: Console, scheme: str, size: ViewportSize) -> None:
    """axe-core's rules, WCAG 2.2 AA with contrast, on every face of the console."""
    page = console.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size(size)
    console.open(key=None)
    expect(page.locator("#key-dialog")).to_be_visible()
    check(page)
    console.enter_key(KEY)
    expect(page.locator("#key-dialog")).to_be_hidden()
    check(page)
    console.says(RICH)
    console.ask("Rich")
    console.engine.fail_after = 0
    console.ask("Fail")
    check(page)
    console.button("Conversation settings").click()
    check(page)
    page.keyboard.press("Escape")
    if size == PHONE:
        console.button("Show conversations").click()
        check(page)
    console.button("Preferences").click()
    check(page)


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", ViewportSize(width=1280, height=800)), ("dark", PHONE)], ids=["wide", "narrow"]
)
def test_axe_finds_nothing_beside_the_chat(console: Console, scheme: str, size: ViewportSize) -> None:
    """The same for documents, questions to them, and what an admin sees; none is wider than the screen."""
    page = console.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size(size)
    console.open().says(f'"[1] {RULE}"')
    store = console.api("POST", "vector_stores", {"name": "Handbook"})["id"]
    file = console.add_file(store, "handbook.pdf", handbook())
    [project] = console.api("GET", "organization/projects")["data"]
    key = {"name": "worker", "scopes": ["api.files.read"]}
    console.api("POST", f"organization/projects/{project['id']}/api_keys", key)
    console.api("POST", "organization/invites", {"email": "eve@example.com", "role": "reader"})
    group = console.api("POST", "organization/groups", {"name": "Finance"})
    account = console.api("POST", f"organization/projects/{project['id']}/service_accounts", {"name": "indexer"})
    console.api("POST", f"organization/groups/{group['id']}/users", {"user_id": account["id"]})
    console.api("POST", "responses", {"model": "fake", "input": "Hi"})
    places = {
        "documents": "table",
        f"documents/{store}": "table",
        f"documents/{store}/{file}": "img",
        "projects": "table",
        f"projects/{project['id']}": "input.number",
        "organization": "table",
        f"organization/{group['id']}": "table",
        "usage": ".chart",
        "audit": "table",
    }
    for place, content in places.items():
        page.evaluate("(hash) => { location.hash = hash }", place)
        expect(page.locator("#place").locator(content).first).to_be_visible()
        expect(page.locator("#place .waiting")).to_have_count(0)
        check(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place
    page.evaluate("location.hash = 'ask'")
    page.get_by_label("Question").fill(QUESTION)
    console.button("Ask").click()
    page.get_by_role("button", name="Quote 1: open handbook.pdf").click()
    expect(page.locator(".source img")).to_be_visible()
    check(page)


# --- languages, themes, sizes


@pytest.mark.parametrize("options", [{"locale": "ja-JP"}])
def test_a_japanese_browser_gets_japanese(console: Console) -> None:
    console.open()
    expect(console.page.locator("html")).to_have_attribute("lang", "ja")
    expect(console.page.get_by_role("heading", name="何をお手伝いしましょうか？")).to_be_visible()
    console.page.get_by_role("button", name="空が青い理由を").click()
    console.composer.press("Enter")
    expect(console.text).to_have_text("Hello!")
    expect(console.button("再生成")).to_be_visible()


@pytest.mark.parametrize("options", [{"locale": "ja-JP"}])
def test_documents_are_asked_in_japanese(console: Console) -> None:
    console.open().says("不明です。")
    store = console.api("POST", "vector_stores", {"name": "規則"})["id"]
    console.add_file(store, "規則.txt", RULES.encode())
    console.page.get_by_role("link", name="資料に質問").click()
    console.page.get_by_label("質問", exact=True).fill("有給休暇は一年に何日取得できますか。")
    console.page.locator("select[name=mode]").select_option(label="資料の文だけで")
    console.button("質問する").click()
    expect(console.page.locator(".verdict")).to_contain_text("裏付けあり。")
    console.page.get_by_role("button", name="引用 1: 規則.txt を開く").click()
    expect(console.page.locator(".source mark")).to_have_text("有給休暇は一年に二十五日取得できます。")


def test_the_language_can_be_chosen_and_is_kept(console: Console) -> None:
    console.open()
    console.ask("Hi")
    console.button("Preferences").click()
    console.page.get_by_label("Language").select_option(label="日本語")
    expect(console.page.get_by_role("heading", name="環境設定")).to_be_visible()
    expect(console.page.locator(".assistant").get_by_label("再生成")).to_be_attached()
    console.page.reload()
    expect(console.page.get_by_role("button", name="新しい会話")).to_be_visible()


def test_the_theme_follows_the_device_until_it_is_chosen(console: Console) -> None:
    console.page.emulate_media(color_scheme="dark")
    console.open()
    assert is_dark(console.page)
    console.button("Preferences").click()
    console.page.get_by_label("Appearance").select_option(label="Light")
    assert not is_dark(console.page)
    console.page.reload()
    assert not is_dark(console.page)


def test_on_a_narrow_screen_the_list_covers_the_conversation_until_one_is_chosen(console: Console) -> None:
    console.page.set_viewport_size(PHONE)
    console.open()
    console.ask("Hi")
    expect(console.conversations).to_be_hidden()
    console.button("Show conversations").click()
    expect(console.button("Hide conversations")).to_be_focused()
    console.conversations.click()
    expect(console.conversations).to_be_hidden()
    assert console.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def names_in_tab_order(page: Page, count: int) -> Sequence[str]:
    """The names of what has the focus, and of what Tab reaches from there."""
    names = []
    for _ in range(count):
        names.append(
            page.evaluate(
                "(({ariaLabel, textContent, firstElementChild}) => ariaLabel ?? "
                "(firstElementChild?.matches('svg') ? firstElementChild.nextElementSibling : null)?.textContent "
                "?? textContent.trim())(document.activeElement)"
            )
        )
        page.keyboard.press("Tab")
    return names


def check(page: Page) -> None:
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def is_dark(page: Page) -> bool:
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return all(int(part) < 64 for part in color.removeprefix("rgb(").removesuffix(")").split(","))
