import pytest

from owngpt.text import prompts
from owngpt.text.prompts import LANGUAGES, WORDINGS, Language
from owngpt.types import Message


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_prompt_shows_its_fields_in_every_wording(language: Language) -> None:
    for variant in range(8):
        for asked, fields in (
            (prompts.translate("{a}", language, variant=variant), ["{a}"]),
            (prompts.answer_from("{p}", "q?", language, variant=variant), ["{p}", "q?"]),
            (prompts.extract("{p}", "q?", language, variant=variant), ["{p}", "q?"]),
            (prompts.summarize("A: x", language, variant=variant), ["A: x"]),
            (prompts.shorten("long", language, variant=variant), ["long"]),
            (prompts.restate("A: x", language, variant=variant), ["A: x"]),
            (prompts.intent("m", language, variant=variant), ["m"]),
            (prompts.intent("m", language, ["b1", "b2"], variant=variant), ["m", "b1, b2", "out_of_scope"]),
            (prompts.reply([Message("user", "hi")], "bank", language, variant=variant), ["hi", "bank"]),
            (prompts.solve("1 + 1", language, variant=variant), ["1 + 1"]),
            (prompts.support("p", "s", language), ["p", "s"]),
            (prompts.describe("name: x", language, variant=variant), ["name: x"]),
            (prompts.complete_code("def f():", language, variant=variant), ["def f():"]),
        ):
            text = "\n".join(message.content for message in asked)
            assert all(field in text for field in fields)
            assert asked[-1].role == "user"


def test_the_first_variant_is_the_one_that_is_measured() -> None:
    assert prompts.translate("Hi.", "ja") == prompts.translate("Hi.", "ja", variant=0)
    assert prompts.translate("Hi.", "ja") != prompts.translate("Hi.", "ja", variant=1)


def test_no_wording_stands_twice() -> None:
    for by_language in WORDINGS.values():
        for wordings in by_language.values():
            assert len(set(wordings)) == len(wordings)


@pytest.mark.parametrize(("language", "quote"), [("en", 'the "great" wall'), ("ja", "「万里」の長城")])
def test_a_quoted_answer_can_be_read_back(language: Language, quote: str) -> None:
    """Whatever quotation marks the quote itself has: others are put around it."""
    assert prompts.read_quoted(prompts.quoted("It is.", quote, language)) == ("It is.", quote)


def test_an_answer_without_quote_is_all_answer() -> None:
    assert prompts.read_quoted(" The text does not say. ") == ("The text does not say.", "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_end_of_a_solution_can_be_read_back(language: Language) -> None:
    assert prompts.read_final(f"3 + 4 = 7\n{prompts.final_line('-1,234.5', language)}") == "-1234.5"
    assert prompts.read_final("I do not know 7.") is None


def test_turns_become_lines() -> None:
    assert prompts.as_dialogue([("A", "one\ntwo"), ("B", "three")]) == "A: one two\nB: three"
