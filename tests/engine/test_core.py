"""The engine through its seam: what a service sees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import torch

from owngpt.config import EngineConfig
from owngpt.engine.core import ThreadEngine
from owngpt.engine.kv_store import KVStore
from owngpt.errors import ConfigError, EngineFailed, InvalidRequest, Overloaded, ServiceUnavailable
from owngpt.model.weights import load_model
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Constraint, FinishReason, SamplingParams, Thinking
from tests.engine.asking import Gate, ask, engine, settle
from tests.engine.scripted import FAIL, NAN, ScriptedModel
from tests.fakes.model import VOCAB_SIZE, family_checkpoint, tiny_model
from tests.fakes.text import byte_tokenizer

pytestmark = pytest.mark.anyio


async def test_an_answer_streams_and_ends(tokenizer: Tokenizer) -> None:
    eos = tokenizer.eos_token_ids[0]
    with engine(ScriptedModel([*b"hello", eos], tokenizer.vocab_size), tokenizer) as served:
        (answer,) = await ask(served, "x")
        assert answer.text == "hello"
        assert answer.finish_reason is FinishReason.STOP
        assert answer.token_ids == list(b"hello")
        assert answer.events[0].prompt is not None
        assert answer.events[0].prompt.num_tokens == 1
        assert all(event.prompt is None for event in answer.events[1:])


async def test_max_tokens_ends_with_length(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel("abc", tokenizer.vocab_size), tokenizer) as served:
        (answer,) = await ask(served, "x", max_tokens=2)
        assert (answer.text, answer.finish_reason) == ("ab", FinishReason.LENGTH)


async def test_no_tokens_can_be_asked_for(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel("abc", tokenizer.vocab_size), tokenizer) as served:
        (answer,) = await ask(served, "hello", max_tokens=0, prompt_logprobs=1)
        assert (answer.token_ids, answer.finish_reason) == ([], FinishReason.LENGTH)
        assert answer.events[0].prompt is not None
        assert answer.events[0].prompt.logprobs is not None
        assert len(answer.events[0].prompt.logprobs) == 5


async def test_a_full_context_ends_with_length(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel("abc", tokenizer.vocab_size), tokenizer, max_model_len=10) as served:
        (answer,) = await ask(served, "1234567", max_tokens=None)
        assert (len(answer.token_ids), answer.finish_reason) == (3, FinishReason.LENGTH)


@pytest.mark.parametrize("text", ["日本語のテキスト", "🎉👩‍👩‍👧‍👦 family", "naïve café"])
async def test_characters_are_never_cut(tokenizer: Tokenizer, text: str) -> None:
    script = [*text.encode(), tokenizer.eos_token_ids[0]]
    with engine(ScriptedModel(script, tokenizer.vocab_size), tokenizer) as served:
        (answer,) = await ask(served, "x", max_tokens=100)
        assert answer.text == text
        assert "\ufffd" not in answer.text


async def test_half_a_character_at_the_end_is_not_lost_silently(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel("a日", tokenizer.vocab_size), tokenizer) as served:
        (answer,) = await ask(served, "x", max_tokens=2)
        assert answer.text == "a\ufffd"


async def test_a_stop_string_across_tokens_is_never_shown(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel("one END two", tokenizer.vocab_size), tokenizer) as served:
        (answer,) = await ask(served, "x", stop=("END",))
        assert (answer.text, answer.finish_reason) == ("one ", FinishReason.STOP)
        assert answer.events[-1].stop == "END"
        assert answer.token_ids == list(b"one END")


async def test_what_only_began_like_a_stop_string_is_released(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel("one EN", tokenizer.vocab_size), tokenizer) as served:
        (answer,) = await ask(served, "x", stop=("END",), max_tokens=6)
        assert answer.text == "one EN"


async def test_stop_tokens_and_ignored_end_tokens(tokenizer: Tokenizer) -> None:
    eos = tokenizer.eos_token_ids[0]
    with engine(ScriptedModel([*b"a", eos, *b"b."], tokenizer.vocab_size), tokenizer) as served:
        (answer,) = await ask(served, "x", ignore_eos=True, stop_token_ids=(ord("."),))
        assert (answer.text, answer.finish_reason) == ("ab", FinishReason.STOP)
        assert answer.token_ids == [ord("a"), eos, ord("b")]


async def test_logprobs_stand_beside_their_tokens(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel("日", tokenizer.vocab_size), tokenizer) as served:
        (answer,) = await ask(served, "x", logprobs=2, max_tokens=3)
        logprobs = [entry for event in answer.events for entry in event.logprobs or ()]
        assert [entry.token for entry in logprobs] == [bytes([byte]) for byte in "日".encode()]
        assert all(-1e-3 < entry.logprob <= 0 for entry in logprobs)
        assert all(len(entry.top) == 2 and entry.top[0].token_id == entry.token_id for entry in logprobs)


async def test_choices_differ_and_share_their_prompt(tokenizer: Tokenizer) -> None:
    with engine(tiny_model(tokenizer.vocab_size), tokenizer) as served:
        answers = await ask(served, "a prompt of some length", n=3, temperature=1.0, seed=1)
        assert len({tuple(answer.token_ids) for answer in answers}) == 3
        assert served.stats().cached_tokens == 2 * 20
        again = await ask(served, "a prompt of some length", n=3, temperature=1.0, seed=1)
        assert [a.token_ids for a in again] == [a.token_ids for a in answers]


async def test_a_seed_gives_the_same_answer_alone_and_in_a_crowd(tokenizer: Tokenizer) -> None:
    with engine(tiny_model(tokenizer.vocab_size), tokenizer) as served:
        seeded = {"temperature": 1.0, "seed": 42, "top_p": 0.9, "min_p": 0.01}
        (alone,) = await ask(served, "tell me", **seeded)
        crowd = await asyncio.gather(
            ask(served, "tell me", **seeded), *(ask(served, f"other {i}", temperature=1.5, top_k=5) for i in range(5))
        )
        assert crowd[0][0].token_ids == alone.token_ids
        (other,) = await ask(served, "tell me", **(seeded | {"seed": 43}))
        assert other.token_ids != alone.token_ids


async def test_without_a_seed_each_answer_is_its_own(tokenizer: Tokenizer) -> None:
    with engine(tiny_model(tokenizer.vocab_size), tokenizer) as served:
        answers = [(await ask(served, "x", temperature=1.0))[0].token_ids for _ in range(2)]
        assert answers[0] != answers[1]


async def test_prefixes_are_cached_inside_a_namespace_only(tokenizer: Tokenizer) -> None:
    with engine(tiny_model(tokenizer.vocab_size), tokenizer) as served:
        cached = []
        for namespace in ("one", "two", "one"):
            (answer,) = await ask(served, "a common beginning", namespace=namespace)
            assert answer.events[0].prompt is not None
            cached.append(answer.events[0].prompt.num_cached_tokens)
        assert cached == [0, 0, 16]


async def test_prompt_logprobs_are_the_same_in_chunks_and_beside_a_cached_prefix(tokenizer: Tokenizer) -> None:
    prompts = []
    for max_batch_tokens in (64, 5):
        with engine(tiny_model(tokenizer.vocab_size), tokenizer, max_batch_tokens=max_batch_tokens) as served:
            await ask(served, "a prompt of some length")
            (answer,) = await ask(served, "a prompt of some length", prompt_logprobs=1, max_tokens=1)
            assert answer.events[0].prompt is not None
            prompts.append(answer.events[0].prompt)
    whole, chunked = (prompt.logprobs or () for prompt in prompts)
    assert prompts[0].num_cached_tokens == prompts[1].num_cached_tokens == 0
    assert len(whole) == len("a prompt of some length")
    assert whole[0] is chunked[0] is None
    for one, other in zip(whole[1:], chunked[1:], strict=True):
        assert one is not None
        assert other is not None
        assert (one.token_id, one.top[0].token_id) == (other.token_id, other.top[0].token_id)
        assert one.logprob == pytest.approx(other.logprob, abs=1e-4)


async def test_logprobs_equal_transformers_where_the_model_is_wider_than_the_tokenizer(tmp_path: Path) -> None:
    """The padding's share of the probability counts, but padding is never among the best tokens."""
    from transformers import AutoModelForCausalLM

    tokenizer = byte_tokenizer(tmp_path)
    assert tokenizer.vocab_size < VOCAB_SIZE
    prompt = list(b"a prompt of some length")
    with engine(load_model(family_checkpoint("llama", tmp_path)), tokenizer) as served:
        (answer,) = await ask(served, prompt, logprobs=4, prompt_logprobs=4, max_tokens=8, ignore_eos=True)
    info = answer.events[0].prompt
    assert info is not None
    known = [*(info.logprobs or ())[1:], *(entry for event in answer.events for entry in event.logprobs or ())]
    ids = torch.tensor([prompt + answer.token_ids])
    with torch.no_grad():
        expected_TV = AutoModelForCausalLM.from_pretrained(tmp_path)(ids).logits[0].log_softmax(-1)
    for entry, token_id, expected_V in zip(known, ids[0, 1:].tolist(), expected_TV, strict=False):
        assert entry is not None
        assert entry.token_id == token_id
        assert entry.logprob == pytest.approx(float(expected_V[token_id]), abs=1e-4)
        best = expected_V[: tokenizer.vocab_size].topk(4)
        assert [top.token_id for top in entry.top] == best.indices.tolist()
        assert [top.logprob for top in entry.top] == pytest.approx(best.values.tolist(), abs=1e-4)


