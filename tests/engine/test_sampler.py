from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from owngpt.engine.logprobs import rows_of
from owngpt.engine.request import Request, Sample
from owngpt.engine.sampler import Sampler
from owngpt.text.tokenizer import Tokenizer
from tests.engine.makers import make_request, padded_tokenizer
from tests.fakes.text import byte_tokenizer

LOGITS = [math.log(p) for p in (0.4, 0.3, 0.15, 0.1, 0.05)]  # of tokens 0..4; the others are all but impossible


@pytest.fixture(scope="module")
def sampler(tokenizer: Tokenizer) -> Sampler:
    return Sampler(tokenizer)


def rows(tokenizer: Tokenizer, *logits: Sequence[float], padding: int = 6) -> torch.Tensor:
    """Logits of the first tokens; the rest of the vocabulary is at -30, the padding behind it is the highest."""
    out = torch.full((len(logits), tokenizer.vocab_size + padding), -30.0)
    for row, values in enumerate(logits):
        out[row, : len(values)] = torch.tensor(values)
    out[:, tokenizer.vocab_size :] = 100.0
    return out


def requests_of(count: int, prompt: Sequence[int] = (9,), output: Sequence[int] = (), **sampling: Any) -> list[Request]:
    made = [make_request(prompt, **({"temperature": 1.0} | sampling)) for _ in range(count)]
    for seed, request in enumerate(made):
        request.seed = seed
        for token_id in output:
            request.append(token_id)
    return made


def sample_all(sampler: Sampler, logits_NV: torch.Tensor, requests: Sequence[Request]) -> list[Sample]:
    return [sampler.sample(row, request) for row, request in zip(rows_of(logits_NV), requests, strict=True)]


def shares(sampler: Sampler, tokenizer: Tokenizer, count: int = 2000, **given: Any) -> dict[int, float]:
    """How often each token is drawn from LOGITS."""
    logits = rows(tokenizer, LOGITS).expand(count, -1)
    drawn = Counter(sample.token_id for sample in sample_all(sampler, logits, requests_of(count, **given)))
    return {token_id: times / count for token_id, times in sorted(drawn.items())}


def test_tokens_are_drawn_in_proportion(sampler: Sampler, tokenizer: Tokenizer) -> None:
    expected = pytest.approx({0: 0.4, 1: 0.3, 2: 0.15, 3: 0.1, 4: 0.05}, abs=0.035)
    assert shares(sampler, tokenizer) == expected


def test_temperature_zero_takes_the_best(sampler: Sampler, tokenizer: Tokenizer) -> None:
    assert shares(sampler, tokenizer, temperature=0.0) == {0: 1.0}


@pytest.mark.parametrize("temperature", [1e-30, 1e-8, 0.01])
def test_a_tiny_temperature_is_all_but_greedy(sampler: Sampler, tokenizer: Tokenizer, temperature: float) -> None:
    assert shares(sampler, tokenizer, temperature=temperature) == {0: 1.0}


def test_temperature_flattens(sampler: Sampler, tokenizer: Tokenizer) -> None:
    powers = [p**0.5 for p in (0.4, 0.3, 0.15, 0.1, 0.05)]
    expected = {i: power / sum(powers) for i, power in enumerate(powers)}
    assert shares(sampler, tokenizer, temperature=2.0, top_k=5) == pytest.approx(expected, abs=0.035)


def test_top_k(sampler: Sampler, tokenizer: Tokenizer) -> None:
    assert shares(sampler, tokenizer, top_k=2) == pytest.approx({0: 4 / 7, 1: 3 / 7}, abs=0.035)
    assert shares(sampler, tokenizer, top_k=1) == {0: 1.0}


def test_top_p_keeps_what_is_needed_to_reach_it(sampler: Sampler, tokenizer: Tokenizer) -> None:
    assert set(shares(sampler, tokenizer, top_p=0.39)) == {0}
    assert set(shares(sampler, tokenizer, top_p=0.69)) == {0, 1}
    assert set(shares(sampler, tokenizer, top_p=0.84)) == {0, 1, 2}
    assert set(shares(sampler, tokenizer, top_p=0.0)) == {0}


def test_top_p_counts_what_top_k_has_left(sampler: Sampler, tokenizer: Tokenizer) -> None:
    assert set(shares(sampler, tokenizer, top_k=2, top_p=0.5)) == {0}


