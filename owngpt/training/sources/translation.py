"""Sentence pairs in English and Japanese, as requests to translate."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

from owngpt.text.prompts import LANGUAGES, Language, translate
from owngpt.training.documents import Document, keys_of
from owngpt.training.sources.archives import lines_of, members_of, text_of
from owngpt.training.sources.prose import strip_roles
from owngpt.training.sources.talk import answered, any_variant, exchange
from owngpt.types import Message

AMI_GROUP = 50  # sentences of a meeting that stay together
TRANSLATORS: dict[Language, tuple[str, ...]] = {
    "ja": (
        "Translate the user's English into Japanese.",
        "You are a translator. Answer in Japanese.",
        "ユーザーの英語を日本語に翻訳してください。",
    ),
    "en": (
        "Translate the user's Japanese into English.",
        "You are a translator. Answer in English.",
        "ユーザーの日本語を英語に翻訳してください。",
    ),
}


def translation(
    source: str, group: str, english: str, japanese: str, rng: Random, to: Language | None = None
) -> Document:
    """A request to translate one of the two into the other, sometimes set up by a system prompt alone."""
    target = to if to is not None else rng.choice(LANGUAGES)
    given, wanted = (english, japanese) if target == "ja" else (japanese, english)
    if rng.random() < 0.15:
        messages = (Message("system", rng.choice(TRANSLATORS[target])), *exchange(given, wanted))
    else:
        messages = answered(translate(given, target, variant=any_variant(rng)), wanted)
    return Document(source, group, messages=messages, keys=keys_of(english, japanese))


def read_tatoeba(path: Path) -> Iterator[Document]:
    """Everyday sentences; the split goes by the English one, which may have several translations."""
    for index, line in enumerate(lines_of(path)):
        english, japanese = line.split("\t")[:2]
        yield translation("tatoeba", english, english, japanese, Random(index))


def read_tanaka(path: Path) -> Iterator[Document]:
    """Sentences of the Tanaka corpus, cut into tokens and in lower case: Japanese is whole again without the spaces,
    English is not, so it is only translated from.
    """
    japanese_lines = lines_of(path.with_name(path.name.replace(".en.", ".ja.")))
    for index, (english, japanese) in enumerate(zip(lines_of(path), japanese_lines, strict=True)):
        english, japanese = untokenized(english), japanese.replace(" ", "")
        yield translation("tanaka", english, english, japanese, Random(f"tanaka{index}"), to="ja")


def untokenized(english: str) -> str:
    """``i can 't go .`` -> ``I can't go.``"""
    text = re.sub(r" (?=[.,!?;:)]|'|n't\b)|(?<=\() ", "", english)
    text = re.sub(r"\bi\b", "I", text)
    return text[:1].upper() + text[1:]


def read_ami(path: Path) -> Iterator[Document]:
    """Sentences said in meetings, with a professional translation; those of three words and more."""
    for meeting in json.loads(text_of(path)):
        for index, turn in enumerate(meeting["conversation"]):
            english, japanese = (re.sub("[≪≫]", "", turn[key]) for key in ("en_sentence", "ja_sentence"))
            if len(english.split()) >= 3:
                group = f"ami/{meeting['id']}/{index // AMI_GROUP}"
                yield translation("ami", group, english, japanese, Random(f"{group}{index}"))


def read_python_docs(path: Path) -> Iterator[Document]:
    """Translated paragraphs of Python's documentation (gettext), up to 300 characters."""
    for member in members_of(path, r"\.po$"):
        for index, (english, japanese) in enumerate(po_pairs(member.text)):
            if 15 <= len(english) <= 300:
                rng = Random(f"{member.path}{index}")
                yield translation("python-docs", member.path, english, japanese, rng)


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
