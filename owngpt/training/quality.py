"""Which documents are worth training on: rules by kind, each with a name that the manifest counts.

The rules are those of C4, Gopher and The Stack in what they look at, set so that ordinary pages pass: they drop tables
of numbers, menus, broken encodings and text in another language than its source says.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from owngpt.training.documents import Kind

MIN_CHARACTERS = 80  # a shorter text tells too little to be judged by shares
_LATIN = re.compile(r"[A-Za-z]")
_KANA = re.compile(r"[\u3041-\u30ff]")
_JAPANESE = re.compile(r"[\u3041-\u30ff\u3400-\u9fff々〇ー]")
_WORDLIKE = re.compile(r"[\w\s]")
_MARKS = re.compile(r"<\|(?:endoftext|im_start|im_end|fim_\w+)\|>")  # what a tokenizer would not read as text
_MOJIBAKE = re.compile("\ufffd|Ã[\x80-\xbf]|â€|繧[^\\s]|縺[^\\s]")  # UTF-8 read as Latin-1 or Shift_JIS
_GENERATED = re.compile(
    r"(auto(matically)?[- ]?generated|generated (by|from|automatically)|do not (edit|modify))", re.IGNORECASE
)
_FORBIDDEN_LICENCE = re.compile(r"\b(A?GPL|LGPL|MPL|EUPL|SSPL)|NC\b|-NC-|\bND\b|-ND\b|proprietary", re.IGNORECASE)
_PERMISSIVE = re.compile(
    r"MIT|BSD|Apache|PSF|Python Software Foundation|ISC|0BSD|Unlicense|CC0|public domain|Zlib|HPND", re.IGNORECASE
)


def fault(text: str, kind: Kind) -> str | None:
    """The name of the rule that `text` breaks, None for a good one. The time is linear in its length."""
    if _MARKS.search(text):
        return "control_marks"
    if _share(_MOJIBAKE, text) > 0.001:
        return "mojibake"
    if kind == "chat" or len(text) < MIN_CHARACTERS:
        return None
    if _repeats(text):
        return "repeated_lines"
    return next((name for name, is_broken in _RULES[kind].items() if is_broken(text)), None)


def is_generated(source: str) -> bool:
    """Whether the head of a source file says that a program wrote it."""
    return _GENERATED.search(source[:600]) is not None


def is_permissive(licence: str) -> bool:
    """Whether a licence, as a package's metadata names it, lets anybody use and change the text."""
    return _PERMISSIVE.search(licence) is not None and not _FORBIDDEN_LICENCE.search(licence)


def is_usable(licence: str) -> bool:
    """Whether text under this licence may be trained on here: nothing non-commercial, without derivatives, or copyleft
    for software. Share-alike of texts (CC BY-SA) is given on with the text, of which the model holds none.
    """
    return bool(licence) and not _FORBIDDEN_LICENCE.search(licence)


def _share(pattern: re.Pattern[str], text: str) -> float:
    return len(pattern.findall(text)) / max(1, len(text))


def _repeats(text: str) -> bool:
    """Whether fewer than half of the longer lines are different ones."""
    lines = [line.strip() for line in text.splitlines() if len(line.strip()) > 10]
    return len(lines) >= 8 and len(set(lines)) < len(lines) / 2


def _is_symbols(limit: float) -> Callable[[str], bool]:
    return lambda text: 1 - _share(_WORDLIKE, text) > limit


def _is_numbers(text: str) -> bool:
    return sum(map(str.isdigit, text)) > 0.25 * len(text)


def _is_not_english(text: str) -> bool:
    letters = sum(map(str.isalpha, text))
    return letters < 0.5 * len(text) or _share(_LATIN, text) * len(text) < 0.9 * letters


def _is_not_japanese(text: str) -> bool:
    return _share(_JAPANESE, text) < 0.15 or _share(_KANA, text) < 0.05


def _is_data(text: str) -> bool:
    """Code whose lines are so long that nobody wrote them."""
    lines = text.splitlines()
    return max(map(len, lines)) > 1000 or sum(map(len, lines)) > 100 * len(lines)


_RULES: dict[Kind, dict[str, Callable[[str], bool]]] = {
    "english": {"symbols": _is_symbols(0.25), "numbers": _is_numbers, "language": _is_not_english},
    "japanese": {"symbols": _is_symbols(0.4), "numbers": _is_numbers, "language": _is_not_japanese},
    "code": {"symbols": _is_symbols(0.55), "numbers": _is_numbers, "long_lines": _is_data},
    "chat": {},
}