def test_min_p_is_relative_to_the_best(sampler: Sampler, tokenizer: Tokenizer) -> None:
    assert set(shares(sampler, tokenizer, min_p=0.3)) == {0, 1, 2}


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": 0.7, "top_p": 0.8},
        {"temperature": 1.5, "top_k": 4, "top_p": 0.9},
        {"temperature": 1.2, "min_p": 0.2},
        {"temperature": 2.0, "top_k": 3, "top_p": 0.95, "min_p": 0.5},
    ],
    ids=str,
)
def test_the_distribution_is_that_of_transformers(
    sampler: Sampler, tokenizer: Tokenizer, params: dict[str, float]
) -> None:
    from transformers.generation import logits_process as warpers

    scores = rows(tokenizer, LOGITS)[:, : tokenizer.vocab_size]
    makers = {
        "temperature": warpers.TemperatureLogitsWarper,
        "top_k": warpers.TopKLogitsWarper,
        "top_p": warpers.TopPLogitsWarper,
        "min_p": warpers.MinPLogitsWarper,
    }
    for name, value in params.items():
        scores = makers[name](value)(torch.tensor([[0]]), scores)
    expected = {i: p for i, p in enumerate(scores.softmax(-1)[0].tolist()) if p > 0.001}
    assert shares(sampler, tokenizer, **params) == pytest.approx(expected, abs=0.04)


def test_a_flat_distribution_keeps_more_than_the_usual_candidates(sampler: Sampler, tokenizer: Tokenizer) -> None:
    count = 2000
    logits = rows(tokenizer, [0.0] * tokenizer.vocab_size).expand(count, -1)
    drawn = {sample.token_id for sample in sample_all(sampler, logits, requests_of(count, top_p=0.999))}
    assert len(drawn) > 256


def test_logit_bias(sampler: Sampler, tokenizer: Tokenizer) -> None:
    assert shares(sampler, tokenizer, temperature=0.0, logit_bias={0: -100.0, 3: 5.0}) == {3: 1.0}
    assert set(shares(sampler, tokenizer, logit_bias={0: -100.0})) == {1, 2, 3, 4}


def test_presence_and_frequency_look_at_the_output_only(sampler: Sampler, tokenizer: Tokenizer) -> None:
    greedy = {"temperature": 0.0, "prompt": [0, 0, 0]}
    assert shares(sampler, tokenizer, presence_penalty=2.0, **greedy) == {0: 1.0}
    assert shares(sampler, tokenizer, presence_penalty=2.0, output=[0], **greedy) == {1: 1.0}
    assert shares(sampler, tokenizer, frequency_penalty=0.2, output=[0], **greedy) == {0: 1.0}
    assert shares(sampler, tokenizer, frequency_penalty=0.2, output=[0, 0], **greedy) == {1: 1.0}


def test_repetition_looks_at_the_prompt_too(sampler: Sampler, tokenizer: Tokenizer) -> None:
    greedy = {"temperature": 0.0, "repetition_penalty": 2.0}
    assert shares(sampler, tokenizer, prompt=[0], **greedy) == {1: 1.0}
    assert shares(sampler, tokenizer, prompt=[0], output=[1], **greedy) == {0: 1.0}
    (sample,) = sample_all(sampler, rows(tokenizer, [3.0, 2.0]), requests_of(1, prompt=[0], **greedy))
    assert sample.token_id == 1, "a positive logit is divided"


def test_logprobs_are_those_of_the_raw_logits(sampler: Sampler, tokenizer: Tokenizer) -> None:
    params = {"logprobs": 3, "temperature": 0.5, "logit_bias": {4: 100.0}}
    (sample,) = sample_all(sampler, rows(tokenizer, LOGITS, padding=0), requests_of(1, **params))
    assert sample.token_id == 4
    assert sample.logprob is not None
    assert sample.logprob.logprob == pytest.approx(math.log(0.05), abs=1e-4)
    assert [top.token_id for top in sample.logprob.top] == [0, 1, 2]
    assert [math.exp(top.logprob) for top in sample.logprob.top] == pytest.approx([0.4, 0.3, 0.15], abs=1e-4)


def test_each_request_gets_as_many_logprobs_as_it_asked_for(sampler: Sampler, tokenizer: Tokenizer) -> None:
    asked = [None, 0, 2, 1000]
    samples = sample_all(
        sampler, rows(tokenizer, *[LOGITS] * 4), [requests_of(1, temperature=0.0, logprobs=k)[0] for k in asked]
    )
    found = [None if sample.logprob is None else len(sample.logprob.top) for sample in samples]
    assert found == [None, 0, 2, tokenizer.vocab_size]


def test_padding_is_never_chosen(sampler: Sampler, tokenizer: Tokenizer) -> None:
    assert all(token_id < tokenizer.vocab_size for token_id in shares(sampler, tokenizer, temperature=5.0))
    assert shares(sampler, tokenizer, temperature=0.0) == {0: 1.0}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_broken_row_is_told_and_the_others_are_chosen(
    sampler: Sampler, tokenizer: Tokenizer, bad: float, temperature: float
) -> None:
    logits = rows(tokenizer, LOGITS, LOGITS)
    logits[0, 7] = bad
    broken, healthy = sample_all(sampler, logits, requests_of(2, temperature=temperature, top_k=1))
    assert broken.is_broken
    assert broken.error is not None
    assert (healthy.token_id, healthy.error) == (0, None)


