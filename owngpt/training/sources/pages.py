"""Pages of documentation that exist in English and Japanese: each side as text, and their paragraphs as pairs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from owngpt.training.documents import Document
from owngpt.training.sources.archives import members_of
from owngpt.training.sources.prose import clean_markdown, pieces
from owngpt.training.sources.translation import translation

MIN_PARAGRAPH, MAX_PARAGRAPH = 15, 320  # characters of English
_KANA = re.compile("[\u3041-\u30ff]")
# How the path of one language becomes the name of a page, and which language it is
_LAYOUTS = (
    (re.compile(r"^(react)_(en|ja)/src/content/(.*)\.md$"), "2"),
    (re.compile(r"^(astro)/src/content/docs/(en|ja)/(.*)\.mdx?$"), "2"),
    (re.compile(r"^(fastapi)/docs/(en|ja)/docs/(.*)\.md$"), "2"),
    (re.compile(r"^(angular)_ja/adev-ja/(.*?)(\.en)?\.md$"), "en behind"),
    (re.compile(r"^(rails)/guides/source/(ja/)?([a-z0-9_]+)\.md$"), "ja before"),
    (re.compile(r"^(opensource_guide)/_articles/(ja/)?([a-z-]+)\.md$"), "ja before"),
)


class Page(NamedTuple):
    """One side of a page. Both sides have the same name."""

    name: str
    language: str
    text: str


def page_of(path: str, text: str) -> Page | None:
    """The page that lies at `path` of the archive, cleaned; None for anything else."""
    for pattern, layout in _LAYOUTS:
        if match := pattern.match(path):
            project, second, third = match.groups()
            if layout == "2":
                return Page(f"{project}/{third}", second, clean_markdown(text))
            if layout == "en behind":
                return Page(f"{project}/{second}", "en" if third else "ja", clean_markdown(text))
            return Page(f"{project}/{third}", "ja" if second else "en", clean_markdown(text))
    return None


def read_pages(source: str, language: str) -> Callable[[Path], Iterator[Document]]:
    """A reader for the pages of one language."""

    def read(path: Path) -> Iterator[Document]:
        for page in _pages(path):
            if page.language == language:
                yield from (Document(source, f"pages/{page.name}", piece) for piece in pieces(page.text))

    return read


def read_page_pairs(path: Path) -> Iterator[Document]:
    """Paragraphs of pages in both languages, as requests to translate."""
    english = {page.name: page.text for page in _pages(path) if page.language == "en"}
    for page in _pages(path):
        if page.language == "ja" and page.name in english:
            for index, (one, other) in enumerate(paragraph_pairs(english[page.name], page.text)):
                group = f"pages/{page.name}"
                yield translation("page-pairs", group, one, other, Random(f"{group}{index}"))


def paragraph_pairs(english: str, japanese: str) -> Iterator[tuple[str, str]]:
    """Paragraphs that stand at the same place of sections with equally many, where their lengths agree as well."""
    sections = [re.split(r"(?m)^(?=#+ )", text) for text in (english, japanese)]
    if len(sections[0]) == len(sections[1]):
        for one, other in zip(*sections, strict=True):
            blocks = [re.split(r"\n{2,}", _without_code(section)) for section in (one, other)]
            if len(blocks[0]) == len(blocks[1]):
                yield from filter(_is_pair, zip(*map(_plain, blocks), strict=True))


def _pages(path: Path) -> Iterator[Page]:
    for member in members_of(path, r"\.mdx?$"):
        if (page := page_of(member.path, member.text)) is not None:
            yield page


def _without_code(section: str) -> str:
    return re.sub(r"(?ms)^[ \t]*```.*?^[ \t]*```[^\n]*$", "```", section)


def _plain(blocks: list[str]) -> list[str]:
    return [" ".join(re.sub(r"^(#+|[-*]|\d+\.) +", "", block.strip()).split()) for block in blocks]


def _is_pair(pair: tuple[str, str]) -> bool:
    english, japanese = pair
    return (
        MIN_PARAGRAPH <= len(english) <= MAX_PARAGRAPH
        and 0.2 < len(japanese) / len(english) < 1.1
        and _KANA.search(japanese) is not None
        and _KANA.search(english) is None
        and "```" not in english
    )
