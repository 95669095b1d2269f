"""What kind of file this is: its content says it, and only where that is open, its name."""

from __future__ import annotations

import re
import zipfile
from io import BytesIO
from pathlib import PurePath
from typing import Literal

from owngpt.retrieval.document import DocumentError, UnsupportedFile
from owngpt.retrieval.parse.encoding import is_text

Kind = Literal["pdf", "docx", "pptx", "xlsx", "email", "html", "markdown", "csv", "json", "code", "text"]

_OFFICE: dict[str, Kind] = {"word/": "docx", "ppt/": "pptx", "xl/": "xlsx"}
_CODE_ENDINGS = """
py pyi js mjs cjs ts tsx jsx java kt kts c h cc cpp cxx hpp cs go rs rb php swift m mm scala sh bash zsh ps1 bat sql
r jl lua pl pm hs ml ex exs erl clj dart vue svelte css scss less xml xsd xsl svg yaml yml toml ini cfg conf tex
proto graphql tf cmake gradle dockerfile makefile ipynb
"""
_CODE = frozenset(_CODE_ENDINGS.split())
_NAMES: dict[str, Kind] = {
    **dict.fromkeys(_CODE, "code"),
    **dict.fromkeys(("htm", "html", "xhtml"), "html"),
    **dict.fromkeys(("md", "markdown", "mdx"), "markdown"),
    **dict.fromkeys(("csv", "tsv"), "csv"),
    **dict.fromkeys(("json", "jsonl", "ndjson", "geojson"), "json"),
    **dict.fromkeys(("eml", "mht", "mhtml"), "email"),
}
_OTHERS = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"BM", "a bitmap image"),
    (b"{\\rtf", "an RTF file; save it as DOCX or PDF"),
    (b"\x1f\x8b", "a gzip archive; unpack it"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it"),
    (b"Rar!", "a RAR archive; unpack it"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"ID3", "a sound file"),
    (b"OggS", "a sound file"),
    (b"RIFF", "a sound, picture or film file"),
    (b"\x00\x00\x00\x18ftyp", "a film file"),
    (b"\x00\x00\x00\x20ftyp", "a film file"),
    (b"SQLite format 3", "a database"),
    (b"%!PS", "a PostScript file; save it as PDF"),
)
_HTML = re.compile(
    rb"\s*(<\?xml[^>]{0,200}>\s*)?(?:(?><!--.{0,2000}?-->)\s*+)*+<(!doctype\s+html|html|head|body)\b", re.I | re.S
)
_HEADER = re.compile(rb"([A-Za-z][A-Za-z0-9-]{0,60}):[ \t]?[^\r\n]*(\r?\n[ \t][^\r\n]*)*(\r?\n|$)")


def detect(filename: str, data: bytes) -> Kind:
    """The kind of a file that is not empty. Raises `DocumentError` if it is none that can be read."""
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith(b"PK\x03\x04"):
        return _archive(data)
    if data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise _compound(data)
    for magic, name in _OTHERS:
        if data.startswith(magic) and not (magic.isalpha() and is_text(data)):
            raise UnsupportedFile(f"it is {name}, which is not read here")
    if not is_text(data):
        raise UnsupportedFile("it is a binary file of a kind that is not read here")
    return _text(filename, data)


def _text(filename: str, data: bytes) -> Kind:
    if _HTML.match(data, 3 if data.startswith(b"\xef\xbb\xbf") else 0):
        return "html"
    if _is_email(data):
        return "email"
    path = PurePath(filename.lower())
    named = _NAMES.get(path.suffix[1:]) or _NAMES.get(path.name)
    if named in (None, "json") and data.lstrip()[:1] in (b"{", b"["):
        return "json"
    return "text" if named in (None, "json", "email") else named


def _is_email(data: bytes) -> bool:
    names: set[bytes] = set()
    place = 0
    while (match := _HEADER.match(data, place, place + 20_000)) and len(names) < 100:
        names.add(match[1].lower())
        place = match.end()
    return bool(names & {b"from", b"received", b"return-path"}) and bool(
        names & {b"date", b"subject", b"message-id", b"mime-version"}
    )


def _archive(data: bytes) -> Kind:
    """An office file by the folder of its parts."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = archive.namelist()
            kept = archive.read("mimetype")[:80] if "mimetype" in names else b""
    except Exception as error:
        raise DocumentError(f"it is a ZIP archive or office file that is broken ({error}); send it again") from error
    for folder, kind in _OFFICE.items():
        if "[Content_Types].xml" in names and any(name.startswith(folder) for name in names):
            if "xl/workbook.bin" in names:
                raise UnsupportedFile("it is a binary workbook (.xlsb), which is not read here; save it as XLSX")
            return kind
    if b"opendocument" in kept:
        raise UnsupportedFile("it is an OpenDocument file, which is not read here; save it as DOCX, XLSX, PPTX or PDF")
    if b"epub" in kept:
        raise UnsupportedFile("it is an EPUB book, which is not read here; save it as PDF or HTML")
    raise UnsupportedFile("it is a ZIP archive, which is not read here; unpack it and send the files")


def _compound(data: bytes) -> DocumentError:
    """An office file from before 2007, or a newer one that is locked."""
    if "EncryptedPackage".encode("utf-16-le") in data:
        return DocumentError("the file is encrypted; remove the password and send it again")
    return UnsupportedFile("it is a file of Office 97-2003, which is not read here; save it as DOCX, XLSX, PPTX or PDF")
