"""Prose: novels in Japanese and English, technical documents in both. Yields pieces of a page or two.

Each cleaner leaves what a reader would read: no ruby, no editor's notes, no tags, no front matter, no link targets.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from owngpt.training.documents import Document
from owngpt.training.sources.archives import Member, lines_of, members_of

PIECE_CHARS = 3000


def pieces(text: str, limit: int = PIECE_CHARS) -> Iterator[str]:
    """Cut text at blank lines (or line ends) into pieces of about `limit` characters; drops pieces under 80."""
    piece = ""
    for block in re.split(r"(?<=\n)", text):
        if piece and len(piece) + len(block) > limit and (piece.endswith("\n\n") or len(piece) > limit):
            yield from _if_long_enough(piece)
            piece = ""
        piece += block
    yield from _if_long_enough(piece)


def _if_long_enough(piece: str) -> Iterator[str]:
    if len(piece.strip()) >= 80:
        yield piece.strip()


def clean_aozora(text: str) -> str:
    """Aozora Bunko's markup -> the text alone: no ruby, no notes, no legend, no colophon."""
    text = text.replace("\r\n", "\n")
    text = re.sub(r"-{20,}\n.*?\n-{20,}\n", "\n", text, count=1, flags=re.DOTALL)
    text = re.split(r"\n底本[：:]", text, maxsplit=1)[0]
    text = re.sub(r"※?［＃[^］]*］|《[^》]*》|｜", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def clean_xhtml(text: str) -> str:
    """An XHTML chapter -> its paragraphs, separated by blank lines."""
    body = re.sub(r"(?s)^.*?<body[^>]*>|</body>.*$|<a [^>]*noteref[^>]*>.*?</a>", "", text)
    body = re.sub(r"\s+", " ", body)
    body = re.sub(r"</(p|h\d|li|blockquote|header|tr)>|<br\s*/?>", "\n\n", body)
    body = html.unescape(re.sub(r"<[^>]+>", "", body)).replace("\ufeff", "").replace("\u2060", "")
    return re.sub(r"\s*\n\s*\n\s*", "\n\n", re.sub(r"[ \u00a0\u200a]+", " ", body)).strip()


def clean_markdown(text: str) -> str:
    """Markdown -> the same without front matter, HTML, templates, images and link targets."""
    text = re.sub(r"\A\s*---\n.*?\n---\n", "", text.replace("\r\n", "\n"), flags=re.DOTALL)
    text = re.sub(r"(?s)<!--.*?-->|<(script|style)\b.*?</\1>", "", text)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)|\{[%{].*?[%}]\}|<[^>\n]+>|\{#[^}\n]*\}|^:::.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\[([^\]\n]*)\]\([^)\n]*\)|\[([^\]\n]*)\]\[[^\]\n]*\]", r"\1\2", text)
    text = re.sub(r"^\[[^\]]+\]:.*$", "", text, flags=re.MULTILINE)
    return _tidy(text)


def clean_rst(text: str) -> str:
    """reStructuredText -> the same without directives' options, comments, roles, headers' field lists and rules."""
    text = re.sub(r"(?ms)\A(?:^[A-Z][\w-]*:.*?\n(?:[ \t]+.*\n)*)+", "", text)
    text = re.sub(r"^\.\. .*$|^[ \t]+:[\w-]+:.*$|^([=\-~^\"'*+#`])\1{3,}$", "", text, flags=re.MULTILINE)
    return _tidy(strip_roles(text))


def strip_roles(text: str) -> str:
    """``:role:`label <target>` `` and ``link`_`` -> the label."""
    text = re.sub(r":[\w:+-]+:`[!~]?([^`<]*?)(?:\s*<[^`>]*>)?`", r"\1", text)
    return re.sub(r"`([^`<]+?)\s*<[^`>]*>`__?", r"\1", text)


def clean_rd(text: str) -> str:
    """Ruby's reference manual (RD) -> the same without preprocessor lines and link brackets."""
    text = re.sub(r"^#@.*$", "", text, flags=re.MULTILINE)
    return _tidy(re.sub(r"\[\[(?:\w+:)?([^\]]*)\]\]", r"\1", text))


def _tidy(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", html.unescape(text), flags=re.MULTILINE)).strip()


def read_aozora(path: Path) -> Iterator[Document]:
    """Public-domain Japanese novels (Shift_JIS)."""
    for member in members_of(path, r"^cards/.*\.txt$"):
        yield from _documents("aozora", member, clean_aozora(member.data.decode("cp932", errors="ignore")))


def read_ebooks(path: Path) -> Iterator[Document]:
    """Public-domain English novels, a chapter per file."""
    boilerplate = r"/(colophon|imprint|titlepage|halftitlepage|uncopyright|loi|endnotes|dedication)\.xhtml$"
    for member in members_of(path, r"\.xhtml$"):
        if not re.search(boilerplate, member.path):
            yield from _documents("ebooks", member, clean_xhtml(member.text))


def read_markup(source: str) -> Callable[[Path], Iterator[Document]]:
    """A reader for an archive of Markdown, reStructuredText and RD files."""

    def read(path: Path) -> Iterator[Document]:
        for member, text in cleaned_members(path):
            yield from _documents(source, member, text)

    return read


def cleaned_members(path: Path) -> Iterator[tuple[Member, str]]:
    """The pages of an archive of Markdown, reStructuredText and RD files, with their cleaned text."""
    for member in members_of(path, r"\.(md|markdown|rst)$|/refm/api/src/[^.]+(\.rd)?$"):
        if not re.search(r"LICENSE|README\.md$|_includes/", member.path):
            yield member, _clean_markup(member)


def read_squality(path: Path) -> Iterator[Document]:
    """Short stories of Project Gutenberg that a summary set was made of, without the set's summaries."""
    for line in lines_of(path):
        item = json.loads(line)
        group = f"squality/{item['metadata']['passage_id']}"
        yield from (Document("stories", group, piece) for piece in pieces(clean_gutenberg(item["document"])))


def clean_gutenberg(text: str) -> str:
    """A plain text of Project Gutenberg -> paragraphs in one line each, without what was added about the text."""
    text = re.sub(r"(?s)Produced by .*?pgdp\.net|\[Transcriber.s Notes?:.*?\]|\[Illustration.*?\]", "", text)
    paragraphs = re.split(r"\n[ \t]*\n\s*", text.replace("\r\n", "\n"))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip())


def _clean_markup(member: Member) -> str:
    if member.path.endswith(".rst"):
        return clean_rst(member.text)
    return clean_markdown(member.text) if member.path.endswith(("md", "markdown")) else clean_rd(member.text)


def _documents(source: str, member: Member, text: str) -> Iterator[Document]:
    return (Document(source, member.path, piece) for piece in pieces(text))
