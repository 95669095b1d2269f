"""Prefixes that outlive their blocks: an engine that starts anew finds them, and says exactly the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from owngpt.config import EngineConfig
from owngpt.engine.core import EngineCore
from owngpt.engine.kv_store import KVStore
from owngpt.engine.request import Request
from owngpt.kernels.library import Library
from owngpt.model.packed_model import load_packed
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import TokenEvent
from tests.engine.makers import make_request, run
from tests.engine.scripted import NAN, ScriptedModel
from tests.fakes.model import family_checkpoint, tiny_model

PROMPT = list(b"A conversation of some length, which goes on and on.")  # 52 tokens: 13 blocks of 4
BLOCKS = 12  # of it that can be found: the last token is always computed


@contextmanager
def core(
    folder: Path, tokenizer: Tokenizer, model: Any = None, *, identity: str = "tiny", **config: Any
) -> Iterator[EngineCore]:
    """An engine over a folder; whatever has ended in it is on disk when it closes."""
    values: dict[str, Any] = {"kv_memory": 2**21, "block_size": 4, "max_batch_tokens": 16} | config
    store = config.pop("store", None) or KVStore(folder / "kv", 2**24)
    values.pop("store", None)
    opened = EngineCore(model or tiny_model(tokenizer.vocab_size), tokenizer, EngineConfig(**values), store, identity)
    try:
        yield opened
        opened.scheduler.check_integrity()
    finally:
        opened.close()


def ask(opened: EngineCore, prompt: Sequence[int] = PROMPT, **values: Any) -> tuple[int, list[int]]:
    """One greedy request, with logprobs; -> its cached tokens, and what was said."""
    request = make_request(prompt, **({"max_tokens": 8, "temperature": 0.0, "logprobs": 2} | values))
    (events,) = run(opened, [request]).values()
    return request.num_cached_tokens or 0, said(events)


def said(events: Sequence[TokenEvent]) -> list[int]:
    return [token_id for event in events for token_id in event.token_ids]


def files(folder: Path) -> list[Path]:
    return list((folder / "kv").glob("*.kv"))


def test_an_engine_that_starts_anew_finds_what_was_computed_before(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with core(tmp_path, tokenizer) as first:
        assert ask(first)[0] == 0
        cold = ask(first, PROMPT + list(b" And on."))[1]
    with core(tmp_path, tokenizer) as second:
        assert ask(second) == (4 * BLOCKS, ask(second)[1])
    with core(tmp_path, tokenizer) as third:
        cached, warm = ask(third, PROMPT + list(b" And on."))
        assert (cached, warm) == (52 + 4, cold)
        assert third.stats().restored_tokens == cached
        assert third.stats().disk_bytes == sum(path.stat().st_size for path in files(tmp_path))


def test_what_was_said_is_found_as_well(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with core(tmp_path, tokenizer) as first:
        answer = ask(first)[1]
    with core(tmp_path, tokenizer) as second:
        assert ask(second, PROMPT + answer + list(b"next"))[0] == 4 * ((52 + 8 - 1) // 4)


def test_blocks_come_back_bit_by_bit(tmp_path: Path, tokenizer: Tokenizer) -> None:
    contents = []
    for _ in range(2):
        with core(tmp_path, tokenizer) as opened:
            request = make_request(PROMPT, temperature=0.0)
            opened.add(request)
            while not request.num_output_tokens:
                opened.step()
            contents.append([opened.runner.read_block(block).tolist() for block in request.block_table[:BLOCKS]])
            opened.abort(request)
    assert contents[0] == contents[1]


@pytest.mark.parametrize("dtype", ["fp32", "int8"])
def test_an_answer_has_the_same_bits_cold_warm_and_from_disk(
    tmp_path: Path, tokenizer: Tokenizer, library: Library, dtype: str
) -> None:
    packed = load_packed(family_checkpoint("qwen3", tmp_path / "model"), dtype)
    answers = []
    for found in ((0, 4 * BLOCKS), (4 * BLOCKS, 4 * BLOCKS)):
        with core(tmp_path, tokenizer, packed, speculation="off") as opened:
            for num_cached_tokens in found:
                request = make_request(PROMPT, 12, temperature=1.0, logprobs=5)
                (events,) = run(opened, [request]).values()
                answers.append([(event.token_ids, event.logprobs) for event in events])
                assert request.num_cached_tokens == num_cached_tokens
    cold, warm, restored, again = answers
    assert cold == warm == restored == again


@pytest.mark.parametrize(
    "change",
    [{"identity": "other weights"}, {"block_size": 8}, {"model": "half"}],
    ids=["weights", "block size", "numerics"],
)
def test_other_weights_numerics_or_blocks_find_nothing(
    tmp_path: Path, tokenizer: Tokenizer, change: dict[str, Any]
) -> None:
    with core(tmp_path, tokenizer) as first:
        ask(first)
    if "model" in change:
        change = {"model": tiny_model(tokenizer.vocab_size).bfloat16()}
    with core(tmp_path, tokenizer, **change) as second:
        assert ask(second)[0] == 0


def test_namespaces_share_nothing_on_disk_either(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with core(tmp_path, tokenizer) as first:
        ask(first, namespace="a")
    with core(tmp_path, tokenizer) as second:
        assert ask(second, namespace="b")[0] == 0
        assert ask(second, namespace="a")[0] == 4 * BLOCKS
        assert ask(second, namespace=None)[0] == 0


def test_a_damaged_block_ends_the_prefix_changes_no_answer_and_is_replaced(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    with core(tmp_path, tokenizer) as first:
        answer = ask(first)[1]
    fourth = sorted(files(tmp_path), key=lambda path: path.stat().st_mtime_ns, reverse=True)[3]  # the first is youngest
    content = bytearray(fourth.read_bytes())
    content[-1] ^= 1
    fourth.write_bytes(content)
    with core(tmp_path, tokenizer) as second:
        assert ask(second) == (4 * 3, answer)
    with core(tmp_path, tokenizer) as third:
        assert ask(third) == (4 * BLOCKS, answer)


def test_disk_goes_on_where_memory_ends(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with core(tmp_path, tokenizer) as first:
        ask(first)
    with core(tmp_path, tokenizer) as second:
        assert ask(second, PROMPT[:22], max_tokens=1)[0] == 20
        assert ask(second)[0] == 4 * BLOCKS
        assert second.disk is not None
        assert second.disk.restored_tokens == 4 * BLOCKS


def test_disk_goes_on_after_a_block_that_was_never_saved(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with core(tmp_path, tokenizer) as first:
        ask(first)
    oldest_first = sorted(files(tmp_path), key=lambda path: path.stat().st_mtime_ns)
    oldest_first[-1].unlink()  # the beginning
    with core(tmp_path, tokenizer) as second:
        beginning = make_request(PROMPT[:6], 1)
        beginning.is_durable = False
        run(second, [beginning])
        assert beginning.num_cached_tokens == 0
        assert ask(second)[0] == 4 * BLOCKS


def test_choices_share_one_restoration(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with core(tmp_path, tokenizer) as first:
        ask(first)
    with core(tmp_path, tokenizer) as second:
        choices = [make_request(PROMPT, 4, temperature=0.0) for _ in range(3)]
        run(second, choices)
        assert [choice.num_cached_tokens for choice in choices] == [4 * BLOCKS] * 3
        assert second.disk is not None
        assert second.disk.restored_tokens == 4 * BLOCKS


def test_a_block_that_two_have_computed_is_held_once(tmp_path: Path, tokenizer: Tokenizer) -> None:
    """The last block of a prompt is computed by each of its choices; what follows it must not outlive it."""
    with core(tmp_path, tokenizer) as opened:
        choices = [make_request(PROMPT, 8, temperature=0.0) for _ in range(2)]
        for choice in choices:
            opened.add(choice)
        while choices[1].num_output_tokens < 5:
            opened.step()
            opened.scheduler.check_integrity()
        assert choices[0].block_table[:14] == choices[1].block_table[:14]
        for choice in choices:
            opened.abort(choice)


def test_a_conversation_that_must_stay_in_memory_leaves_no_file(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with core(tmp_path, tokenizer) as opened:
        request = make_request(PROMPT, 4)
        request.is_durable = False
        run(opened, [request])
        assert not opened.is_saving
        assert ask(opened)[0] == 4 * BLOCKS
    assert len(files(tmp_path)) == 14


def test_what_is_not_a_number_is_never_written(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = ScriptedModel([ord("a"), NAN], tokenizer.vocab_size, first=len(PROMPT) - 1)
    with core(tmp_path, tokenizer, model) as opened:
        (events,) = run(opened, [make_request(PROMPT)]).values()
        assert events[-1].error is not None
    assert not files(tmp_path)


def test_what_memory_lost_before_its_turn_is_not_written(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with core(tmp_path, tokenizer) as opened:
        request = make_request(PROMPT, 4)
        opened.add(request)
        while request.num_output_tokens < 2:
            opened.step()
        opened.abort(request)
        assert opened.is_saving
        pool = opened.scheduler.pool
        pool.release(pool.allocate(pool.num_blocks))  # everything is needed for something else
    assert not files(tmp_path)


class SlowStore(KVStore):
    """Reads when it is allowed to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "kv", 2**24)
        self.gate = threading.Semaphore(0)

    def read(self, name: bytes, num_bytes: int) -> memoryview | None:
        assert self.gate.acquire(timeout=10)
        return super().read(name, num_bytes)