async def test_a_tokenizer_may_have_tokens_that_the_model_does_not_know(tokenizer: Tokenizer) -> None:
    """Gemma 3 (1B) has one: no grammar fails for it, and who asks for it is refused."""
    unknown = tokenizer.vocab_size - 1
    with engine(tiny_model(unknown), tokenizer) as served:
        (answer,) = await ask(served, "x", logprobs=2, constraint=Constraint('start: "ab"'))
        assert (answer.text, answer.finish_reason) == ("ab", FinishReason.STOP)
        with pytest.raises(InvalidRequest, match="token id"):
            await ask(served, [unknown])
        with pytest.raises(InvalidRequest, match="token id"):
            await ask(served, "x", logit_bias={unknown: 1.0})
        with pytest.raises(InvalidRequest, match="prediction has token id"):
            await ask(served, "x", prediction=(1, unknown))


async def test_leaving_frees_the_blocks_within_one_step(tokenizer: Tokenizer) -> None:
    gate = Gate()
    model = ScriptedModel("a", tokenizer.vocab_size, on_forward=gate.wait)
    with engine(model, tokenizer) as served:
        async with served.submit(list(b"a long prompt"), SamplingParams(temperature=0.0)) as stream:
            gate.open()
            await anext(stream)
            assert served.stats().num_running == 1
        gate.open()  # the step that was under way
        await settle(served)
        assert gate.num_waits <= 2
        assert served.stats().num_free_blocks == served.stats().num_blocks


