"""No tenant gets anything of another's prompts: no block, no cached token, and no millisecond."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owngpt.build import load, open_app
from owngpt.config import EngineConfig, Settings
from owngpt.engine.core import EngineCore, ThreadEngine
from owngpt.engine.kv_store import KVStore
from owngpt.engine.request import Request
from owngpt.service.app import App
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Claim, SamplingParams
from tests.engine.makers import make_request, run
from tests.engine.scripted import ScriptedModel
from tests.fakes.engine import CHATML, client_of
from tests.fakes.model import family_checkpoint, tiny_model
from tests.fakes.text import byte_tokenizer

BLOCK = 4
TENANTS = ("ann", "bob", "cy")
SEGMENTS = ([1, 2, 3, 4], [1, 2, 3, 4, 5, 6], [7, 8, 9, 7, 8, 9, 7])  # prompts are made of these, so they begin alike


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return byte_tokenizer(tmp_path_factory.mktemp("tokenizer"))


# --- blocks and cached tokens ------------------------------------------------------------------------------------


@dataclass
class Engines:
    """One engine after the other over one folder, and all that each tenant ever asked."""

    folder: Path
    tokenizer: Tokenizer
    asked: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.core = self._open()

    def ask(self, tenant: str, prompt: Sequence[int], *, is_durable: bool = True) -> None:
        request = make_request(prompt, 6, namespace=tenant, temperature=0.0)
        request.claim, request.is_durable = Claim(tenant), is_durable
        self.asked.append(request)
        self.core.add(request)

    def step(self) -> None:
        if self.core.has_work:
            self.core.step()
        else:
            self.core.idle()
        self.check()

    def restart(self) -> None:
        for request in self.asked:
            self.core.abort(request)
        self.core.close()
        self.core = self._open()

    def check(self) -> None:
        """Cached tokens come from own words only, and nobody holds a block that a stranger holds."""
        self.core.scheduler.check_integrity()
        for request in self.asked:
            assert (request.num_cached_tokens or 0) <= self._could_know(request)
        for one in self.core.scheduler.running:
            for other in self.core.scheduler.running:
                if one.namespace != other.namespace:
                    assert not set(one.block_table) & set(other.block_table)

    def _could_know(self, request: Request) -> int:
        """The longest beginning, in whole blocks, that the same tenant has said in another request."""
        own = [other for other in self.asked if other.namespace == request.namespace and other is not request]
        common = max((_common(request.token_ids, other.token_ids) for other in own), default=0)
        return common // BLOCK * BLOCK

    def _open(self) -> EngineCore:
        model = ScriptedModel([1, 2, 3, 4, 5, 6, 7, 8], self.tokenizer.vocab_size)
        config = EngineConfig(kv_memory=24 * 2**12, block_size=BLOCK, max_batch_tokens=12, max_model_len=64)
        return EngineCore(model, self.tokenizer, config, KVStore(self.folder / "kv", 2**20), "scripted")  # type: ignore[arg-type]


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


prompts = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4).map(
    lambda parts: [token for part in parts for token in part]
)
operations = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(TENANTS), prompts, st.booleans()),
    st.tuples(st.just("step"), st.integers(1, 6)),
    st.tuples(st.just("leave"), st.integers(0, 9)),
    st.tuples(st.just("restart")),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(operations, max_size=25))
def test_whatever_tenants_do_they_find_their_own_words_only(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer, operations: list[tuple[Any, ...]]
) -> None:
    """In memory, on disk, while another one computes or restores the same words, with preemption and after restarts."""
    engines = Engines(tmp_path_factory.mktemp("tenants"), tokenizer)
    try:
        for name, *arguments in operations:
            if name == "ask":
                engines.ask(*arguments[:2], is_durable=arguments[2])
            elif name == "step":
                for _ in range(arguments[0]):
                    engines.step()
            elif name == "leave" and engines.asked:
                engines.core.abort(engines.asked[arguments[0] % len(engines.asked)])
            elif name == "restart":
                engines.restart()
        while engines.core.has_work:
            engines.step()
    finally:
        engines.core.close()


def test_the_property_would_see_a_leak(tmp_path: Path, tokenizer: Tokenizer) -> None:
    engines = Engines(tmp_path, tokenizer)
    for tenant in ("ann", "bob"):
        engines.ask(tenant, SEGMENTS[2])
        engines.asked[-1].namespace = "everybody"
        while engines.core.has_work:
            engines.core.step()
        engines.asked[-1].namespace = tenant
    with pytest.raises(AssertionError):
        engines.check()
    engines.core.close()


# --- time --------------------------------------------------------------------------------------------------------

PROMPT_TOKENS = 192
ROUNDS = 40
ALPHA = 1e-4  # how rarely an honest engine may fail the test


class Meter:
    """Engines over one folder, and how many tokens each of their steps computes."""

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        self._folder, self._tokenizer = folder, tokenizer
        self._sizes: list[int] = []
        self.core = self._open()

    def ask(self, namespace: str, prompt: Sequence[int]) -> list[int]:
        """Tokens computed in each step until the answer."""
        self._sizes.clear()
        run(self.core, [make_request(prompt, 1, namespace=namespace, temperature=0.0)])
        return list(self._sizes)

    def restart(self) -> None:
        self.core.close()
        self.core = self._open()

    def _open(self) -> EngineCore:
        model = tiny_model(self._tokenizer.vocab_size)
        model.register_forward_pre_hook(lambda _, arguments: self._sizes.append(len(arguments[0])))
        config = EngineConfig(kv_memory=2**22, block_size=BLOCK, max_batch_tokens=32)
        return EngineCore(model, self._tokenizer, config, KVStore(self._folder / "kv", 2**24), "tiny")


@pytest.mark.parametrize("is_on_disk", [False, True], ids=["memory", "disk"])
def test_a_strangers_prefix_saves_no_step_and_no_token(tmp_path: Path, tokenizer: Tokenizer, is_on_disk: bool) -> None:
    prompt, meter = list(range(100)), Meter(tmp_path, tokenizer)
    cold = meter.ask("ann", prompt)
    if is_on_disk:
        meter.restart()
    assert cold == meter.ask("bob", prompt) == [32, 32, 32, 4]
    assert meter.ask("ann", prompt) == [4]
    meter.core.close()


@pytest.fixture(scope="module")
def engine(tokenizer: Tokenizer) -> Iterator[ThreadEngine]:
    config = EngineConfig(kv_memory=2**25, max_batch_tokens=64)
    opened = ThreadEngine(tiny_model(tokenizer.vocab_size, max_position_embeddings=512), tokenizer, config)
    yield opened
    opened.close()


async def seconds(engine: ThreadEngine, tenant: str, prompt: Sequence[int]) -> float:
    """Until the first token."""
    begin = perf_counter()
    sampling = SamplingParams(temperature=0.0, max_tokens=1)
    async with engine.submit(prompt, sampling, namespace=tenant, claim=Claim(tenant)) as events:
        await anext(events)
        return perf_counter() - begin


async def compare(engine: ThreadEngine, prober: str, seed: int) -> float:
    """How likely it is that a prompt that Ann has asked takes the prober as long as one that nobody has asked.

    Each round is one of either kind, in random order: Ann asks something, then the prober asks the same, or something
    else. The p-value is that of a permutation test on ranks.
    """
    rng = random.Random(seed)

    def prompt() -> list[int]:
        return [rng.randrange(256) for _ in range(PROMPT_TOKENS)]

    samples: dict[bool, list[float]] = {True: [], False: []}
    kinds = [True, False] * ROUNDS
    rng.shuffle(kinds)
    for is_known in kinds:
        first = prompt()
        await seconds(engine, "ann", first)
        samples[is_known].append(await seconds(engine, prober, first if is_known else prompt()))
    return p_value(samples[True], samples[False], seed)


def p_value(one: Sequence[float], other: Sequence[float], seed: int, permutations: int = 50_000) -> float:
    """Two-sided, of a permutation test on the difference of mean ranks (Phipson & Smyth 2010 for the +1)."""
    rng = np.random.default_rng(seed)
    ranks = np.argsort(np.argsort([*one, *other])).astype(np.float64)
    observed = abs(ranks[: len(one)].mean() - ranks.mean())
    shuffled = rng.permuted(np.tile(ranks, (permutations, 1)), axis=1)[:, : len(one)].mean(axis=1)
    return float((np.sum(abs(shuffled - ranks.mean()) >= observed) + 1) / (permutations + 1))


@pytest.mark.anyio
async def test_the_clock_does_not_tell_what_a_stranger_has_asked(engine: ThreadEngine) -> None:
    await compare(engine, "bob", seed=0)  # warm
    assert await compare(engine, "bob", seed=1) > ALPHA


@pytest.mark.anyio
async def test_the_clock_would_tell_if_there_were_something_to_tell(engine: ThreadEngine) -> None:
    assert await compare(engine, "ann", seed=2) < ALPHA


# --- the whole server ---------------------------------------------------------------------------------------------


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    folder = family_checkpoint("qwen3", tmp_path / "tiny")
    byte_tokenizer(folder, chat_template=CHATML)
    small = EngineConfig(kv_memory=4 * 1024**2, threads=1, kv_cache_dir=tmp_path / "kv")
    opened = open_app(Settings(models=(str(folder),), data_dir=tmp_path / "data", api_key="sk-own-0", engine=small))
    load(opened.app)
    yield opened.app
    opened.app.close()


async def cached_tokens(client: httpx.AsyncClient, **body: Any) -> int:
    messages = [{"role": "user", "content": "The secret plan of our company is as follows. " * 2}]
    answer = await client.post("/v1/chat/completions", json={"messages": messages, "max_tokens": 2, **body})
    assert answer.status_code == 200
    count: int = answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"]
    return count


@pytest.mark.anyio
async def test_projects_and_keys_of_a_running_server_share_nothing(app: App) -> None:
    ann, bob = (app.keys.create(project=project).secret for project in ("ann", "bob"))
    async with client_of(app, ann) as ann_client, client_of(app, bob) as bob_client:
        assert await cached_tokens(ann_client, prompt_cache_key="k") == 0
        assert await cached_tokens(ann_client, prompt_cache_key="k") > 80
        assert await cached_tokens(bob_client, prompt_cache_key="k") == 0
        assert await cached_tokens(ann_client) == 0
        assert await cached_tokens(ann_client, prompt_cache_key="other") == 0
