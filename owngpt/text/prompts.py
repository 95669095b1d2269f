"""What Garlic is asked, word by word: one text for its training, its evaluation and its use.

Each function turns the fields of a task into the messages that ask for it, in English or Japanese. `variant` picks the
wording: 0 is the one that is measured, the others keep a model from learning one phrase by heart. What an answer looks
like, where it is more than free text, is here as well, with the function that reads it back.
"""

# ruff: noqa: E501  (one row of a table per way to ask)

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from owngpt.text.quotes import PAIRS, choose_marks, label
from owngpt.types import Message

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")
NOT_IN_TEXT = {"en": "The text does not say.", "ja": "本文には書かれていません。"}
OUT_OF_SCOPE = "out_of_scope"  # the intent of what fits none
SUPPORTED = {"en": ("No", "Yes"), "ja": ("いいえ", "はい")}  # by whether it is

# task -> language (of the text to translate into, for "translate") -> ways to ask
WORDINGS: dict[str, dict[Language, tuple[str, ...]]] = {
    "translate": {
        "ja": (
            "Translate into Japanese: {text}",
            "Translate to Japanese: {text}",
            "Translate this sentence into Japanese.\n\n{text}",
            'How do you say "{text}" in Japanese?',
            "日本語に訳してください: {text}",
            "次の英語を日本語に翻訳してください。\n\n{text}",
            "「{text}」を日本語に訳して",
            '"{text}"は日本語で何と言いますか？',
        ),
        "en": (
            "英語に訳してください: {text}",
            "Translate into English: {text}",
            "Translate to English: {text}",
            "Translate this sentence into English.\n\n{text}",
            'How do you say "{text}" in English?',
            "次の日本語を英語に翻訳してください。\n\n{text}",
            "「{text}」を英語に訳して",
            "「{text}」は英語で何と言いますか？",
        ),
    },
    "answer": {
        "en": (
            "Answer the question from the text alone, briefly, and quote the words that prove it.\n\nText: {passage}\n\nQuestion: {question}",
            "{passage}\n\nQuestion: {question}\nAnswer with a quote from the text.",
            "Read the text and answer with proof.\n\n{passage}\n\n{question}",
        ),
        "ja": (
            "次の文章だけに基づいて質問に短く答え、根拠となる言葉を引用してください。\n\n文章：{passage}\n\n質問：{question}",
            "{passage}\n\n質問：{question}\n文章から引用して答えてください。",
            "次の文章を読んで、根拠を示して答えてください。\n\n{passage}\n\n{question}",
        ),
    },
    "extract": {
        "en": (
            "Answer from the text, in its own words.\n\nText: {passage}\n\nQuestion: {question}",
            "{passage}\n\nQuestion: {question}",
            "Answer from the text.\n\n{passage}\n\n{question}",
        ),
        "ja": (
            "次の文章から答えを抜き出してください。\n\n文章：{passage}\n\n質問：{question}",
            "{passage}\n\n質問: {question}",
            "次の文章を読んで答えてください。\n\n{passage}\n\n{question}",
        ),
    },
    "summarize": {
        "en": (
            "Summarize this conversation in one or two sentences.\n\n{text}",
            "{text}\n\nSummary:",
            "What was said here, in short?\n\n{text}",
        ),
        "ja": (
            "次の会話を一、二文で要約してください。\n\n{text}",
            "{text}\n\n要約：",
            "この会話の内容を短くまとめてください。\n\n{text}",
        ),
    },
    "shorten": {
        "en": ("Say this in one sentence.\n\n{text}", "{text}\n\nTL;DR:", "Summarize the text in a sentence.\n\n{text}"),
        "ja": ("次の文章を一文で要約してください。\n\n{text}", "{text}\n\n一文でまとめると：", "要点を一文で述べてください。\n\n{text}"),
    },
    "restate": {
        "en": (
            "Write what the customer wants as statements of their own.\n\n{text}",
            "Rewrite the customer's last words so that they can be understood alone.\n\n{text}",
        ),
        "ja": (
            "お客様の最後の発言の要望を、それだけで分かる文に書き直してください。\n\n{text}",
            "次の会話で、お客様の最後の発言は何を言っていますか。簡潔な文で述べてください。\n\n{text}",
        ),
    },
    "intent": {
        "en": (
            "What does the customer want? Answer with the name of the intent, or {none}.\n\nMessage: {message}",
            "Intent of this message, or {none}:\n\n{message}",
            "Which intent does it have?\n\n{message}",
        ),
        "ja": (
            "お客様の用件は何ですか。用件の名前で、どれでもなければ {none} と答えてください。\n\nメッセージ：{message}",
            "次のメッセージの用件の名前（なければ {none}）：\n\n{message}",
            "このメッセージの用件は？\n\n{message}",
        ),
    },
    "intent_of": {
        "en": (
            "What does the customer want? Answer with one of these intents, or {none}: {choices}\n\nMessage: {message}",
            "Intents: {choices}, {none}\n\nWhich one is it?\n\n{message}",
            "{message}\n\nChoose the intent: {choices} or {none}.",
        ),
        "ja": (
            "お客様の用件は何ですか。次の中から選び、どれでもなければ {none} と答えてください：{choices}\n\nメッセージ：{message}",
            "用件：{choices}, {none}\n\nどれに当たりますか。\n\n{message}",
            "{message}\n\n用件を選んでください：{choices}, {none}",
        ),
    },
    "reply": {
        "en": ("You work in customer support ({field}). Answer the customer.", "You are a support agent for {field}. Be polite and brief."),
        "ja": ("あなたは{field}の窓口の担当者です。お客様に答えてください。", "{field}のカスタマーサポートとして、丁寧に短く答えてください。"),
    },
    "solve": {
        "en": ("{text}\nSolve it step by step.", "{text}", "Work it out in steps: {text}", "Calculate step by step. {text}"),
        "ja": ("{text}\n順を追って計算してください。", "{text}", "途中の計算も書いてください。{text}", "順に計算してください。{text}"),
    },
    "support": {
        "en": ("Does the text support the statement? Answer Yes or No.\n\nText: {passage}\n\nStatement: {statement}",),
        "ja": ("文章は次の内容を裏付けていますか。「はい」か「いいえ」で答えてください。\n\n文章：{passage}\n\n内容：{statement}",),
    },
    "describe": {
        "en": ("Write a short advertisement from these facts.\n\n{text}", "Turn this into a sentence or two for customers: {text}"),
        "ja": ("次の情報から短い紹介文を書いてください。\n\n{text}", "次の内容をお客様向けの文にしてください：{text}"),
    },
    "complete": {
        "en": ("Go on with this Python code.\n\n```python\n{text}\n```", "Complete the code:\n\n```python\n{text}\n```"),
        "ja": ("次のPythonコードの続きを書いてください。\n\n```python\n{text}\n```", "コードを完成させてください。\n\n```python\n{text}\n```"),
    },
}  # fmt: skip
_FINAL = {"en": "The answer is {result}.", "ja": "答えは{result}です。"}
_NUMBER = r"-?[0-9][0-9,]*(?:\.[0-9]+|/[0-9]+)?"
_RESULT = re.compile(rf"(?:The answer is:?|答えは、?)\s*[$¥￥]?({_NUMBER})")
_QUOTE = re.compile(
    "|".join(rf"{re.escape(a)}\[1\] (?P<q{n}>[^{re.escape(b)}]*){re.escape(b)}?" for n, (a, b) in enumerate(PAIRS))
)


