"""Quotes in a grammar: text in which quotation marks stand only around words of a passage, behind its label.

An answer is free text with quotes in it, such as `They won "[2] the final by 24 to 10".` What follows the label is a
substring of that passage alone, from one word to another: llguidance makes a suffix automaton of the passage, so each
token is checked while it is chosen. `retrieval/cite.py` reads it back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from owngpt.text.tokenizer import Tokenizer

# Unicode's property Quotation_Mark; apostrophes apart, which English needs for other things
DOUBLE = '"«»“”„‟‹›⹂「」『』〝〞〟﹁﹂﹃﹄＂｢｣'
APOSTROPHES = "'‘’‚‛＇"
MIN_QUOTE = 8  # characters, where a passage has as many in a row; half of it where it is Japanese

_CUT = "\ue000"  # stands where a quote cannot go across; a private character, which no quote contains
# No quotation marks, apostrophes only behind a letter, no brackets that look like our labels
_FREE = rf"(?:[^{DOUBLE}{APOSTROPHES}\[【［]|[\p{{L}}\p{{N}}][{APOSTROPHES}]|\[[^0-9０-９{DOUBLE}{APOSTROPHES}\[【［])+"
_CHUNK = re.compile(  # what a quote is made of: it begins and ends between two of these
    r"\s+"
    r"|[A-Za-z0-9\u00c0-\u024f]+(?:['’.,\-][A-Za-z0-9\u00c0-\u024f]+)*"
    r"|[\u3041-\u3096]+|[\u30a1-\u30fa\u30fc]+|[\u3400-\u9fff々〇]+"
    r"|[^\W_]+|.",
    re.DOTALL,
)


_WIDE = re.compile("[\u3040-\u9fff]")


class QuoteMarks(NamedTuple):
    """What stands before a quote, and behind it."""

    open: str
    close: str


PAIRS = tuple(QuoteMarks(*pair) for pair in ('""', "“”", "«»", "「」", "『』"))
_JAPANESE_PAIRS = (*PAIRS[3:], *PAIRS[:3])


def choose_marks(texts: Iterable[str], *, is_japanese: bool) -> QuoteMarks:
    """The pair whose closing mark stands in these texts least often: a quote cannot go across it."""
    whole = "".join(texts)
    return min(_JAPANESE_PAIRS if is_japanese else PAIRS, key=lambda pair: whole.count(pair.close))


def label(number: int) -> str:
    """What stands between the opening mark and the quote: the passage, counted from 1."""
    return f"[{number}] "


@dataclass(frozen=True, slots=True)
class Quotable:
    """The passages that an answer may quote, in the order of their labels."""

    passages: Sequence[str]
    marks: QuoteMarks


@dataclass(frozen=True, slots=True)
class QuoteGrammar:
    """Rules for one answer in a model's tokens. `forbidden` are marks that mean something in its output: a quote holds
    at most a part of one, so that no document can speak in the model's place.
    """

    quotable: Quotable
    tokenizer: Tokenizer
    forbidden: Sequence[str] = ()

    def free(self, without: str = "") -> str:
        """The terminal of free text; `without` is a regex of which nothing may be in it."""
        return f"/{_FREE}/" if not without else f"/{_FREE}/ & ~/{without}/"

    def terminals(self) -> list[str]:
        """The terminal QUOTED, and what it is made of; empty where there is nothing to quote.

        A quote is one terminal with its marks, and with the free text before it: a lexer goes on with a terminal as
        long as it can, and the first byte of a mark is that of other characters, too.
        """
        found = [(number, self._words(text)) for number, text in enumerate(self.quotable.passages, start=1)]
        labelled = [(number, words) for number, words in found if words]
        if not labelled:
            return []
        opening, closing = self.quotable.marks
        terminals = ["QUOTED: " + " | ".join(f"QUOTED_{number}" for number, _ in labelled)]
        for number, words in labelled:
            start = _literal(opening + label(number))
            terminals += [f"QUOTED_{number}: {start} WORDS_{number} {_literal(closing)}", f"WORDS_{number}: {words}"]
        return terminals

    def _words(self, text: str) -> str:
        """A terminal: whole words of the text, in a row; empty where it has none."""
        pieces = self._cut(text).split(_CUT)
        least = min_quote(pieces)
        if not least:
            return ""
        chunks = [chunk for piece in pieces for chunk in (*_CHUNK.findall(piece), _CUT)][:-1]
        inner = f"[^{_CUT}]{{{least - 2},}}[^\\s{_CUT}]" if least > 1 else ""
        substring = json.dumps({"substring_chunks": chunks}, ensure_ascii=False)
        return f"%regex {substring} & /[^\\s{_CUT}]{inner}/"

    def _cut(self, text: str) -> str:
        """With cuts where the closing mark stands, inside forbidden marks, and for what these tokens cannot spell."""
        text = text.replace(self.quotable.marks.close, _CUT)
        for mark in self.forbidden:
            text = text.replace(mark, _CUT)
        strange = {character for character in set(text) if not self.tokenizer.can_spell(character)}
        return re.sub(f"[{re.escape(''.join(strange))}]", _CUT, text) if strange else text


def min_quote(pieces: Sequence[str]) -> int:
    """How many characters a quote of a passage in these pieces has at least: all of the longest, if it is short."""
    least = MIN_QUOTE // 2 if any(_WIDE.search(piece) for piece in pieces) else MIN_QUOTE
    return min(least, max(len(piece.strip()) for piece in pieces))


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
