"""Parser: hostile files end in a clear error, within their time and memory, and harm nobody else."""

from __future__ import annotations

import os
import random
import signal
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
from docx import Document as WordDocument

from owngpt.errors import NotFound
from owngpt.retrieval.document import Document, DocumentError, UnsupportedFile
from owngpt.retrieval.parse import parse
from owngpt.retrieval.parser import Parser, ParserProcess
from tests.retrieval.parse.pdfs import pdf


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    parser = Parser()
    yield parser
    parser.close()


def test_a_document_comes_back_whole(parser: Parser) -> None:
    data = pdf(["# Title", "Some text."], ["More."])
    assert parser.parse("a.pdf", data) == parse("a.pdf", data)
    assert Document.from_bytes(parse("a.pdf", data).to_bytes()) == parse("a.pdf", data)


def test_errors_come_back_as_they_are(parser: Parser) -> None:
    with pytest.raises(UnsupportedFile, match=r"a\.png: it is a PNG image") as caught:
        parser.parse("a.png", b"\x89PNG\r\n\x1a\n")
    assert caught.value.code == "unsupported_file"
    with pytest.raises(NotFound, match="page 9 does not exist"):
        parser.page_image(pdf(["x"]), 9)
    assert parser.page_image(pdf(["x"]), 1, ("x", 0, 1)).startswith(b"\x89PNG")


def zipped(**parts: bytes) -> bytes:
    data = BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {"[Content_Types].xml": b"<Types/>", **parts}.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return data.getvalue()


def far_cell() -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active["XFD1048576"] = "far"
    data = BytesIO()
    book.save(data)
    return data.getvalue()


LAUGHS = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 20) for i in range(9)
)
NESTED_MAIL = b"From: a@b.c\r\nSubject: x\r\nContent-Type: message/rfc822\r\n\r\n" * 500

HOSTILE = {
    "empty.txt": (b"", "the file is empty"),
    "blank.txt": (b" \n\t \n", "has no text"),
    "bomb.docx": (zipped(word__document_xml=b"0" * 30_000_000), "too much to be read"),
    "laughs.docx": (zipped(word__document_xml=LAUGHS + b"]><l>&j;</l>"), "broken"),
    "nothing.docx": (zipped(word__document_xml=b"<x/>"), "broken"),
    "cut.xlsx": (far_cell()[:3000], "broken"),
    "old.doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000), "Office 97-2003"),
    "locked.docx": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "is encrypted"),
    "archive.zip": (zipped(a=b"x"), "ZIP archive"),
    "random.bin": (bytes(range(256)) * 40, "binary file"),
    "cut.pdf": (pdf(["x"])[:400], "broken"),
    "sound.mp3": (b"ID3\x04\x00\x00" + bytes(100), "sound file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_read_says_why(parser: Parser, name: str) -> None:
    data, reason = HOSTILE[name]
    start = time.monotonic()
    with pytest.raises(DocumentError, match=reason) as caught:
        parser.parse(name, data)
    assert caught.value.message.startswith(name)
    assert time.monotonic() - start < 10


def test_deep_nesting_is_read_or_refused_but_never_kills(parser: Parser) -> None:
    too_deep = {"c.html": b"<html><body>" + b"<div>" * 100_000 + b"text", "d.eml": NESTED_MAIL + b"text"}
    deep = {
        "a.html": b"<html><body>" + b"<div>" * 1_000 + b"text",
        "b.json": b"[" * 200_000 + b"1" + b"]" * 200_000,
        "d.md": b"> " * 50_000 + b"text",
    }
    for name, data in too_deep.items():
        with pytest.raises(DocumentError, match=f"{name}: .*nested too deeply"):
            parser.parse(name, data)
    for name, data in deep.items():
        assert parser.parse(name, data).text.endswith(data[-4:].decode())
    assert parser.parse("a.txt", b"still here").text == "still here"


def test_a_sheet_that_claims_to_be_huge_is_read_or_refused_in_time(parser: Parser) -> None:
    start = time.monotonic()
    assert parser.parse("far.xlsx", far_cell()).text.endswith("far")
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("seed", range(3))
def test_broken_files_are_read_or_refused(parser: Parser, seed: int) -> None:
    """Bytes at random places are others, or the end is missing; whatever that does, the file's name is told."""
    chance = random.Random(seed)
    for name, whole in {"a.pdf": pdf(["# Some", "text"], ["more"]), "b.xlsx": far_cell(), "c.docx": word()}.items():
        for _ in range(12):
            data = bytearray(whole[: chance.randrange(len(whole) // 2, len(whole) + 1)])
            for _ in range(chance.randrange(20)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                parser.parse(name, bytes(data))
            except DocumentError as error:
                told = error.message
                assert told.startswith(name)


def word() -> bytes:
    document = WordDocument()
    document.add_heading("Title")
    document.add_paragraph("Text.")
    data = BytesIO()
    document.save(data)
    return data.getvalue()


def test_a_wrong_extension_changes_nothing(parser: Parser) -> None:
    assert parser.parse("a.docx", pdf(["I am a PDF."])).text == "I am a PDF."
    assert parser.parse("a.pdf", b"<!doctype html><title>t</title><p>I am HTML.").text == "I am HTML."
    assert parser.parse("a.xlsx", "私はテキストです。".encode("cp932")).text == "私はテキストです。"


def test_a_file_that_takes_too_long_is_given_up() -> None:
    process = ParserProcess(patience=0.3)
    os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(DocumentError, match=r"a\.txt: the file takes longer than 0\.3 s"):
        process.ask({"task": "parse", "filename": "a.txt"}, b"text", lambda done, total: None)
    assert not process.is_usable
    process.close()


def test_a_process_that_dies_fails_its_file_alone(parser: Parser) -> None:
    process = ParserProcess(patience=10)
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(DocumentError, match="makes its reader fail"):
        process.ask({"task": "parse", "filename": "a.txt"}, b"text", lambda done, total: None)
    process.close()
    assert parser.parse("a.txt", b"text").text == "text"


def test_a_process_sees_no_secrets_and_writes_no_files(parser: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNGPT_API_KEY", "secret")
    process = ParserProcess(patience=10)
    process.ask({"task": "parse", "filename": "a.txt"}, b"text", lambda done, total: None)
    assert b"secret" not in Path(f"/proc/{process.pid}/environ").read_bytes()
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    assert "Max file size             0                    0" in limits
    process.close()


def test_progress_is_reported(parser: Parser) -> None:
    seen: list[tuple[int, int]] = []
    pages = [[f"line {i} of page {n}" for i in range(60)] for n in range(150)]
    parser.parse("a.pdf", pdf(*pages), lambda *progress: seen.append(progress))
    assert all(total == 150 and 0 < done <= 150 for done, total in seen)
