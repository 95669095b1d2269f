"""Arithmetic with its steps written out, made here: sums by columns, products by parts, chains and word problems.

A problem's group is its expression, so that no pair of operands that is measured was ever trained on, in any language
or order. Digits are tokens of their own, so columns are what a small model can learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import NamedTuple

from owngpt.text.prompts import LANGUAGES, Language, final_line, solve
from owngpt.training.documents import Document
from owngpt.training.sources.talk import answered, any_variant

NUM_PROBLEMS = 45_000
COLUMNS: dict[Language, tuple[str, ...]] = {
    "en": ("ones", "tens", "hundreds", "thousands", "ten thousands"),
    "ja": ("一の位", "十の位", "百の位", "千の位", "一万の位"),
}
CARRY = {"en": "carry 1", "ja": "1繰り上がり"}
BORROW = {"en": "borrow 1", "ja": "1借りる"}
QUESTIONS: dict[Language, tuple[str, ...]] = {
    "en": ("What is {0}?", "Calculate {0}.", "How much is {0}?", "{0} ="),
    "ja": ("{0}はいくつですか？", "{0}を計算してください。", "{0}は？", "{0} ="),
}


class Problem(NamedTuple):
    """One problem: its expression (the group), the question, and the lines that solve it."""

    expression: str
    question: str
    steps: Sequence[str]
    result: int

    def solution(self, language: Language) -> str:
        """The steps and the final line."""
        return "\n".join([*self.steps, final_line(str(self.result), language)])


def read_steps(num_problems: int = NUM_PROBLEMS) -> Iterator[Document]:
    """Problems of all sorts in turn, each in one language."""
    for index in range(num_problems):
        rng = Random(f"steps{index}")
        language = LANGUAGES[index % 2]
        problem = SORTS[index // 2 % len(SORTS)](rng, language)
        asked = solve(problem.question, language, variant=any_variant(rng))
        messages = answered(asked, problem.solution(language))
        yield Document("steps", problem.expression, messages=messages)


def addition(rng: Random, language: Language) -> Problem:
    """Two numbers of one to four digits, added column by column."""
    left, right = _number(rng), _number(rng)
    return Problem(
        _unordered(left, "+", right),
        _ask(f"{left} + {right}", rng, language),
        add_steps(left, right, language),
        left + right,
    )


def subtraction(rng: Random, language: Language) -> Problem:
    """The smaller of two numbers taken from the larger, column by column."""
    left, right = sorted((_number(rng), _number(rng)), reverse=True)
    return Problem(
        f"{left}-{right}", _ask(f"{left} - {right}", rng, language), subtract_steps(left, right, language), left - right
    )


def multiplication(rng: Random, language: Language) -> Problem:
    """A number of two or three digits times one of one or two, by the parts of the second."""
    left, right = (
        rng.randrange(2, 1000 if rng.random() < 0.3 else 100),
        rng.randrange(2, 100 if rng.random() < 0.5 else 10),
    )
    return Problem(
        _unordered(left, "×", right),
        _ask(f"{left} × {right}", rng, language),
        multiply_steps(left, right),
        left * right,
    )


def division(rng: Random, language: Language) -> Problem:
    """A division that comes out even, by tens and then by ones."""
    right, result = rng.randrange(2, 13), rng.randrange(2, 100)
    left = right * result
    tens, ones = result // 10 * 10, result % 10
    steps = [f"{right} × {tens} = {right * tens}", f"{left} - {right * tens} = {left - right * tens}"] if tens else []
    steps += [f"{right} × {ones} = {right * ones}"] if ones else []
    steps += [f"{tens} + {ones} = {result}"] if tens and ones else []
    return Problem(f"{left}÷{right}", _ask(f"{left} ÷ {right}", rng, language), steps, result)


def chain(rng: Random, language: Language) -> Problem:
    """Three numbers, one product among them, or brackets around a sum."""
    first, second, third = rng.randrange(2, 60), rng.randrange(2, 13), rng.randrange(2, 13)
    if rng.random() < 0.5:
        product = second * third
        steps = [f"{second} × {third} = {product}", f"{first} + {product} = {first + product}"]
        return _chained(f"{first} + {second} × {third}", steps, first + product, rng, language)
    total = first + second
    steps = [f"{first} + {second} = {total}", f"{total} × {third} = {total * third}"]
    return _chained(f"({first} + {second}) × {third}", steps, total * third, rng, language)


def percentage(rng: Random, language: Language) -> Problem:
    """A whole percentage of a number, where it is whole as well."""
    percent, number = rng.randrange(1, 20) * 5, rng.randrange(1, 50) * 20
    steps = [f"{number} × {percent} = {number * percent}", f"{number * percent} ÷ 100 = {number * percent // 100}"]
    what = {"en": f"{percent}% of {number}", "ja": f"{number}の{percent}%"}[language]
    return Problem(f"{percent}%{number}", _ask(what, rng, language), steps, number * percent // 100)


def story(rng: Random, language: Language) -> Problem:
    """A word problem of one or two steps."""
    a, b, c = rng.randrange(2, 60), rng.randrange(2, 40), rng.randrange(2, 12)
    kind = rng.randrange(len(STORIES))
    text, steps, result = STORIES[kind](a, b, c)
    words = {"name": rng.choice(NAMES[language]), "thing": rng.choice(THINGS[language])}
    question = text[language].format(a=a, b=b, c=c, total=a + b, **words)
    return Problem(f"story{kind}/{a}/{b}/{c}", question, steps, result)


NAMES: dict[Language, tuple[str, ...]] = {
    "en": ("Ann", "Ben", "Mia", "Tom", "Lucy", "Sam", "Emma", "Jack", "Nina", "Leo"),
    "ja": ("太郎", "花子", "健", "美咲", "翔太", "由美", "直樹", "さくら", "大輔", "愛"),
}
THINGS: dict[Language, tuple[str, ...]] = {
    "en": ("apples", "books", "stamps", "coins", "pencils", "cards", "shells", "tickets"),
    "ja": ("りんご", "本", "切手", "コイン", "鉛筆", "カード", "貝殻", "チケット"),
}
Story = Callable[[int, int, int], tuple[dict[Language, str], Sequence[str], int]]
STORIES: tuple[Story, ...] = (
    lambda a, b, c: (
        {
            "en": "{name} has {a} {thing} and gets {b} more. How many {thing} does {name} have now?",
            "ja": "{name}さんは{thing}を{a}個持っています。さらに{b}個もらいました。全部で何個ですか？",
        },
        [f"{a} + {b} = {a + b}"],
        a + b,
    ),
    lambda a, b, c: (
        {
            "en": "{name} had {total} {thing} and gave {b} away. How many are left?",
            "ja": "{name}さんは{thing}を{total}個持っていて、{b}個あげました。残りは何個ですか？",
        },
        [f"{a + b} - {b} = {a}"],
        a,
    ),
    lambda a, b, c: (
        {
            "en": "There are {c} boxes with {a} {thing} each. How many {thing} are there?",
            "ja": "{thing}が{a}個ずつ入った箱が{c}箱あります。{thing}は全部で何個ですか？",
        },
        multiply_steps(a, c),
        a * c,
    ),
    lambda a, b, c: (
        {
            "en": "{name} buys {c} packs of {a} {thing} and already had {b}. How many {thing} are there in all?",
            "ja": "{name}さんは{thing}を{b}個持っていて、{a}個入りの袋を{c}袋買いました。全部で何個ですか？",
        },
        [f"{a} × {c} = {a * c}", f"{a * c} + {b} = {a * c + b}"],
        a * c + b,
    ),
    lambda a, b, c: (
        {
            "en": "{name} had {total} {thing}, lost {b}, and then found {c}. How many are there now?",
            "ja": "{name}さんは{thing}を{total}個持っていました。{b}個なくして、{c}個見つけました。今は何個ですか？",
        },
        [f"{a + b} - {b} = {a}", f"{a} + {c} = {a + c}"],
        a + c,
    ),
    lambda a, b, c: (
        {
            "en": "One of the {thing} costs {a} yen. {name} buys {c} and pays with 1000 yen. How much is the change?",
            "ja": "{thing}は1個{a}円です。{name}さんは{c}個買って1000円払いました。おつりはいくらですか？",
        },
        [f"{a} × {c} = {a * c}", f"1000 - {a * c} = {1000 - a * c}"],
        1000 - a * c,
    ),
)
SORTS: tuple[Callable[[Random, Language], Problem], ...] = (
    addition,
    subtraction,
    multiplication,
    addition,
    subtraction,
    multiplication,
    division,
    chain,
    story,
    percentage,
    story,
)


def add_steps(left: int, right: int, language: Language) -> list[str]:
    """A line per column, from the ones, with what is carried; nothing for a sum of two digits."""
    if left < 10 and right < 10:
        return [f"{left} + {right} = {left + right}"]
    steps, carry = [], 0
    for name, one, other in _columns(left, right, language):
        total = one + other + carry
        shown = f"{name}: {one} + {other}{' + 1' if carry else ''} = {total}"
        carry = total // 10
        steps.append(shown + (f", {CARRY[language]}" if carry else ""))
    return steps


def subtract_steps(left: int, right: int, language: Language) -> list[str]:
    """A line per column, from the ones, with what is borrowed; `left` is not smaller than `right`."""
    if left < 20 and right < 10:
        return [f"{left} - {right} = {left - right}"]
    steps, borrow = [], 0
    for name, one, other in _columns(left, right, language):
        rest = one - other - borrow
        shown = f"{name}: {one if rest >= 0 else one + 10} - {other}{' - 1' if borrow else ''} = {rest % 10}"
        borrow = int(rest < 0)
        steps.append(shown + (f", {BORROW[language]}" if borrow else ""))
    return steps


def multiply_steps(left: int, right: int) -> list[str]:
    """The products of all parts (tens and ones of both numbers), and their sum."""
    parts = [(one, other) for other in _parts(right) for one in _parts(left)]
    if len(parts) == 1:
        return [f"{left} × {right} = {left * right}"]
    steps = [f"{one} × {other} = {one * other}" for one, other in parts]
    return [*steps, f"{' + '.join(str(one * other) for one, other in parts)} = {left * right}"]


def _columns(left: int, right: int, language: Language) -> Iterator[tuple[str, int, int]]:
    for place, name in enumerate(COLUMNS[language][: max(len(str(left)), len(str(right)))]):
        yield name, left // 10**place % 10, right // 10**place % 10


def _parts(number: int) -> list[int]:
    """347 -> 300, 40, 7"""
    digits = str(number)
    return [int(digit) * 10 ** (len(digits) - 1 - place) for place, digit in enumerate(digits) if digit != "0"]


def _number(rng: Random) -> int:
    return rng.randrange(0, 10 ** rng.choice((1, 2, 2, 2, 3, 3, 3, 4)))


def _unordered(left: int, sign: str, right: int) -> str:
    return f"{min(left, right)}{sign}{max(left, right)}"


def _ask(what: str, rng: Random, language: Language) -> str:
    return rng.choice(QUESTIONS[language]).format(what)


def _chained(expression: str, steps: Sequence[str], result: int, rng: Random, language: Language) -> Problem:
    return Problem(expression, _ask(expression, rng, language), steps, result)
