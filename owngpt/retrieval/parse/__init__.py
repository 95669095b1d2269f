"""Files -> documents: one small module per format. Libraries are loaded when a file of their format comes.

What a stranger sends can make any parser hang or take all memory, so the server calls `retrieval.parser` instead, which
runs this in a process of its own, with limits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from owngpt.retrieval.document import MAX_CHARACTERS, Document, DocumentBuilder, DocumentError, UnsupportedFile
from owngpt.retrieval.parse.detect import Kind, detect
from owngpt.retrieval.parse.encoding import decode

Progress = Callable[[int, int], None]  # pages done, pages in all

MAX_DEPTH = 4  # of messages that are attached to messages
VERSION = 1  # of what comes out: another one makes documents that were kept be read again


def parse(filename: str, data: bytes, progress: Progress = lambda done, total: None, depth: int = 0) -> Document:
    """The text of a file with its positions. What kind of file it is, its content says, and then its name.

    Raises `DocumentError`, with the name of the file and what is to be done, for one that is empty, broken, locked, has
    no text (scanned pages), or is of a kind that is not read here.
    """
    try:
        document = _parse(filename, data, progress, depth)
        if len(document.text) > MAX_CHARACTERS:
            raise DocumentError(f"the text has more than {MAX_CHARACTERS:,} characters; split the file")
        if not document.text.strip():
            raise DocumentError("the file has no text")
    except DocumentError as error:
        raise type(error)(f"{filename}: {error.message}", code=error.code) from error
    except MemoryError:
        raise DocumentError(f"{filename}: the file takes too much memory to be read; split it") from None
    except RecursionError:
        raise DocumentError(f"{filename}: the file is nested too deeply to be read; simplify it") from None
    return document


def _parse(filename: str, data: bytes, progress: Progress, depth: int) -> Document:
    if not data:
        raise DocumentError("the file is empty (0 bytes)")
    match detect(filename, data):
        case "pdf":
            from owngpt.retrieval.parse.pdf import parse_pdf

            return parse_pdf(data, progress)
        case "docx":
            from owngpt.retrieval.parse.docx import parse_docx

            return parse_docx(data)
        case "pptx":
            from owngpt.retrieval.parse.pptx import parse_pptx

            return parse_pptx(data, progress)
        case "xlsx":
            from owngpt.retrieval.parse.xlsx import parse_xlsx

            return parse_xlsx(data, progress)
        case "email":
            from owngpt.retrieval.parse.email import parse_email

            return parse_email(data, _attachments(depth))
        case kind:
            return _parse_text(kind, data)


def _parse_text(kind: Kind, data: bytes) -> Document:
    text, notes = decode(data)
    document = _text_parser(kind)(text)
    return replace(document, notes=(*notes, *document.notes))


def _text_parser(kind: Kind) -> Callable[[str], Document]:
    match kind:
        case "html":
            from owngpt.retrieval.parse.html import parse_html

            return parse_html
        case "markdown":
            from owngpt.retrieval.parse.markdown import parse_markdown

            return parse_markdown
        case "csv":
            from owngpt.retrieval.parse.csv import parse_csv

            return parse_csv
        case "json":
            from owngpt.retrieval.parse.json import parse_json

            return parse_json
        case "code":
            from owngpt.retrieval.parse.text import parse_code

            return parse_code
        case _:
            from owngpt.retrieval.parse.text import parse_text

            return parse_text


def _attachments(depth: int) -> Callable[[DocumentBuilder, str, bytes], None]:
    """How the attachments of a message are read: what cannot be read is named, and the message stays."""

    def add(builder: DocumentBuilder, filename: str, data: bytes) -> None:
        try:
            if depth >= MAX_DEPTH:
                raise UnsupportedFile(f"{filename}: messages inside messages are read {MAX_DEPTH} deep")
            builder.extend(parse(filename, data, depth=depth + 1), heading=f"Attachment: {filename}")
        except DocumentError as error:
            builder.notes.append(f"attachment not read: {error.message}")

    return add
