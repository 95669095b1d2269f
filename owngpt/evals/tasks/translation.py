"""Everyday sentences of Tatoeba, English to Japanese and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from owngpt.evals.task import Answer, Item, Task
from owngpt.evals.tasks.materials import Materials
from owngpt.evals.translation import bleu, chrf
from owngpt.text.held_out import is_held_out_of
from owngpt.text.prompts import Language, translate

NUM_ITEMS = 300
_FILE = "mt/tatoeba_eng_jpn.tsv.gz"
_WORDS = 4  # of an English sentence, at least


def _build(to: Language) -> Callable[[Materials], list[Item]]:
    def build(materials: Materials) -> list[Item]:
        pairs = [(line[0], line[1]) for line in materials.lines(_FILE)]
        known: dict[str, list[str]] = {}
        for english, japanese in pairs:
            given, wanted = (english, japanese) if to == "ja" else (japanese, english)
            if is_held_out_of("tatoeba", english) and len(english.split()) >= _WORDS:
                known.setdefault(given, []).append(wanted)
        order = sorted(known, key=lambda given: sha256(given.encode()).digest())
        return [_item(given, known[given], to) for given in order[:NUM_ITEMS]]

    return build


def _item(given: str, wanted: Sequence[str], to: Language) -> Item:
    return Item(given, translate(given, to), references=tuple(dict.fromkeys(wanted)), fields={"source": given})


def copy(items: Sequence[Item]) -> list[Answer]:
    """What was to be translated."""
    return [Answer(item.fields["source"]) for item in items]


def _task(name: str, title: str, title_ja: str, to: Language) -> Task:
    metrics = (chrf(), *bleu(to))
    return Task(name, title, title_ja, metrics, {"copy": copy}, _build(to), "data", max_tokens=96)


TASKS = (
    _task("translate.en-ja", "Translation, English to Japanese", "翻訳（英語→日本語）", "ja"),
    _task("translate.ja-en", "Translation, Japanese to English", "翻訳（日本語→英語）", "en"),
)
