"""Parts of the console that can be tried without its page: the stream reader, Markdown, the texts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.fakes.engine import make_app
from tests.web.console import served

WEB = Path(__file__).parents[2] / "owngpt" / "web"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """One page for all: these tests leave nothing behind."""
    with served(make_app()) as address, browser.new_context(locale="en-US") as context:
        page = context.new_page()
        page.goto(address)
        yield page


def run(page: Page, module: str, body: str, argument: Any = None) -> Any:
    """Evaluate `body` in the page, with the module's exports in `m` and `argument` in `x`."""
    return page.evaluate(f"async (x) => {{ const m = await import('/js/{module}'); {body} }}", argument)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_events_may_be_cut_anywhere(page: Page, end: str, size: int) -> None:
    stream = [": comment", "data: 一つ", "", "event: x", "data:two", "data: lines", "", "data: cut off"]
    body = (
        "const bytes = new TextEncoder().encode(x.text); let at = 0;"
        "const stream = new ReadableStream({pull(c) { if (at >= bytes.length) return c.close();"
        " c.enqueue(bytes.slice(at, at += x.size)); }});"
        "return Array.fromAsync(m.readEvents(stream));"
    )
    assert run(page, "sse.js", body, {"text": end.join(stream), "size": size}) == ["一つ", "two\nlines"]


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**「例」**は", "<p><strong>「例」</strong>は</p>"),
        ("これは**`code`**です", "<p>これは<strong><code>code</code></strong>です</p>"),
        ("**重要：**次の*点*", "<p><strong>重要：</strong>次の<em>点</em></p>"),
        ("2 ** 3 ** 2", "<p>2 ** 3 ** 2</p>"),
        ("`**`a`**`", "<p><code>**</code>a<code>**</code></p>"),
        ("# One", "<h3>One</h3>"),
        ("- [x] done", "<ul>\n<li>☑ done</li>\n</ul>"),
        ("<b>&amp;</b>", "<p>&lt;b&gt;&amp;&lt;/b&gt;</p>"),
        (
            "![ねこ](https://a.example/b.png)",
            '<p><a href="https://a.example/b.png" target="_blank" rel="noopener noreferrer nofollow">ねこ</a></p>',
        ),
        ("[x](javascript:alert(1))", '<p><a target="_blank" rel="noopener noreferrer nofollow">x</a></p>'),
    ],
)
def test_markdown(page: Page, markdown: str, html: str) -> None:
    body = (
        "const box = document.createElement('div');"
        "box.append(...m.parseBlocks(x).map(m.renderBlock)); return box.innerHTML.trim();"
    )
    assert run(page, "markdown.js", body, markdown) == html


@pytest.mark.parametrize(
    ("text", "citations", "marked"),
    [
        ('😀 "a b" c', [(7, "a b")], '😀 "a b"[0] c'),
        ('"1 * 2" and "x_y"', [(7, "1 * 2"), (17, "x_y")], '"1 \\* 2"[0] and "x\\_y"[1]'),
        ('"a"', [(3, "a"), (3, "a")], '"a"[0][1]'),
        ("\ue0007\ue001 plain", [], "\ufffd7\ufffd plain"),
    ],
)
def test_marks_stand_behind_their_quotes(page: Page, text: str, citations: list[tuple[int, str]], marked: str) -> None:
    """Offsets count code points; a quote is escaped, so that Markdown shows it as it is."""
    wire = [{"index": index, "quote": quote} for index, quote in citations]
    found = run(page, "citations.js", "return m.withMarks(x.text, x.wire);", {"text": text, "wire": wire})
    assert re.sub("\ue000(.)\ue001", r"[\1]", found) == marked


def test_a_growing_answer_keeps_the_elements_that_are_done(page: Page) -> None:
    body = (
        "const view = new m.MarkdownView(); view.update('One.\\n\\nTw'); const first = view.element.firstChild;"
        "const early = view.takeFinished(false); view.update('One.\\n\\nTwo.');"
        "return [first === view.element.firstChild, early, view.takeFinished(true), view.takeFinished(true)]"
    )
    assert run(page, "views/markdown-view.js", body) == [True, ["One."], ["Two."], []]


def test_both_languages_have_the_same_texts_and_all_are_used() -> None:
    english, japanese = (texts(name) for name in ("en", "ja"))
    assert list(english) == list(japanese)
    for key in english:
        assert placeholders(english[key]) == placeholders(japanese[key]), key
    files = [*WEB.glob("*.html"), *(file for file in WEB.glob("js/**/*.js") if file.parent.name != "locales")]
    source = "\n".join(file.read_text() for file in files)
    composed = re.compile(
        r"sidebar\.(today|yesterday|week|older)|preferences\.key_(session|device|none)|places\.\w+"
        r"|verdict\.(supported|partly|abstained)(_text)?|privacy\.(off|mask|block)|pii\.[A-Z_]+|retention\.\w+"
    )
    unused = [key for key in english if f'"{key}"' not in source and not composed.fullmatch(key)]
    assert unused == []


def test_vendored_files_are_the_published_ones() -> None:
    table = (WEB / "vendor" / "README.md").read_text()
    for name in ("marked.js", "dompurify.js"):
        digest = hashlib.sha256((WEB / "vendor" / name).read_bytes()).hexdigest()
        assert re.search(rf"\| `{name}` .*`{digest}`", table)


def test_the_page_holds_no_inline_script_or_style() -> None:
    """The content security policy would block it."""
    page = (WEB / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", page) == []


def texts(language: str) -> dict[str, str]:
    """Both files of a language; a key that stood in both would be there once."""
    folder = WEB / "js" / "locales"
    source = "\n".join((folder / f"{language}{part}.js").read_text() for part in ("", "-organization"))
    return dict(re.findall(r'^  "([\w.]+)": "(.*)",$', source, re.MULTILINE))


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize(
    ("tokens", "milliseconds", "speed"),
    [(21, 200, 100), (16, 2, None), (1, 500, None)],
    ids=["plain", "came in one piece", "one token has no gap"],
)
def test_a_speed_is_shown_only_where_it_was_measured(
    page: Page, tokens: int, milliseconds: int, speed: float | None
) -> None:
    message = {"usage": {"completion_tokens": tokens}, "timing": {"first": 100, "last": 100 + milliseconds}}
    assert run(page, "answer.js", "return m.tokensPerSecond(x);", message) == speed