def test_the_draw_depends_on_seed_choice_and_position_only() -> None:
    request = make_request([1, 2, 3])
    first = request.draw()
    assert first == request.draw() == make_request([9] * 7).draw()
    request.append(5)
    assert request.draw() != first
    for name in ("seed", "index"):
        other = make_request([1, 2, 3])
        setattr(other, name, 1)
        assert other.draw() != first


params = st.fixed_dictionaries(
    {
        "temperature": st.sampled_from([0.0, 0.3, 1.0, 2.0]),
        "top_k": st.sampled_from([0, 1, 3, 260]),
        "top_p": st.sampled_from([0.1, 0.9, 0.9999, 1.0]),
        "min_p": st.sampled_from([0.0, 0.1]),
        "presence_penalty": st.sampled_from([0.0, 1.0]),
        "frequency_penalty": st.sampled_from([0.0, -1.0]),
        "repetition_penalty": st.sampled_from([1.0, 1.3]),
        "logit_bias": st.sampled_from([{}, {1: 5.0}]),
        "logprobs": st.sampled_from([None, 2]),
    }
)


@settings(deadline=None, max_examples=60)
@given(st.lists(params, min_size=2, max_size=6), st.integers(0, 2**32), st.booleans())
def test_a_batch_gives_each_request_what_it_gets_alone(
    sampler: Sampler, tokenizer: Tokenizer, batch: list[dict[str, Any]], seed: int, is_flat: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    scale = 0.01 if is_flat else 3.0
    logits = torch.randn(len(batch), tokenizer.vocab_size + 6, generator=generator) * scale
    requests = [requests_of(1, [1, 2], [3, 3, 4], **params)[0] for params in batch]
    together = sample_all(sampler, logits, requests)
    alone = [sample_all(sampler, logits[row : row + 1], [request])[0] for row, request in enumerate(requests)]
    assert together == alone


@pytest.mark.parametrize("vocab_size", [261, 1_023, 32_771, 70_001])
def test_a_row_gets_the_same_bits_in_any_company_and_with_any_number_of_threads(
    tmp_path: Path, vocab_size: int
) -> None:
    """Vector units work on several elements at once, and threads divide rows: neither may show."""
    odd = Sampler(padded_tokenizer(tmp_path, vocab_size))
    generator = torch.Generator().manual_seed(vocab_size)
    logits = torch.randn(17, vocab_size + 3, generator=generator) * 3
    kinds: list[dict[str, Any]] = [{"top_p": 0.9}, {"top_k": 40}, {"min_p": 0.01}, {"temperature": 3.0, "top_p": 0.99}]
    requests = [requests_of(1, logprobs=3, **kinds[row % 4])[0] for row in range(17)]
    alone = [odd.sample(rows_of(logits[row : row + 1].clone())[0], request) for row, request in enumerate(requests)]
    threads = torch.get_num_threads()
    for number in (1, 2, 3):
        torch.set_num_threads(number)
        for count in (1, 2, 5, 16, 17):
            assert sample_all(odd, logits[:count], requests[:count]) == alone[:count]
            assert sample_all(odd, logits[-count:], requests[-count:]) == alone[-count:]
    torch.set_num_threads(threads)
    odd.close()


def test_greedy_choice_reads_the_logits_once(sampler: Sampler) -> None:
    """In a step of 16 streams over a vocabulary of 152k, it must not be felt: milliseconds where a step takes 24."""
    logits = rows_of(torch.randn(16, 151_936))
    requests = requests_of(16, temperature=0.0)
    seconds = []
    for _ in range(5):
        begin = perf_counter()
        for row, request in zip(logits, requests, strict=True):
            sampler.sample(row, request)
        seconds.append(perf_counter() - begin)
    assert min(seconds) < 0.01


def test_a_text_begins_as_it_has_to(sampler: Sampler, tokenizer: Tokenizer) -> None:
    """By whatever tokens the model likes best among those that fit, and freely from there on."""
    likes_x = rows(tokenizer, [0.0] * 256)
    likes_x[0, ord("x")] = 9.0
    (request,) = requests_of(1, begins_with="ab", temperature=0.0)
    for expected in b"abx":
        (sample,) = sample_all(sampler, likes_x, [request])
        assert sample.token_id == expected
        request.append(sample.token_id)


def test_a_token_may_go_on_behind_what_a_text_begins_with(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer(tmp_path, merges=[("r", "e"), ("re", "t")])
    long = tokenizer.encode("ret")[0]
    likes_long = rows(tokenizer, [0.0] * 256)
    likes_long[0, long] = 1.0
    likes_long[0, tokenizer.eos_token_ids[0]] = 9.0  # does not fit
    sampler = Sampler(tokenizer)
    (request,) = requests_of(1, begins_with="re", temperature=0.0)
    (sample,) = sample_all(sampler, likes_long, [request])
    assert sample.token_id == long
    request.append(long)
    assert sample_all(sampler, likes_long, [request])[0].token_id == tokenizer.eos_token_ids[0]
    sampler.close()
