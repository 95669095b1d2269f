"""Claims made from questions with answers: the right answer is borne out, another one of the article is not."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import Random

from owngpt.training.reader.examples import Claim, Language, Passages, Question

AROUND = 150  # characters before and behind the answer that are its evidence
_SWAPPED = re.compile(r"\d+|\b[A-Z][a-z]{3,}\b|[\u30a1-\u30fa\u30fc]{3,}")
_ANY = re.compile(r".+", re.DOTALL)
_SENTENCE = re.compile(r"[^。.!?！？\n]+[。.!?！？]?")


def answered(passages: Passages, language: Language, count: int) -> Iterator[Claim]:
    """Question and answer as one statement; every second one with an answer to another question on the article."""
    random = Random(f"answered-{language}")
    by_article: dict[str, list[Question]] = defaultdict(list)
    for question in passages.questions:
        by_article[passages.articles[question.passage]].append(question)
    questions = [question for question in passages.questions if question.language == language]
    for number, question in enumerate(random.sample(questions, min(count, len(questions)))):
        rivals = [one.text for one in by_article[passages.articles[question.passage]] if _differs(one, question)]
        is_supported = number % 2 == 0 or not rivals
        answer = question.text if is_supported else random.choice(rivals)
        text = passages.texts[question.passage]
        evidence = _around(text, question.start, question.start + len(question.text))
        yield Claim(language, "answered", f"{question.question} {answer}", evidence, is_supported)


def falsified(passages: Passages, language: Language, count: int) -> Iterator[Claim]:
    """Sentences of paragraphs; every second one with a number or a name of another paragraph in it."""
    random = Random(f"falsified-{language}")
    texts = sorted({passages.texts[one.passage] for one in passages.questions if one.language == language})
    strange = [word for text in texts for word in _SWAPPED.findall(text)]
    for number in range(count):
        text = random.choice(texts)
        sentence = random.choice(
            [found for found in _SENTENCE.finditer(text) if len(found[0]) > 12] or [*_ANY.finditer(text)]
        )
        said, evidence = _shortened(sentence[0].strip(), random), _around(text, sentence.start(), sentence.end())
        words = _SWAPPED.findall(said)
        if number % 2 and words:
            word = random.choice(words)
            others = [other for other in random.choices(strange, k=50) if _can_replace(other, word, text)]
            false = said.replace(word, others[0] if others else word[::-1], 1)
            yield Claim(language, "falsified", false, evidence, is_supported=False)
        else:
            yield Claim(language, "falsified", said, evidence, is_supported=True)


def _shortened(text: str, random: Random) -> str:
    return text[: max(12, int(len(text) * random.uniform(0.6, 1.0)))]


def _around(text: str, start: int, end: int) -> str:
    return text[max(0, start - AROUND) : end + AROUND]


def _differs(one: Question, other: Question) -> bool:
    return one.text not in other.text and other.text not in one.text


def _can_replace(other: str, word: str, text: str) -> bool:
    return other not in text and other[0].isdigit() == word[0].isdigit()


def made_claims(passages: Passages, count: int) -> Sequence[Claim]:
    """`count` of each kind and language."""
    return [
        claim
        for language in ("en", "ja")
        for make in (answered, falsified)
        for claim in make(passages, "en" if language == "en" else "ja", count)
    ]