async def test_cancelling_the_reader_frees_too(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel("a", tokenizer.vocab_size), tokenizer, max_model_len=100_000) as served:
        reader = asyncio.create_task(ask(served, "x", max_tokens=None))
        await asyncio.sleep(0.05)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await settle(served)
        assert served.stats().num_free_blocks == served.stats().num_blocks


async def test_a_full_queue_refuses_and_says_when_to_come_back(tokenizer: Tokenizer) -> None:
    gate = Gate()
    model = ScriptedModel("ab", tokenizer.vocab_size, on_forward=gate.wait)
    with engine(model, tokenizer, max_running=1, max_queue=2) as served:
        accepted = [asyncio.create_task(ask(served, "x", max_tokens=2)) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded) as refused:
            await ask(served, "x")
        assert int(refused.value.headers["retry-after"]) >= 1
        gate.open(100)
        for answer in await asyncio.gather(*accepted):
            assert answer[0].text == "ab"
        assert (await ask(served, "x", max_tokens=1))[0].text == "a"


async def test_draining_finishes_what_runs_and_takes_nothing_new(tokenizer: Tokenizer) -> None:
    gate = Gate()
    with engine(ScriptedModel("ab", tokenizer.vocab_size, on_forward=gate.wait), tokenizer) as served:
        running = asyncio.create_task(ask(served, "x", max_tokens=2))
        await asyncio.sleep(0.05)
        draining = asyncio.create_task(served.drain())
        await asyncio.sleep(0)
        with pytest.raises(ServiceUnavailable):
            await ask(served, "x")
        assert not draining.done()
        gate.open(2)
        assert (await running)[0].text == "ab"
        await draining


