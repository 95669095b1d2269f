"""Text -> the terms that it is found by, the same for documents and queries.

Words lose case, accents and English endings (Snowball's). What is written without spaces, such as Japanese, becomes
pairs of characters, with single kanji and whole katakana words beside them. An identifier, a number with units or a
compound is found whole and by its parts. `ANALYSIS` names these rules: where they change, old segments are made anew.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import version

from snowballstemmer.english_stemmer import EnglishStemmer

ANALYSIS = f"1 snowball {version('snowballstemmer')}"
MAX_LENGTH = 64  # of a term in characters; what is longer is no word, and is cut

_UNSPACED = "\u3005-\u3007\u3041-\u3096\u30a1-\u30fa\u30fc\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED += "\uac00-\ud7a3\u0e00-\u0e3a\u0e40-\u0e4e\u0e80-\u0eff\u1000-\u109f\u1780-\u17d3"  # Hangul, Thai, Lao, ...
_LETTER = rf"(?:[^\W_{_UNSPACED}]|[\u0300-\u036f\u0900-\u0dff])"
_WORD = rf"{_LETTER}+(?:['’]{_LETTER}+)?"
_RUN = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|{_WORD}(?:[-_.@/]{_WORD})*")
_PART = re.compile(rf"{_WORD}")
_SEAM = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_KATAKANA = re.compile("[\u30a1-\u30fa\u30fc]{3,}")
# what a question is asked with, not what it is about (Lucene's English list, pronouns, auxiliaries, question words)
_FUNCTION_WORDS = """
a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to was
will with i me my we us our you your he him his she her its do does did done doing can could may might must shall should
would have has had having am been being were what which who whom whose when where why how get got from about some any so
than too very just also
"""
_stemmer, _stemming = EnglishStemmer(), threading.Lock()  # one word at a time: it keeps state


def terms(text: str) -> Iterator[str]:
    """Every occurrence of every term, in order."""
    for match in _RUN.finditer(unicodedata.normalize("NFKC", text)):
        run = match.group()
        yield from _pieces(run) if match.group("unspaced") else _words(run)


def query_terms(text: str) -> list[str]:
    """Those of a query: without function words, unless it has nothing else. Documents keep theirs for such queries."""
    found = list(terms(text))
    return [term for term in found if term not in _function_terms()] or found


def _pieces(run: str) -> Iterator[str]:
    """Of a run without spaces: pairs of characters, each ideograph, each katakana word."""
    yield from (run[i : i + 2] for i in range(len(run) - 1))
    yield from (character for character in run if character >= "\u3400" and not "\uac00" <= character <= "\ud7a3")
    for match in _KATAKANA.finditer(run):
        yield match.group().rstrip("ー")[:MAX_LENGTH]  # サーバー is サーバ
    if len(run) == 1 and run < "\u3400":
        yield run


def _words(run: str) -> Iterator[str]:
    """Of a word or compound: its parts, and the whole where there are several."""
    parts = [piece for part in _PART.findall(run) for piece in _SEAM.split(part)]
    yield from map(word_term, parts)
    if len(parts) > 1:
        yield word_term("".join(_PART.findall(run)))


@lru_cache(maxsize=2**16)
def word_term(word: str) -> str:
    """Of one word: lower case, no accents, no English ending."""
    decomposed = unicodedata.normalize("NFD", word.casefold().replace("’", "'"))
    plain = "".join(character for character in decomposed if not "\u0300" <= character <= "\u036f")[:MAX_LENGTH]
    with _stemming:
        return str(_stemmer.stemWord(plain)) if plain.isascii() else plain


@lru_cache(maxsize=1)
def _function_terms() -> frozenset[str]:
    return frozenset(term for word in _FUNCTION_WORDS.split() for term in terms(word))