class Answered(NamedTuple):
    """An answer from a text, and its proof ("" where it gives none)."""

    answer: str
    quote: str


def num_variants(task: str, language: Language) -> int:
    """How many ways there are to ask for a task of `WORDINGS`."""
    return len(WORDINGS[task][language])


def translate(text: str, to: Language, *, variant: int = 0) -> tuple[Message, ...]:
    """Ask for `text` in the language `to`; it is in the other one."""
    return _ask("translate", to, variant, text=text)


def answer_from(passage: str, question: str, language: Language, *, variant: int = 0) -> tuple[Message, ...]:
    """Ask for a short answer with its proof, or `NOT_IN_TEXT`; the answer is as `quoted` writes it."""
    return _ask("answer", language, variant, passage=passage, question=question)


def extract(passage: str, question: str, language: Language, *, variant: int = 0) -> tuple[Message, ...]:
    """Ask for an answer alone, in the words of the passage; `NOT_IN_TEXT` where it has none."""
    return _ask("extract", language, variant, passage=passage, question=question)


def summarize(dialogue: str, language: Language, *, variant: int = 0) -> tuple[Message, ...]:
    """Ask for a summary of a dialogue, which has a line `who: what` per turn."""
    return _ask("summarize", language, variant, text=dialogue)


def shorten(text: str, language: Language, *, variant: int = 0) -> tuple[Message, ...]:
    """Ask for a text in one sentence."""
    return _ask("shorten", language, variant, text=text)