async def test_numbers_that_are_not_finite_fail_their_request_and_no_other(tokenizer: Tokenizer) -> None:
    model = ScriptedModel([*b"ab", NAN, *b"cdefgh"], tokenizer.vocab_size)
    with engine(model, tokenizer) as served:
        broken, healthy = await asyncio.gather(
            ask(served, "x", max_tokens=5), ask(served, "a longer prompt", max_tokens=5)
        )
        assert broken[0].finish_reason is FinishReason.ERROR
        assert "finite" in str(broken[0].events[-1].error)
        assert healthy[0].finish_reason is FinishReason.LENGTH
        await settle(served)
        assert served.stats().num_free_blocks == served.stats().num_blocks


async def test_nothing_broken_is_left_in_the_cache(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel([NAN], tokenizer.vocab_size), tokenizer) as served:
        for _ in range(2):
            (answer,) = await ask(served, "the same prompt twice")
            assert answer.finish_reason is FinishReason.ERROR
        assert served.stats().cached_tokens == 0
        assert not any(tensor.any() for tensor in served._core.runner.cache.key)


async def test_a_step_that_raises_fails_who_took_part_and_the_engine_lives_on(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel([*b"ab", FAIL], tokenizer.vocab_size), tokenizer) as served:
        with pytest.raises(EngineFailed):
            await ask(served, "x", max_tokens=9)
        assert (await ask(served, "x", max_tokens=2))[0].text == "ab"
        assert served.stats().num_free_blocks == served.stats().num_blocks


class BrokenTokenizer(Tokenizer):
    """It cannot spell one of its tokens."""

    def token_bytes(self, token_id: int) -> bytes:
        if token_id == ord("!"):
            raise RuntimeError("no bytes")
        return super().token_bytes(token_id)


