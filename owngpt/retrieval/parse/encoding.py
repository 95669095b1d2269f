"""Bytes -> text: Unicode with or without a mark, the Japanese encodings, and Windows-1252 for the rest."""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_JIS = re.compile(rb"\x1b(\$[@B]|\([JI])")
_JAPANESE = re.compile("[ぁ-ゖァ-ヺー一-鿿々〇、。，．「」『』（）！？：・〜～－Ａ-Ｚａ-ｚ０-９　①-⑳■□●○◆△▲→㈱〒]{2,}")
_KANA = re.compile("[ぁ-ゖァ-ヺー、。]")
_FOREIGN = re.compile("[\x80-\U0010ffff]")
_HALF_WIDTH = re.compile("[｡-ﾟ]")
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.I)
_SAMPLE = 200_000  # bytes that the Japanese encodings are told apart by


def decode(data: bytes, declared: str | None = None) -> tuple[str, tuple[str, ...]]:
    """The text, and what a reader has to know about it (bytes that stand for nothing). Never fails."""
    name = encoding_of(data, declared)
    text = data.decode(name, "replace")
    lost = text.count("\ufffd") - data.count("\ufffd".encode())
    return text, (f"{lost} bytes are no characters in {name}",) if lost > 0 else ()


def encoding_of(data: bytes, declared: str | None = None) -> str:
    """The name of the encoding: by its mark, by what is valid UTF-8, by escapes, as declared, by what it looks like."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    if unmarked := _unmarked_utf16(data):
        return unmarked
    if _JIS.search(data) and max(data) < 0x80:
        return "iso2022_jp_ext"
    if _decodes(data, "utf-8"):
        return "utf-8"
    stated = declared or _stated(data)
    if stated and _is_known(stated) and _decodes(data, stated):
        return "cp932" if codecs.lookup(stated).name == "shift_jis" else stated
    return _japanese(data) or ("utf-8" if _is_mostly_utf8(data) else "cp1252")


def is_text(data: bytes) -> bool:
    """Whether there is any encoding in which these bytes look like text."""
    if data.startswith(tuple(mark for mark, _ in _MARKS)) or _unmarked_utf16(data):
        return True
    sample = data[:_SAMPLE]
    strange = sum(sample.count(byte) for byte in (*range(8), *range(14, 27), *range(28, 32)))
    return b"\x00" not in sample and strange <= len(sample) / 100


def _unmarked_utf16(data: bytes) -> str | None:
    """By the zeros in every second byte, or by what Japanese looks like."""
    even, odd = data[:4000:2], data[1:4000:2]
    if len(data) % 2 or b"\x00" not in even + odd:
        return None
    for name, high in (("utf-16-le", odd), ("utf-16-be", even)):
        low = even if high is odd else odd
        rows = high.count(0) + sum(high.count(row) for row in (0x30, *range(0x4E, 0x70), 0xFF))
        if rows > 0.6 * len(high) and low.count(0) < 0.1 * len(low) and _decodes(data, name):
            return name
    return None


def _japanese(data: bytes) -> str | None:
    """The Japanese encoding in which most of what is not ASCII reads as Japanese."""
    best, best_score = None, 0.6
    for name in ("cp932", "euc_jp", "euc_jis_2004"):
        sample = data[:_SAMPLE]
        text = sample.decode(name, "replace")
        foreign = len(_FOREIGN.findall(text)) or 1
        if text.count("\ufffd") > max(1, foreign // 100):
            continue
        runs = sum(map(len, _JAPANESE.findall(text)))
        score = (runs + len(_KANA.findall(text)) - len(_HALF_WIDTH.findall(text))) / foreign
        if score > best_score:
            best, best_score = name, score
    return best


def _stated(data: bytes) -> str | None:
    """What a meta tag or an XML declaration says."""
    found = _DECLARED.search(data[:2048])
    return found[1].decode("ascii") if found else None


def _is_known(name: str) -> bool:
    try:
        codecs.lookup(name).name  # noqa: B018
        return "x".encode(name, "replace") != b""
    except (LookupError, TypeError, ValueError):
        return False


def _decodes(data: bytes, name: str) -> bool:
    try:
        data.decode(name)
    except (UnicodeError, LookupError, ValueError):
        return False
    return True


def _is_mostly_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    return text.count("\ufffd") * 50 < len(_FOREIGN.findall(text))