def restate(dialogue: str, language: Language, *, variant: int = 0) -> tuple[Message, ...]:
    """Ask what the customer's last turn says, as statements that stand alone, one per line."""
    return _ask("restate", language, variant, text=dialogue)


def intent(message: str, language: Language, choices: Sequence[str] = (), *, variant: int = 0) -> tuple[Message, ...]:
    """Ask for the intent of a support message: one of `choices`, or of all that are known; else `OUT_OF_SCOPE`."""
    task = "intent_of" if choices else "intent"
    return _ask(task, language, variant, message=message, choices=", ".join(choices), none=OUT_OF_SCOPE)


def reply(turns: Sequence[Message], field: str, language: Language, *, variant: int = 0) -> tuple[Message, ...]:
    """Ask for the agent's next turn in a support chat; `turns` end with the customer's. `field` names the business."""
    wordings = WORDINGS["reply"][language]
    return (Message("system", wordings[variant % len(wordings)].format(field=field)), *turns)


def solve(problem: str, language: Language, *, variant: int = 0) -> tuple[Message, ...]:
    """Ask for a problem's solution in steps; the last line is that of `final_line`."""
    return _ask("solve", language, variant, text=problem)


def support(passage: str, statement: str, language: Language) -> tuple[Message, ...]:
    """Ask whether a passage supports a statement; the answer is one of `SUPPORTED`."""
    return _ask("support", language, 0, passage=passage, statement=statement)


def describe(facts: str, language: Language, *, variant: int = 0) -> tuple[Message, ...]:
    """Ask for copy from facts, such as `name: Alimentum, area: city centre`."""
    return _ask("describe", language, variant, text=facts)


def complete_code(code: str, language: Language, *, variant: int = 0) -> tuple[Message, ...]:
    """Ask for how a piece of Python goes on; the answer is a block of code that begins behind `code`."""
    return _ask("complete", language, variant, text=code)


def as_dialogue(turns: Sequence[tuple[str, str]]) -> str:
    """(who, what) of each turn -> the text that prompts show of a dialogue."""
    return "\n".join(f"{who}: {' '.join(what.split())}" for who, what in turns)


def quoted(answer: str, quote: str, language: Language) -> str:
    """An answer with its proof, in the marks and behind the label that grounded answers are locked to."""
    marks = choose_marks([quote], is_japanese=language == "ja")
    return f"{answer} {marks.open}{label(1)}{quote}{marks.close}"


def read_quoted(text: str) -> Answered:
    """The inverse of `quoted`, for whatever a model wrote."""
    match = _QUOTE.search(text)
    if match is None:
        return Answered(text.strip(), "")
    return Answered(text[: match.start()].strip(), next(group for group in match.groups() if group is not None))


def final_line(result: str, language: Language) -> str:
    """How a solution ends."""
    return _FINAL[language].format(result=result)


def read_final(text: str) -> str | None:
    """The number that a solution ends with, without its commas; None where it gives none."""
    found = _RESULT.findall(text)
    return found[-1].replace(",", "") if found else None


def _ask(task: str, language: Language, variant: int, **fields: str) -> tuple[Message, ...]:
    wordings = WORDINGS[task][language]
    return (Message("user", wordings[variant % len(wordings)].format(**fields)),)