async def test_text_that_cannot_be_made_fails_its_request_and_no_other(
    tokenizer: Tokenizer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    byte_tokenizer(tmp_path)
    broken_tokenizer = BrokenTokenizer.load(tmp_path)
    with engine(ScriptedModel("ab!cdefghi", tokenizer.vocab_size), broken_tokenizer) as served:
        broken, healthy = await asyncio.gather(ask(served, "x", max_tokens=5), ask(served, "five.", max_tokens=5))
        assert broken[0].finish_reason is FinishReason.ERROR
        assert (healthy[0].text, healthy[0].finish_reason) == ("defgh", FinishReason.LENGTH)
    assert "could not be taken in" in caplog.text


async def test_when_the_engine_dies_everyone_gets_an_answer(
    tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    model = ScriptedModel([*b"ab", FAIL], tokenizer.vocab_size, on_forward=gate.wait)
    with engine(model, tokenizer, max_running=1) as served:
        readers = [asyncio.create_task(ask(served, "x", max_tokens=9)) for _ in range(3)]
        await asyncio.sleep(0.05)
        served._core.scheduler.pool._ref_counts[17] += 1  # the books are wrong
        gate.open(10)
        for answer in await asyncio.gather(*readers, return_exceptions=True):
            assert isinstance(answer, EngineFailed)
        with pytest.raises(EngineFailed, match="died"):
            await ask(served, "x")
        assert not served.is_alive
        served._core.scheduler.pool._ref_counts[17] -= 1
    assert "the engine has died" in caplog.text


async def test_an_engine_that_finds_nothing_to_do_dies_rather_than_spin(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine(ScriptedModel("a", tokenizer.vocab_size), tokenizer) as served:
        monkeypatch.setattr(served._core.scheduler, "schedule", list)
        async with asyncio.timeout(10):
            with pytest.raises(EngineFailed, match="died"):
                await ask(served, "x")
        assert not served.is_alive


async def test_closing_twice_gives_the_folder_of_prefixes_back_once(tokenizer: Tokenizer, tmp_path: Path) -> None:
    store, config = KVStore(tmp_path, 2**20).retain(), EngineConfig(kv_memory=2**20)
    served = ThreadEngine(tiny_model(tokenizer.vocab_size), tokenizer, config, store=store)
    served.close()
    served.close()
    with pytest.raises(ConfigError, match="in use"):
        KVStore(tmp_path, 2**20)
    store.close()
    KVStore(tmp_path, 2**20).close()


async def test_closing_answers_who_still_waits(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel("a", tokenizer.vocab_size), tokenizer, max_model_len=100_000) as served:
        reader = asyncio.create_task(ask(served, "x", max_tokens=None))
        await asyncio.sleep(0.05)
        served.close()
        served.close()
        with pytest.raises(EngineFailed, match="shutting down"):
            await reader
        with pytest.raises(ServiceUnavailable):
            await ask(served, "x")


@pytest.mark.parametrize(
    ("prompt", "sampling", "param", "message"),
    [
        ([], {}, "prompt", "empty"),
        ([1] * 64, {}, "prompt", "64 tokens; this model takes 64"),
        ([1, 10_000], {}, "prompt", "token id 10000"),
        ([1, -1], {}, "prompt", "token id -1"),
        ([1], {"logit_bias": {999: 1.0}}, "logit_bias", "token id 999"),
        ([1], {"stop_token_ids": (999,)}, "stop_token_ids", "token id 999"),
        ([1], {"n": 1000}, "n", "at most 256"),
    ],
)
async def test_what_this_model_can_never_do_is_refused(
    tokenizer: Tokenizer, prompt: list[int], sampling: dict[str, Any], param: str, message: str
) -> None:
    with engine(tiny_model(tokenizer.vocab_size), tokenizer, max_model_len=64) as served:
        with pytest.raises(InvalidRequest, match=message) as refused:
            await ask(served, prompt, **sampling)
        assert refused.value.param == param


async def test_a_prompt_that_kv_memory_cannot_hold_is_refused(tokenizer: Tokenizer) -> None:
    model = tiny_model(tokenizer.vocab_size)
    with engine(model, tokenizer, kv_memory=5 * 4 * 512) as served:
        assert served.max_model_len == 20
        with pytest.raises(InvalidRequest, match="takes 20"):
            await ask(served, [1] * 20)
        (answer,) = await ask(served, [1] * 19, max_tokens=None, ignore_eos=True)
        assert len(answer.token_ids) == 1


THINKING = {"start_id": ord("<"), "end_id": ord(">"), "end_ids": tuple(b"!>\n")}


async def test_thinking_is_told_apart_and_stop_strings_do_not_look_at_it(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel("<plan STOP>answer STOP", tokenizer.vocab_size), tokenizer) as served:
        (answer,) = await ask(served, "x", thinking=Thinking(budget=None, **THINKING), stop=("STOP",), max_tokens=50)
        assert "".join(event.text for event in answer.events if event.is_thinking) == "<plan STOP>"
        assert "".join(event.text for event in answer.events if not event.is_thinking) == "answer "


async def test_a_spent_budget_ends_the_thinking(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel("<ponder and ponder", tokenizer.vocab_size), tokenizer) as served:
        (answer,) = await ask(served, "x", thinking=Thinking(budget=3, **THINKING), max_tokens=12)
        assert "".join(event.text for event in answer.events if event.is_thinking) == "<pon!>\n"


async def test_blocking_calls_never_hold_the_loop(tokenizer: Tokenizer) -> None:
    """The event loop turns while a step takes long."""
    gate = Gate()
    with engine(ScriptedModel("a", tokenizer.vocab_size, on_forward=gate.wait), tokenizer) as served:
        reader = asyncio.create_task(ask(served, "x", max_tokens=1))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not reader.done()
        gate.open()
        await reader


async def test_events_are_closed_with_the_iterator(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel("a", tokenizer.vocab_size), tokenizer) as served:
        async with served.submit([1], SamplingParams(max_tokens=5)) as stream:
            assert isinstance(stream, AsyncIterator)
            async with aclosing(stream):  # type: ignore[type-var]
                async for _ in stream:
                    break
        await settle(served)
