"""Which passage answers a question, among a thousand: SQuAD and JaQuAD, questions of held-out paragraphs.

What searches is not a model of language, so `cli/eval_product.py` answers: the product's own search, beside BM25.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from owngpt.evals.beir import Document
from owngpt.evals.graders import ndcg
from owngpt.evals.task import Item, Task
from owngpt.evals.tasks.answers import Question, paragraphs, questions
from owngpt.evals.tasks.materials import Materials
from owngpt.text.prompts import Language

NUM_ITEMS, NUM_PASSAGES = 300, 1_000
LONGEST: dict[Language, int] = {"en": 700, "ja": 350}  # characters of a passage


def pool(materials: Materials, language: Language) -> list[Document]:
    """What is searched: every passage that answers a question of the task, and others up to `NUM_PASSAGES`."""
    wanted = {one.paragraph for one in _asked(materials, language)}
    found = ((name, paragraph["context"]) for _, name, paragraph in paragraphs(materials, language))
    known = {name: text for name, text in found if len(text) <= LONGEST[language]}
    others = sorted(known.keys() - wanted, key=lambda name: sha256(name.encode()).digest())
    chosen = sorted(wanted) + others[: max(0, NUM_PASSAGES - len(wanted))]
    return [Document(name, known[name]) for name in chosen]


def _asked(materials: Materials, language: Language) -> Sequence[Question]:
    short = [one for one in questions(materials, language) if len(one.passage) <= LONGEST[language]]
    return short[:NUM_ITEMS]


def _build(language: Language) -> Callable[[Materials], list[Item]]:
    def build(materials: Materials) -> list[Item]:
        texts = "\n".join(document.text for document in pool(materials, language))
        searched = sha256(texts.encode()).hexdigest()[:16]
        return [
            Item(str(n), references=(one.paragraph,), fields={"question": one.text, "pool": searched})
            for n, one in enumerate(_asked(materials, language))
        ]

    return build


def _task(language: Language, title: str, title_ja: str) -> Task:
    return Task(f"search.{language}", title, title_ja, (ndcg(),), {}, _build(language), "data")


TASKS = (
    _task("en", "Search among 1,000 passages, English", "千の文章からの検索（英語）"),
    _task("ja", "Search among 1,000 passages, Japanese", "千の文章からの検索（日本語）"),
)
