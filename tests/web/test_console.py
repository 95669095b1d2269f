"""The console in Chromium, against the real server with a scripted engine."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from owngpt.errors import InvalidRequest, Overloaded
from tests.fakes.engine import KEY
from tests.web.console import Console

WEATHER = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "東京"}}\n</tool_call>'
HOSTILE = """
<script>window.hacked = 1</script> <img src=x onerror="window.hacked = 1"> <svg onload="window.hacked = 1">
[link](javascript:window.hacked=1) [data](data:text/html,<script>1</script>) <a href="javascript:1" onclick="1">a</a>
![picture](http://127.0.0.1:9/secret.png) <iframe srcdoc="<script>1</script>"></iframe> <style>*{display:none}</style>

<form action="http://127.0.0.1:9/"><input name="key"></form>
"""


# --- the key


def test_the_first_visit_asks_for_a_key_and_a_wrong_one_shows_what_the_server_says(console: Console) -> None:
    console.open(key=None)
    console.enter_key("sk-own-wrong-key-987654")
    expect(console.page.get_by_role("alert")).to_contain_text("Incorrect API key provided: sk-own-***7654")
    console.page.keyboard.press("Escape")
    console.page.keyboard.press("Escape")
    expect(console.page.locator("#key-dialog")).to_be_visible()
    console.enter_key(KEY)
    expect(console.page.locator("#key-dialog")).to_be_hidden()
    expect(console.composer).to_be_focused()


@pytest.mark.parametrize("is_remembered", [False, True])
def test_a_key_stays_on_this_device_only_where_asked(console: Console, is_remembered: bool) -> None:
    console.open(key=None)
    console.page.get_by_label("Remember on this device").set_checked(is_remembered)
    console.enter_key(KEY)
    expect(console.page.locator("#key-dialog")).to_be_hidden()
    stored = "[sessionStorage.getItem('owngpt.key'), localStorage.getItem('owngpt.key')]"
    assert console.page.evaluate(stored) == ([None, KEY] if is_remembered else [KEY, None])
    other = console.page.context.new_page()
    other.goto(console.address)
    expect(other.locator("#key-dialog")).to_be_visible(visible=not is_remembered)


def test_a_key_that_is_refused_later_is_asked_for_again_and_the_answer_follows(console: Console) -> None:
    console.open()
    console.page.evaluate("sessionStorage.setItem('owngpt.key', 'sk-own-revoked-key-1234')")
    console.send("Hi")
    expect(console.page.locator("#key-problem")).to_contain_text("Incorrect API key provided")
    console.enter_key(KEY)
    expect(console.text).to_have_text("Hello!")
    expect(console.page.locator(".message")).to_have_count(2)


def test_a_forgotten_key_is_asked_for_at_once(console: Console) -> None:
    console.open()
    console.button("Preferences").click()
    console.button("Forget").click()
    expect(console.page.locator("#key-dialog")).to_be_visible()
    assert console.page.evaluate("sessionStorage.getItem('owngpt.key')") is None


def test_the_models_are_those_that_chat(console: Console) -> None:
    console.open()
    expect(console.page.get_by_label("Model", exact=True).locator("option")).to_have_text(["fake", "gpt-fake"])


def test_a_conversation_with_a_model_that_is_gone_goes_on_with_one_that_is_there(console: Console) -> None:
    console.open()
    console.page.get_by_label("Model", exact=True).select_option("gpt-fake")
    console.ask("Hi")
    models = {"data": [{"id": "fake", "capabilities": {"chat": True}}]}
    console.page.route("**/v1/models", lambda route: route.fulfill(json=models))
    console.page.reload()
    expect(console.page.get_by_label("Model", exact=True)).to_have_value("fake")
    console.ask("Still there?")
    expect(console.answer.locator("h2")).to_have_text("fake")


# --- answers


def test_an_answer_grows_while_it_comes_and_ends_with_its_cost(console: Console) -> None:
    console.open().says("One two three. " * 8, delay=0.01)
    console.send("Count")
    expect(console.text).to_have_text(re.compile(r"^One( two( three\.( One)?)?)?"))
    assert len(console.text.inner_text()) < 100
    expect(console.page.locator("#stop")).to_be_visible()
    expect(console.text).to_have_text("One two three. " * 8)
    expect(console.answer.locator(".stats")).to_have_text(re.compile(r"^120 tokens · [\d.]+ tokens/s"))
    assert console.engine.submissions[-1].sampling.max_tokens is None


@pytest.mark.parametrize("how", ["button", "Escape"])
def test_stop_frees_the_engine_and_keeps_what_came(console: Console, how: str) -> None:
    console.open().says("All work and no play. " * 200, delay=0.01)
    console.send("Go on")
    expect(console.text).to_contain_text("All work")
    if how == "button":
        console.button("Stop").click()
    else:
        console.page.keyboard.press("Escape")
    expect(console.answer).to_contain_text("Stopped.")
    expect(console.text).to_contain_text("All work")
    expect(console.button("Send")).to_be_visible()
    console.page.wait_for_timeout(100)
    assert len(console.engine.aborted) == 1
    assert console.engine.num_running == 0


def test_regenerating_keeps_the_first_answer_as_another_version(console: Console) -> None:
    console.open().says("First answer")
    console.ask("Hi")
    console.says("Second answer")
    console.answer.get_by_role("button", name="Regenerate").click()
    expect(console.text).to_have_text("Second answer")
    assert "First" not in console.prompt
    console.answer.get_by_role("button", name="Previous version").click()
    expect(console.text).to_have_text("First answer")
    expect(console.answer.get_by_role("img", name="1 of 2")).to_be_visible()


def test_an_edited_question_is_asked_again_from_there(console: Console) -> None:
    console.open()
    console.ask("What is red?")
    console.ask("And green?")
    console.says("Blue.")
    first = console.page.locator(".user").first
    first.hover()
    first.get_by_role("button", name="Edit").click()
    editor = console.page.get_by_label("Edit your message")
    expect(editor).to_have_value("What is red?")
    editor.fill("What is blue?")
    editor.press("Enter")
    expect(console.text).to_have_text("Blue.")
    expect(console.page.locator(".message")).to_have_count(2)
    assert "What is blue?" in console.prompt
    assert "green" not in console.prompt
    console.question.get_by_role("button", name="Previous version").click()
    expect(console.question).to_contain_text("And green?")


def test_an_answer_goes_on_while_another_conversation_is_open(console: Console) -> None:
    console.open().says("Slow but sure.", delay=0.05)
    console.send("A long one")
    expect(console.text).to_contain_text("S")
    console.button("New chat").click()
    expect(console.page.locator(".message")).to_have_count(0)
    expect(console.page.get_by_role("img", name="answering")).to_be_visible()
    console.says("Quick.")
    console.ask("A short one")
    console.conversations.filter(has_text="A long one").click()
    expect(console.text).to_have_text("Slow but sure.")


def test_settings_reach_the_engine(console: Console) -> None:
    console.open()
    console.button("Conversation settings").click()
    for label, value in {
        "System prompt": "You are a pirate.",
        "Temperature": "0.3",
        "Top p": "0.9",
        "Maximum tokens": "3",
        "Seed": "7",
    }.items():
        console.page.get_by_label(label, exact=True).fill(value)
    console.button("Save").click()
    console.ask("Hi")
    sampling = console.engine.submissions[-1].sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens, sampling.seed) == (0.3, 0.9, 3, 7)
    assert "You are a pirate." in console.prompt
    expect(console.text).to_have_text("Hel")
    expect(console.answer).to_contain_text("The answer ended at the token limit.")


def test_settings_that_cannot_be_used_are_named(console: Console) -> None:
    console.open()
    console.button("Conversation settings").click()
    console.page.get_by_label("Temperature").fill("9")
    console.button("Save").click()
    expect(console.page.locator("#settings-problem")).to_contain_text("Temperature")
    console.page.get_by_label("Temperature").fill("")
    console.page.get_by_label("Tools", exact=True).fill("{")
    console.button("Save").click()
    expect(console.page.locator("#settings-problem")).to_contain_text("Tools must be a JSON list")


def test_reasoning_is_folded_away(console: Console) -> None:
    console.open().says("<think>Let me see.</think>Forty-two.")
    console.ask("Why?")
    expect(console.text).to_have_text("Forty-two.")
    thoughts = console.answer.get_by_text("Let me see.")
    expect(thoughts).to_be_hidden()
    console.answer.get_by_text("Reasoning", exact=True).click()
    expect(thoughts).to_be_visible()


def test_tool_calls_are_readable_and_take_results(console: Console) -> None:
    console.open().says(CALL)
    console.button("Conversation settings").click()
    console.page.get_by_label("Tools", exact=True).fill(json.dumps(WEATHER))
    console.button("Save").click()
    console.ask("Is it raining?")
    expect(console.answer).to_contain_text("Calls get_weather")
    expect(console.answer.locator(".tool-call code")).to_have_text('{\n  "city": "東京"\n}', use_inner_text=True)
    console.says("Yes, it rains.")
    console.page.get_by_label("Result of get_weather").fill("heavy rain")
    choose(console.page, "Is it raining?", "Rename")  # what is written survives
    console.page.get_by_label("Name", exact=True).press("Enter")
    console.button("Send results").click()
    expect(console.text).to_have_text("Yes, it rains.")
    assert "heavy rain" in console.prompt
    assert "東京" in console.prompt


# --- when it goes wrong


def test_a_full_queue_is_shown_in_the_servers_words_and_can_be_tried_again(console: Console) -> None:
    console.open()
    console.engine.refusal = Overloaded("the queue is full: 256 requests wait", retry_after=7)
    console.ask("Hi")
    expect(console.answer).to_contain_text("the queue is full: 256 requests wait")
    expect(console.answer).to_contain_text("The server asks to wait 7 s.")
    console.engine.refusal = None
    console.button("Try again").click()
    expect(console.text).to_have_text("Hello!")
    expect(console.page.locator(".message")).to_have_count(2)


def test_a_prompt_that_is_too_long_says_so(console: Console) -> None:
    console.open()
    console.engine.refusal = InvalidRequest("prompt has 5210 tokens; this model takes 4096", param="messages")
    console.ask("Hi")
    expect(console.answer).to_contain_text("prompt has 5210 tokens; this model takes 4096")
    console.engine.refusal = None
    console.ask("Shorter")  # the failed turn does not stand in the way
    expect(console.text).to_have_text("Hello!")
    assert console.prompt.count("<|im_start|>") == 2


def test_an_engine_that_dies_leaves_what_came(console: Console) -> None:
    console.open().says("Half of it was said", delay=0.01)
    console.engine.fail_after = 4
    console.ask("Hi")
    expect(console.text).to_have_text("Half")
    expect(console.answer).to_contain_text("the engine died")
    console.engine.fail_after = None
    console.button("Try again").click()
    expect(console.text).to_have_text("Half of it was said")


def test_a_server_that_is_gone_is_named(console: Console) -> None:
    console.open()
    console.page.route("**/v1/chat/completions", lambda route: route.abort())
    console.ask("Hi")
    expect(console.answer).to_contain_text("cannot be reached. Is it running?")


def test_markup_of_the_model_does_nothing(console: Console) -> None:
    requests: list[str] = []
    console.open().says(HOSTILE)
    console.page.on("request", lambda request: requests.append(request.url))
    console.ask("Attack")
    expect(console.text).to_contain_text("window.hacked = 1")
    assert console.page.evaluate("window.hacked") is None
    assert console.text.locator("script, img, svg:not(.icon), iframe, form, input, style, [onclick]").count() == 0
    links = console.text.locator("a[href]")
    expect(links).to_have_text(["picture"])
    expect(links).to_have_attribute("rel", re.compile("noopener"))
    assert [url for url in requests if not url.startswith(console.address)] == []


def test_code_has_its_language_and_can_be_copied(console: Console) -> None:
    console.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    console.open().says("```python\nprint('ねこ')\n```")
    console.ask("Code")
    expect(console.answer.locator(".code-bar")).to_contain_text("python")
    console.button("Copy code").click()
    expect(console.page.locator("#toasts")).to_have_text("Copied")
    assert console.page.evaluate("navigator.clipboard.readText()") == "print('ねこ')"


# --- conversations


def test_conversations_survive_a_reload(console: Console) -> None:
    console.open().says("It is **kept**.")
    console.ask("Remember this")
    console.page.reload()
    expect(console.text).to_have_text("It is kept.")
    expect(console.conversations).to_have_text(["Remember this"])
    expect(console.answer.locator(".stats")).to_contain_text("tokens")
    console.ask("And this")
    assert "Remember this" in console.prompt


def test_an_answer_that_a_reload_cut_off_says_so(console: Console) -> None:
    console.open().says("This takes long. " * 100, delay=0.01)
    console.send("Hi")
    expect(console.text).to_contain_text("This takes long. This")
    console.page.wait_for_timeout(1100)  # it is saved every second
    console.page.reload()
    expect(console.text).to_contain_text("This takes")
    expect(console.answer).to_contain_text("The page was closed before the answer was complete.")


def test_a_conversation_is_found_renamed_and_deleted(console: Console) -> None:
    console.open().says("Ｔｏｋｙｏ is large.")
    console.ask("Which city?")
    console.button("New chat").click()
    console.says("Fuji.")
    console.ask("Which mountain?")
    expect(console.conversations).to_have_text(["Which mountain?", "Which city?"])
    search = console.page.get_by_label("Search conversations")
    search.fill("tokyo")
    expect(console.conversations).to_have_text(["Which city?"])
    search.fill("")
    expect(console.conversations).to_have_count(2)
    choose(console.page, "Which city?", "Rename")
    console.page.get_by_label("Name", exact=True).fill("都市")
    console.button("Rename").click()
    expect(console.conversations.nth(1)).to_have_text("都市")
    choose(console.page, "Which mountain?", "Delete")
    console.button("Delete").click()
    expect(console.conversations).to_have_text(["都市"])
    expect(console.page.locator(".message")).to_have_count(0)


def test_conversations_leave_as_files_and_come_back(console: Console, tmp_path: Path) -> None:
    console.open().says("Good morning.")
    console.ask("おはよう")
    with console.page.expect_download() as markdown:
        choose(console.page, "おはよう", "Export as Markdown")
    assert markdown.value.suggested_filename == "おはよう.md"
    assert markdown.value.path().read_text() == "# おはよう\n\n## You\n\nおはよう\n\n## fake\n\nGood morning.\n"
    console.button("Preferences").click()
    with console.page.expect_download() as everything:
        console.button("Export all").click()
    everything.value.save_as(tmp_path / "all.json")
    console.button("Delete all").click()
    console.button("Delete").click()
    expect(console.conversations).to_have_count(0)
    console.page.locator("#import-file").set_input_files(tmp_path / "all.json")
    expect(console.page.locator("#toasts")).to_have_text("Imported 1 conversation.")
    console.conversations.click()
    expect(console.text).to_have_text("Good morning.")


def test_a_file_that_is_no_export_is_refused(console: Console, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"format": "other"}')
    console.open()
    console.page.locator("#import-file").set_input_files(tmp_path / "other.json")
    expect(console.page.locator("#toasts")).to_contain_text("This file is not an export of the console")


def test_two_tabs_share_their_conversations(console: Console) -> None:
    console.open()
    other = replace(console, page=console.page.context.new_page()).open()
    console.ask("From the first tab")
    other.conversations.filter(has_text="From the first tab").click()
    expect(other.text).to_have_text("Hello!")


def test_back_returns_to_the_conversation_before(console: Console) -> None:
    console.open()
    console.ask("One")
    console.button("New chat").click()
    console.ask("Two")
    console.page.go_back()
    console.page.go_back()
    expect(console.question).to_contain_text("One")


def choose(page: Page, title: str, action: str) -> None:
    """Open the menu of a conversation and pick an action."""
    page.locator(".conversations li", has_text=title).hover()
    page.get_by_role("button", name=f"Actions for “{title}”").click()
    page.get_by_role("menuitem", name=action).click()
