"""Sentence pairs in English and Japanese, as requests to translate."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

from owngpt.training.documents import Document
from owngpt.training.sources.archives import lines_of, members_of
from owngpt.training.sources.prose import strip_roles
from owngpt.training.sources.talk import exchange
from owngpt.types import Message

TO_JAPANESE = (
    "Translate to Japanese: {text}",
    "Translate into Japanese: {text}",
    "Translate this sentence into Japanese.\n\n{text}",
    'How do you say "{text}" in Japanese?',
    "日本語に訳してください: {text}",
    "次の英語を日本語に翻訳してください。\n\n{text}",
    "「{text}」を日本語に訳して",
    '"{text}"は日本語で何と言いますか？',
)
TO_ENGLISH = (
    "Translate to English: {text}",
    "Translate into English: {text}",
    "Translate this sentence into English.\n\n{text}",
    'How do you say "{text}" in English?',
    "英語に訳してください: {text}",
    "次の日本語を英語に翻訳してください。\n\n{text}",
    "「{text}」を英語に訳して",
    "「{text}」は英語で何と言いますか？",
)
TRANSLATORS = (
    ("Translate the user's English into Japanese.", "Translate the user's Japanese into English."),
    ("You are a translator. Answer in Japanese.", "You are a translator. Answer in English."),
    ("ユーザーの英語を日本語に翻訳してください。", "ユーザーの日本語を英語に翻訳してください。"),
)


def translation(english: str, japanese: str, rng: Random) -> tuple[Message, ...]:
    """A request to translate one of the two into the other, sometimes set up by a system prompt alone."""
    is_to_japanese = rng.random() < 0.5
    source, target = (english, japanese) if is_to_japanese else (japanese, english)
    if rng.random() < 0.15:
        return (Message("system", rng.choice(TRANSLATORS)[0 if is_to_japanese else 1]), *exchange(source, target))
    return exchange(rng.choice(TO_JAPANESE if is_to_japanese else TO_ENGLISH).format(text=source), target)


def read_tatoeba(path: Path) -> Iterator[Document]:
    """Everyday sentences; the split goes by the English one, which may have several translations."""
    for index, line in enumerate(lines_of(path)):
        english, japanese = line.split("\t")[:2]
        yield Document("tatoeba", english, messages=translation(english, japanese, Random(index)))


def read_python_docs(path: Path) -> Iterator[Document]:
    """Translated paragraphs of Python's documentation (gettext), up to 300 characters."""
    for member in members_of(path, r"\.po$"):
        for index, (english, japanese) in enumerate(po_pairs(member.text)):
            if 15 <= len(english) <= 300:
                rng = Random(f"{member.path}{index}")
                yield Document("python-docs", member.path, messages=translation(english, japanese, rng))


def po_pairs(text: str) -> Iterator[tuple[str, str]]:
    """Translated, not fuzzy entries of a gettext file, without reST roles."""
    for entry in text.split("\n\n"):
        match = re.search(r'^msgid ((?:".*"\n)+)msgstr ((?:".*"\n?)+)', entry, flags=re.MULTILINE)
        if match and "#, fuzzy" not in entry:
            english, japanese = (strip_roles(_unquote(quoted)).replace("``", "`") for quoted in match.groups())
            if english and japanese and english != japanese:
                yield english, japanese


def _unquote(quoted: str) -> str:
    return "".join(str(ast.literal_eval(line)) for line in quoted.strip().splitlines())
