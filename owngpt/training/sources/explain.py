"""Instructions and questions with answers, made by templates from what is there: titles, headings, functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from owngpt.text.prompts import Language, complete_code
from owngpt.text.sentences import sentences
from owngpt.training.documents import Document
from owngpt.training.sources.prose import cleaned_members
from owngpt.training.sources.python import library_files
from owngpt.training.sources.questions import json_files, squad_group
from owngpt.training.sources.talk import answered, any_variant, exchange, with_system

ANSWER_CHARACTERS = range(60, 500)
ABOUT_HEADING: dict[Language, tuple[str, ...]] = {
    "en": ("Tell me about: {0}", "Explain this briefly: {0}", 'What should I know about "{0}"?', "{0}"),
    "ja": (
        "「{0}」について説明してください。",
        "{0}について教えてください。",
        "「{0}」とは何ですか？簡潔に。",
        "{0}について簡単にまとめてください。",
    ),
}
ABOUT_TITLE: dict[Language, tuple[str, ...]] = {
    "en": ("What is {0}?", "Tell me about {0}.", "What do you know about {0}?"),
    "ja": ("{0}とは何ですか？", "{0}について教えてください。", "{0}って何？", "{0}について一文で説明してください。"),
}
CODE_LINES = range(5, 30)  # of a function that is asked to be gone on with
_FUNCTION = re.compile(r"^def .*\n(?:(?:[ \t]+.*)?\n)+", re.MULTILINE)


def read_headings(source: str, language: Language) -> Callable[[Path], Iterator[Document]]:
    """A reader for archives of Markdown: a section's heading as the question, its first paragraph as the answer."""

    def read(path: Path) -> Iterator[Document]:
        for member, text in cleaned_members(path):
            for heading, paragraph in sections(text):
                rng = Random(heading + paragraph)
                question = rng.choice(ABOUT_HEADING[language]).format(heading)
                yield Document(source, member.path, messages=with_system(exchange(question, paragraph), rng))

    return read


def sections(text: str) -> Iterator[tuple[str, str]]:
    """(heading, first paragraph) of Markdown's sections that begin with plain text."""
    for match in re.finditer(r"(?m)^#+ +(\S.{3,60}?) *#*\n+(?![#>|\-*`:~ \d=])(.+(?:\n\S.*)*)", text):
        paragraph = " ".join(match[2].split())
        if len(paragraph) in ANSWER_CHARACTERS and paragraph.endswith((".", "。", "!")):
            yield match[1].strip("`* "), paragraph


def read_titles(source: str, language: Language, *, by_paragraph: bool) -> Callable[[Path], Iterator[Document]]:
    """A reader for SQuAD's layout: an article's title as the question, its first sentence as the answer."""

    def read(path: Path) -> Iterator[Document]:
        for file in json_files(path):
            for article in file["data"]:
                title, first = article["title"].replace("_", " "), article["paragraphs"][0]["context"]
                start, end = next(sentences(first))
                if end - start in ANSWER_CHARACTERS:
                    group = squad_group(article, 0, by_paragraph)
                    rng = Random(title)
                    for template in rng.sample(ABOUT_TITLE[language], 2):
                        messages = exchange(template.format(title), first[start:end])
                        yield Document(source, group, messages=with_system(messages, rng))

    return read


def read_completions(folder: Path) -> Iterator[Document]:
    """Functions of the library, the first lines given, the others wanted."""
    for path in library_files(folder):
        rng = Random(str(path.relative_to(folder)))
        for match in _FUNCTION.finditer(path.read_text(encoding="utf-8", errors="ignore")):
            lines = match[0].rstrip().splitlines()
            if len(lines) in CODE_LINES and len(match[0]) < 1200:
                cut = rng.randrange(2, len(lines) - 1)
                asked = complete_code("\n".join(lines[:cut]), rng.choice(("en", "ja")), variant=any_variant(rng))
                rest = "\n".join(lines[cut:])
                messages = answered(asked, f"```python\n{rest}\n```")
                yield Document("completions", str(path.relative_to(folder)), messages=messages)
