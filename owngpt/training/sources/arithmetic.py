"""Small sums, asked in English and Japanese."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from owngpt.training.documents import Document
from owngpt.training.sources.talk import exchange, with_system

ASKED = (
    ("What is {sum}?", "{sum} = {result}"),
    ("{sum} =", "{result}"),
    ("Calculate {sum}.", "{sum} = {result}"),
    ("How much is {sum}?", "{sum} is {result}."),
    ("{sum}は？", "{result}です。"),
    ("{sum}を計算してください。", "{sum} = {result}です。"),
    ("{sum}はいくつですか？", "{sum}は{result}です。"),
)


def read_arithmetic() -> Iterator[Document]:
    """Additions and subtractions up to 20, the multiplication table, and some sums up to 99."""
    for index, (left, sign, right) in enumerate(_problems()):
        result = {"+": left + right, "-": left - right, "×": left * right}[sign]
        for round_number in range(2):
            rng = Random(index * 2 + round_number)
            question, answer = rng.choice(ASKED)
            words = {"sum": f"{left} {sign} {right}".replace(" ", rng.choice(("", " "))), "result": result}
            messages = with_system(exchange(question.format(**words), answer.format(**words)), rng)
            yield Document("arithmetic", f"{left}{sign}{right}", messages=messages)


def _problems() -> Iterator[tuple[int, str, int]]:
    for left in range(21):
        for right in range(21):
            yield left, "+", right
            if right <= left:
                yield left, "-", right
    for left in range(1, 10):
        for right in range(1, 10):
            yield left, "×", right
    rng = Random("sums")
    for _ in range(400):
        yield rng.randrange(10, 100), "+", rng.randrange(10, 100)