@contextmanager
def restoring(folder: Path, tokenizer: Tokenizer, **config: Any) -> Iterator[tuple[EngineCore, Request, SlowStore]]:
    """An engine with a request that waits for its first block from disk."""
    with core(folder, tokenizer) as first:
        ask(first)
    store = SlowStore(folder)
    with core(folder, tokenizer, store=store, **config) as opened:
        request = make_request(PROMPT, 4, temperature=0.0)
        opened.add(request)
        opened.step()
        assert request.restoration is not None
        yield opened, request, store
        store.gate.release(1000)


def test_streams_run_on_while_a_prefix_is_read(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with restoring(tmp_path, tokenizer) as (opened, request, store):
        other = make_request(b"something else", 6, temperature=0.0)
        opened.add(other)
        while other in opened.scheduler.running or other in opened.scheduler.waiting:
            opened.step()
        assert other.num_output_tokens == 6
        assert request.num_computed_tokens == 0
        store.gate.release(1000)
        while opened.has_work:
            opened.step()
        assert request.num_cached_tokens == 4 * BLOCKS


def test_leaving_while_a_prefix_is_read_frees_its_blocks(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with restoring(tmp_path, tokenizer) as (opened, request, store):
        store.gate.release(2)
        while not request.num_computed_tokens:
            opened.step()
        opened.abort(request)
        opened.scheduler.check_integrity()
        assert opened.scheduler.pool.num_available == opened.scheduler.pool.num_blocks
        store.gate.release(1000)
        assert ask(opened)[0] == 4 * BLOCKS


def test_closing_does_not_wait_for_a_restoration(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with restoring(tmp_path, tokenizer) as (_, request, store):
        store.gate.release(1)
    assert request.num_output_tokens == 0
