"""The same answer under any load: 1,000 prompts alone and in company, 0 differing tokens or log-probabilities.

The full version, on the bundled Garlic in every number format: `python -m benchmarks.invariance`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.invariance.__main__ import row
from benchmarks.invariance.answers import Choice, Difference, differences
from benchmarks.invariance.setups import SETUPS, Bench, Run, Setup, Subject
from owngpt.kernels import library
from owngpt.model.bundled import garlic_folder
from tests.clients.serving import tiny_checkpoint
from tests.fakes.model import FAMILIES

needs_kernels = pytest.mark.skipif(library.chosen() is None, reason="the native kernels are not built")
HARDEST = "guesses, few blocks, steps of 50"
NONE = Difference([], 0, 0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def thousand(tiny: Path) -> Bench:
    return Bench(Subject(tiny, "int8", 1000, 48))


@pytest.fixture(scope="module")
def alone(thousand: Bench) -> Run:
    return thousand.alone(lambda _: None)


@needs_kernels
@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name)
def test_1000_prompts_have_the_same_answers_in_any_company(thousand: Bench, alone: Run, setup: Setup) -> None:
    """All of them where everything comes together; each other company, in short, with the first 200."""
    number = 1000 if setup.name == HARDEST else 200
    together = thousand.together(setup, lambda _: None, number)
    assert differences(alone.answers[:number], together.answers) == NONE


@needs_kernels
@pytest.mark.parametrize("dtype", ["fp32", "bf16", "int4"])
def test_every_number_format(tiny: Path, dtype: str) -> None:
    bench = Bench(Subject(tiny, dtype, 150, 48))
    alone, together = bench.alone(lambda _: None), bench.together(setup_named(HARDEST), lambda _: None)
    assert differences(alone.answers, together.answers) == NONE


@needs_kernels
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family(tmp_path: Path, family: str) -> None:
    """Windows, sinks, experts and all."""
    folder = tiny_checkpoint(tmp_path, family)
    bench = Bench(Subject(folder, "int8", 40, 48))
    alone, together = bench.alone(lambda _: None), bench.together(setup_named(HARDEST), lambda _: None)
    assert differences(alone.answers, together.answers) == NONE


@needs_kernels
def test_garlic() -> None:
    bench = Bench(Subject(garlic_folder(), "int8", 60, 120))
    alone, together = bench.alone(lambda _: None), bench.together(setup_named(HARDEST), lambda _: None)
    assert differences(alone.answers, together.answers) == NONE


def setup_named(name: str) -> Setup:
    """Without what so few cases may not bring about."""
    return replace(next(setup for setup in SETUPS if setup.name == name), must_have=())


def test_the_cases_are_of_all_kinds(thousand: Bench) -> None:
    cases = thousand.cases
    lengths = [len(case.prompt) for case in cases]
    assert (len(cases), min(lengths), max(lengths)) == (1000, 1, 48)
    for name, is_kind in {
        "greedy": lambda case: case.sampling.temperature == 0,
        "sampled": lambda case: case.sampling.temperature > 0,
        "schema": lambda case: case.constraint is not None,
        "free": lambda case: case.constraint is None,
        "log-probabilities": lambda case: case.sampling.logprobs == 5,
        "thinking": lambda case: case.sampling.thinking is not None,
        "a prefix of others": lambda case: sum(other.prompt[:16] == case.prompt[:16] for other in cases) > 5,
    }.items():
        assert sum(map(is_kind, cases)) > 50, name


def test_a_difference_is_counted() -> None:
    one, other = Choice([1, 2], [b"a", b"b"], "x", "stop"), Choice([1, 3, 4], [b"a", b"c"], "x", "stop")
    assert differences([[one], [one]], [[one], [other]]) == Difference([1], 2, 1)
    assert differences([[one]], [[replace(one, finish_reason="length")]]) == Difference([0], 0, 0)
    counts = {"cached": 5, "restored": 0, "preempted": 6, "guessed": 7}
    line = row("int8", SETUPS[0], Run([[one]], counts), Run([[other]], counts))
    assert line == "| int8 | in company | 1 | 3 | 2 | 5 | 0 | 6 | 7 | 2 | 1 |"
