"""Texts cut to a number of tokens; a token is a character here."""

from __future__ import annotations

from owngpt.service.fim.fitting import GROUP, fit_end, fit_start

LINES = [f"{n:03}\n" for n in range(100)]
TEXT = "".join(LINES)


def tokens(text: str) -> list[int]:
    return list(text.encode())


def test_what_fits_stays_whole() -> None:
    assert fit_end(TEXT, 400, tokens) == (tokens(TEXT), 0)
    assert fit_start(TEXT, 400, tokens).is_whole
    assert fit_end("", 0, tokens) == fit_start("", 0, tokens) == ([], 0)


def test_the_end_begins_with_a_group_of_lines() -> None:
    cut = fit_end(TEXT, 100, tokens)
    assert bytes(cut.ids).decode() == "".join(LINES[80:])
    assert cut.num_omitted == len("".join(LINES[:80]))
    assert 80 % GROUP == 0


def test_it_stays_where_it_is_while_somebody_types() -> None:
    """So the prefix cache knows it: only when there is no room for a group more, one is left out."""
    cuts = {fit_end(TEXT + "x" * typed, 100, tokens).num_omitted for typed in range(20)}
    assert cuts == {len("".join(LINES[:80]))}


def test_the_start_ends_with_a_group_of_lines() -> None:
    cut = fit_start(TEXT, 100, tokens)
    assert bytes(cut.ids).decode() == "".join(LINES[:16])
    assert cut.num_omitted == len(TEXT) - 64


def test_a_line_that_is_too_long_is_cut_inside() -> None:
    assert bytes(fit_end("a" * 5000 + "b" * 9, 10, tokens).ids) == b"a" + b"b" * 9
    assert bytes(fit_start("b" * 9 + "a" * 5000, 10, tokens).ids) == b"b" * 9 + b"a"
    assert fit_end("a" * 5000, 10, tokens).num_omitted > 4000
