"""A stream of tokens says what a whole decode says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from owngpt.text.detokenize import Detokenizer
from owngpt.text.tokenizer import Tokenizer
from tests.fakes.text import byte_tokenizer, sentencepiece_tokenizer

HARD = [
    "日本語のテキスト",
    "👩‍👩‍👧‍👦 and 🏳️‍🌈",
    "naïve Ω",
    " leading",
    "<think>hm</think> <tool_call>",
    "e\u0301",
    "<|im_end|>x",
]


@pytest.fixture(scope="module", params=["byte", "merged", "llama", "gemma"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param in ("byte", "merged"):
        merges = [("a", "b"), ("ab", "c"), ("æ", "Ĺ"), ("Ġ", "ab")] if request.param == "merged" else []
        return byte_tokenizer(folder, merges=merges)
    return sentencepiece_tokenizer(folder, is_gemma=request.param == "gemma")


def stream(tokenizer: Tokenizer, ids: list[int], stop: tuple[str, ...] = ()) -> tuple[list[str], str | None]:
    detokenizer = Detokenizer(tokenizer, stop)
    pieces = []
    for token_id in ids:
        delta = detokenizer.push(token_id)
        pieces.append(delta.text)
        if delta.stop is not None:
            return pieces, delta.stop
    return [*pieces, detokenizer.flush()], None


@given(st.data())
def test_any_ids(tokenizer: Tokenizer, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size + 3), max_size=40))
    assert "".join(stream(tokenizer, ids)[0]) == tokenizer.decode(ids, is_continuation=True)


@pytest.mark.parametrize("text", HARD)
def test_hard_texts_arrive_whole_and_in_whole_characters(tokenizer: Tokenizer, text: str) -> None:
    pieces, _ = stream(tokenizer, tokenizer.encode(text))
    assert "".join(pieces) == tokenizer.decode(tokenizer.encode(text), is_continuation=True)
    assert not any("\ufffd" in piece for piece in pieces)


@given(st.data())
def test_stop_strings_do_not_depend_on_how_the_text_is_cut(tokenizer: Tokenizer, data: st.DataObject) -> None:
    text = data.draw(st.text("abc 日", max_size=30))
    stops = tuple(data.draw(st.lists(st.text("abc 日", min_size=1, max_size=3), min_size=1, max_size=4)))
    ids = tokenizer.encode(text)
    whole = tokenizer.decode(ids, is_continuation=True)
    pieces, stop = stream(tokenizer, ids, stops)
    ends = [n for n in range(len(whole) + 1) if whole[:n].endswith(stops)]
    if not ends:
        assert (stop, "".join(pieces)) == (None, whole)
        return
    met = max((s for s in stops if whole[: ends[0]].endswith(s)), key=len)
    assert (stop, "".join(pieces)) == (met, whole[: ends[0] - len(met)])


def test_text_is_held_only_while_it_may_become_a_stop(tokenizer: Tokenizer) -> None:
    detokenizer = Detokenizer(tokenizer, stop=("</end>",))
    shown = [detokenizer.push(i).text for i in tokenizer.encode("1</en2")]
    assert "".join(shown).lstrip() == "1</en2"
    detokenizer.push(tokenizer.encode("<")[-1])
    assert detokenizer.flush() == "<"


def test_special_tokens_are_dropped_unless_kept(tokenizer: Tokenizer) -> None:
    token_id = tokenizer.eos_token_ids[0]
    assert Detokenizer(tokenizer).push(token_id).text == ""
    assert Detokenizer(tokenizer, keep=frozenset([token_id])).push(token_id).text in ("<|im_end|>", "</s>")
