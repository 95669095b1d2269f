"""A second model that guesses: the answers stay those of the first."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch

from owngpt.config import EngineConfig
from owngpt.engine.core import EngineCore
from owngpt.engine.draft_model import DraftModel, PairedRunner
from owngpt.engine.speculation import Speculator
from owngpt.text.tokenizer import Tokenizer
from tests.engine.makers import run
from tests.engine.markov import MarkovRunner, markov_core
from tests.engine.test_speculation import KINDS, answers, requests_of
from tests.fakes.model import tiny_model

BLOCK = 4


NOVEL = 20.0  # a whim that never lets a text repeat itself, so that only the draft model guesses


def paired_core(
    tokenizer: Tokenizer, *, mode: str = "on", whim: float, of_answer: float = 0.5, **config: Any
) -> EngineCore:
    """With equal whims both models say the same."""
    core = markov_core(tokenizer, mode="off", whim=of_answer, **config)
    guessing = MarkovRunner(tokenizer.vocab_size, core.scheduler.pool.num_blocks, BLOCK, whim)
    core.speculator = Speculator(core.scheduler, mode, DraftModel(guessing, tokenizer.vocab_size, BLOCK))
    core.runner = PairedRunner(core.runner, guessing)
    return core


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["on", "auto"])
def test_answers_are_the_same(tokenizer: Tokenizer, kind: str, mode: str) -> None:
    found = []
    for core in (markov_core(tokenizer, mode="off"), paired_core(tokenizer, mode=mode, whim=0.4)):
        requests = [
            request
            for prompt in (b"a prompt that is long", b"?", bytes(range(90)))
            for request in requests_of(core, tokenizer, prompt, **KINDS[kind])
        ]
        found.append(answers(core, requests))
    assert found[0] == found[1]


def test_one_that_is_of_no_use_here_is_named_in_the_log(tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture) -> None:
    """Under PyTorch rows depend on each other, so that guesses are made only where they are asked for."""
    model = tiny_model(tokenizer.vocab_size)
    for mode in ("on", "auto"):
        config = EngineConfig(kv_memory=2**20, speculation=mode)
        EngineCore(model, tokenizer, config, draft=model).close()
        assert ("draft_model only takes memory here" in caplog.text) == (mode == "auto")


def test_a_model_that_says_the_same_is_right_each_time_also_where_tokens_are_drawn(tokenizer: Tokenizer) -> None:
    core = paired_core(tokenizer, whim=NOVEL, of_answer=NOVEL)
    prompt = list(range(100, 200))
    kinds: list[dict[str, Any]] = [{"temperature": 0.0}, {"temperature": 1.0, "top_p": 0.95}]
    for sampling in kinds:
        run(core, requests_of(core, tokenizer, prompt, max_tokens=100, ignore_eos=True, **sampling))
    stats = core.stats()
    assert stats.drafted_tokens > 100
    assert stats.accepted_tokens == stats.drafted_tokens, "it reads what was said from blocks that are always complete"


def test_blocks_that_are_shared_are_complete_for_both(tokenizer: Tokenizer) -> None:
    """Also those that were computed while nothing was guessed."""
    core = paired_core(tokenizer, whim=NOVEL, of_answer=NOVEL, max_batch_tokens=20)
    prompt = list(range(60))
    (first,) = requests_of(core, tokenizer, prompt, max_tokens=41, ignore_eos=True)
    model: Any = core.speculator._model
    model.guess = lambda rooms, num_tokens: {}
    ((said, *_),) = answers(core, [first])
    del model.guess
    assert core.stats().drafted_tokens == 0
    (again,) = requests_of(core, tokenizer, [*prompt, *said, 7], max_tokens=30, ignore_eos=True)
    before = core.stats()
    run(core, [again])
    assert again.num_cached_tokens == 100
    after = core.stats()
    assert after.accepted_tokens - before.accepted_tokens == after.drafted_tokens - before.drafted_tokens > 0


def test_preempted_requests_are_read_again_by_both(tokenizer: Tokenizer) -> None:
    alone = []
    prompts = [bytes([n] * 9) for n in range(6)]
    for prompt in prompts:
        core = markov_core(tokenizer, mode="off")
        alone += answers(core, requests_of(core, tokenizer, prompt))
    crowd = paired_core(tokenizer, whim=0.5, max_batch_tokens=20, kv_memory=30 * BLOCK * 256)
    requests = [request for prompt in prompts for request in requests_of(crowd, tokenizer, prompt)]
    assert answers(crowd, requests) == alone
    assert crowd.stats().preemptions > 0


def test_the_distribution_is_that_of_the_model_that_answers(tokenizer: Tokenizer) -> None:
    """Chi-square of the second token of many draws, with and without a draft model that often errs.

    More is true: draw by draw they are the same.
    """
    drawn = []
    for core in (markov_core(tokenizer, mode="off"), paired_core(tokenizer, whim=2.0)):
        asked: dict[str, Any] = {"temperature": 0.7, "top_k": 6, "max_tokens": 4, "ignore_eos": True, "seed": 3}
        found = [
            answers(core, requests_of(core, tokenizer, b"once upon", **asked | {"n": 32, "seed": seed}))
            for seed in range(12)
        ]
        drawn.append([token_ids[1] for each in found for token_ids, *_ in each])
    assert core.stats().drafted_tokens > core.stats().accepted_tokens
    assert drawn[0] == drawn[1]
    counts = [Counter(each) for each in drawn]
    common = [token_id for token_id in counts[0] if counts[0][token_id] >= 5]
    chi_square = sum((counts[1][i] - counts[0][i]) ** 2 / counts[0][i] for i in common)
    assert len(common) >= 5
    assert chi_square < 1.5 * len(common)


def test_blocks_are_taken_out_and_put_back_for_both() -> None:
    class Blocks:
        config = numerics = is_invariant = None

        def __init__(self, block_bytes: int) -> None:
            self.block_bytes = block_bytes
            self.stored = torch.zeros(3, block_bytes, dtype=torch.uint8)

        def read_block(self, block: int) -> torch.Tensor:
            return self.stored[block].clone()

        def write_block(self, block: int, data: torch.Tensor) -> None:
            self.stored[block] = data

        def clear(self, blocks: list[int]) -> None:
            self.stored[blocks] = 0

    one, two = Blocks(4), Blocks(6)
    pair: Any = PairedRunner(one, two)  # type: ignore[arg-type]
    assert pair.block_bytes == 10
    pair.write_block(1, torch.arange(10, dtype=torch.uint8))
    assert two.stored[1].tolist() == [4, 5, 6, 7, 8, 9]
    assert pair.read_block(1).tolist() == list(range(10))
    pair.clear([1])
    assert not one.stored.any()
    assert not two.stored.any()
