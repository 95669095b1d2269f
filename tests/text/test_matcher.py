"""The automaton against the obvious way."""

from hypothesis import given
from hypothesis import strategies as st

from owngpt.text.matcher import Matcher

letters = st.text("ab<", max_size=30)
strings = st.lists(st.text("ab<", min_size=1, max_size=4), max_size=6)


def first_match(text: str, strings: list[str]) -> str | None:
    for end in range(1, len(text) + 1):
        ending = [s for s in strings if text[:end].endswith(s)]
        if ending:
            return max(ending, key=len)
    return None


@given(letters, strings, st.integers(1, 5))
def test_finds_what_ends_first_however_the_text_is_cut(text: str, strings: list[str], size: int) -> None:
    matcher = Matcher(strings)
    node, match, read = matcher.root, None, 0
    for start in range(0, len(text), size):
        node, match = matcher.scan(text[start : start + size], node)
        if match:
            read = start + match.end
            break
    assert (match.string if match else None) == first_match(text, strings)
    if match:
        assert text[:read].endswith(match.string)
    else:  # the state is the longest suffix that begins a string
        begins = [n for n in range(len(text) + 1) for s in strings if s.startswith(text[len(text) - n :])]
        assert node.depth == max(begins, default=0)


def test_find_all_also_finds_what_overlaps() -> None:
    found = list(Matcher(["<a>", ">b<"]).find_all("<a>b<-<a>"))
    assert [(m.string, m.end) for m in found] == [("<a>", 3), (">b<", 5), ("<a>", 9)]


def test_many_strings_cost_no_more_than_few() -> None:
    matcher = Matcher(f"stop{n}" for n in range(20_000))
    assert matcher.scan("a long text without any " * 1000, matcher.root)[1] is None
    assert next(matcher.find_all("well stop777")).string == "stop7"
