"""What is not finite ends its request in the same step, and nothing of it is shared, kept or inherited."""

from __future__ import annotations

import torch

from owngpt.config import EngineConfig
from owngpt.engine.core import EngineCore
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import FinishReason
from tests.engine.makers import make_request, run
from tests.fakes.model import tiny_model

POISON = 7


def poisoned(tokenizer: Tokenizer) -> EngineCore:
    """An engine whose model overflows at one token."""
    model = tiny_model(tokenizer.vocab_size, tie_word_embeddings=False)
    model.embed_tokens.weight[POISON] = torch.nan
    return EngineCore(model, tokenizer, EngineConfig(kv_memory=2**21, block_size=4, max_batch_tokens=16))


def assert_clean(core: EngineCore) -> None:
    for block in range(core.scheduler.pool.num_blocks):
        assert core.runner.read_block(block).view(torch.float32).isfinite().all()


def test_a_long_prompt_ends_in_the_step_that_breaks(tokenizer: Tokenizer) -> None:
    """It used to go on until it sampled; who left before that left its NaN to the next owner of its blocks."""
    core = poisoned(tokenizer)
    request = make_request([*range(100, 103), POISON, *range(100, 140)], 4)
    core.add(request)
    [(ended, event)] = core.step()
    assert ended is request
    assert (event.finish_reason, event.token_ids) == (FinishReason.ERROR, ())
    assert core.scheduler.cache.match("", request.token_ids, 40).blocks == []
    assert not core.has_work
    assert_clean(core)


def test_what_was_sound_before_it_stays_with_those_who_share_it(tokenizer: Tokenizer) -> None:
    core = poisoned(tokenizer)
    prefix = list(range(100, 120))
    sound, broken = make_request([*prefix, 50], 8, temperature=0.0), make_request([*prefix, POISON, *prefix], 8)
    alone = make_request([*prefix, 50], 8, temperature=0.0)
    run(core, [alone])
    events = run(core, [sound, broken])
    assert events[broken][-1].finish_reason is FinishReason.ERROR
    assert sound.token_ids == alone.token_ids
    assert_clean(core)


def test_others_in_the_step_do_not_notice(tokenizer: Tokenizer) -> None:
    core = poisoned(tokenizer)
    others = [make_request([n, n + 1, n + 2], 6, temperature=0.0) for n in (20, 30, 40)]
    alone = make_request([20, 21, 22], 6, temperature=0.0)
    run(core, [alone])
    run(core, [*others, make_request([POISON] * 5, 6)])
    assert others[0].token_ids == alone.token_ids
    assert all(other.num_output_tokens == 6 for other in others)
    assert_clean(core)
