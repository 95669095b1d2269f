"""Settings -> a server that answers, with real (tiny, random) models in real folders."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from owngpt.build import engine_config, load, load_models, open_app
from owngpt.config import EngineConfig, Settings
from owngpt.engine.memory import SHARE, available_memory
from owngpt.errors import CheckpointError, ConfigError
from owngpt.server.schemas.sampling import Logprobs, SamplingFields, sampling_params
from owngpt.service.app import App
from owngpt.service.fingerprint import Fingerprint
from owngpt.types import SamplingParams
from tests.fakes.engine import CHATML, client_of
from tests.fakes.model import edit_config, encoder_checkpoint, family_checkpoint
from tests.fakes.text import byte_tokenizer

KEY = "sk-own-build-0123456789"
SMALL = EngineConfig(kv_memory=4 * 1024**2, threads=1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A decoder and an encoder."""
    root = tmp_path_factory.mktemp("models")
    decoder, encoder = family_checkpoint("qwen3", root / "tiny-decoder"), root / "tiny-encoder"
    byte_tokenizer(decoder, chat_template=CHATML)
    encoder_checkpoint(encoder, "bert", "mean")
    byte_tokenizer(encoder, special=(), marks=())
    edit_config(encoder, vocab_size=100)
    return decoder, encoder


@pytest.fixture
def settings(folders: tuple[Path, Path], tmp_path: Path) -> Settings:
    return Settings(models=tuple(map(str, folders)), data_dir=tmp_path, api_key=KEY, engine=SMALL)


@pytest.fixture
def app(settings: Settings) -> Iterator[App]:
    opened = open_app(settings)
    load(opened.app)
    yield opened.app
    opened.app.close()


def test_several_models_divide_the_memory_that_one_would_get() -> None:
    alone, two = engine_config(Settings(models=("a",))), engine_config(Settings(models=("a", "b")))
    assert alone.kv_memory is None
    assert two.kv_memory is not None
    assert 0 < 2 * two.kv_memory <= available_memory() * SHARE * 1.5
    assert engine_config(Settings(models=("a", "b"), engine=SMALL)) == SMALL


def test_a_checkpoint_recommends_its_sampling(folders: tuple[Path, Path], settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "recommends"
    shutil.copytree(folders[0], folder)
    (folder / "generation_config.json").write_text('{"temperature": 0.25, "top_k": 20}')
    models = load_models(replace(settings, models=(str(folder),)))
    model = models.generator(None)
    model.engine.close()
    given, unsaid = SamplingFields(temperature=1), SamplingFields()
    assert sampling_params(unsaid, None, Logprobs(), 300, model.sampling) == SamplingParams(temperature=0.25, top_k=20)
    assert sampling_params(given, None, Logprobs(), 300, model.sampling) == SamplingParams(temperature=1, top_k=20)


@pytest.mark.anyio
async def test_a_draft_model_guesses_and_says_nothing_of_its_own(
    folders: tuple[Path, Path], settings: Settings, tmp_path: Path
) -> None:
    draft = tmp_path / "draft"
    shutil.copytree(family_checkpoint("llama", tmp_path / "llama"), draft)
    byte_tokenizer(draft, chat_template=CHATML)
    said = []
    for engine in (replace(SMALL, speculation="off"), replace(SMALL, speculation="on", draft_model=str(draft))):
        models = load_models(replace(settings, models=(str(folders[0]),), engine=engine))
        served = models.generator(None).engine
        async with served.submit([1, 2, 3], SamplingParams(temperature=0, max_tokens=20)) as events:
            said.append([token_id async for event in events for token_id in event.token_ids])
        assert (served.stats().drafted_tokens > 0) == (engine.draft_model is not None)
        served.close()
    assert said[0] == said[1]


def test_a_draft_model_with_fewer_embeddings_is_refused_by_name(
    folders: tuple[Path, Path], settings: Settings, tmp_path: Path
) -> None:
    draft = family_checkpoint("llama", tmp_path / "few-words")
    byte_tokenizer(draft, chat_template=CHATML)
    edit_config(draft, vocab_size=200)
    engine = replace(SMALL, draft_model=str(draft))
    with pytest.raises(ConfigError, match=r"few-words has embeddings for 200 tokens only, not for all of tiny-decoder"):
        load_models(replace(settings, models=(str(folders[0]),), engine=engine))


def test_a_draft_model_with_other_tokens_is_refused_by_name(
    folders: tuple[Path, Path], settings: Settings, tmp_path: Path
) -> None:
    draft = family_checkpoint("llama", tmp_path / "other-words")
    byte_tokenizer(draft, marks=["<other>"])
    engine = replace(SMALL, draft_model=str(draft))
    with pytest.raises(ConfigError, match=r"other-words has other tokens than tiny-decoder"):
        load_models(replace(settings, models=(str(folders[0]),), engine=engine))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(("dtype", "words"), [("auto", "finds no GPU"), ("int8", "not computed on a GPU")])
def test_a_gpu_that_cannot_be_used_is_a_setting_to_change(settings: Settings, dtype: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_models(replace(settings, engine=replace(SMALL, device="cuda", dtype=dtype)))


@pytest.mark.anyio
async def test_a_folder_becomes_a_server_that_answers(app: App) -> None:
    async with client_of(app, KEY) as client:
        names = [model["id"] for model in (await client.get("/v1/models")).json()["data"]]
        chat = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, "temperature": 0}
        first = (await client.post("/v1/chat/completions", json=chat)).json()
        second = (await client.post("/v1/chat/completions", json=chat)).json()
        vectors = (await client.post("/v1/embeddings", json={"input": "AB"})).json()["data"]
        metrics = (await client.get("/metrics")).text
    assert names == ["tiny-decoder", "tiny-encoder"]
    assert first["choices"] == second["choices"]
    assert second["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
    assert len(vectors[0]["embedding"]) == 32
    assert 'owngpt_engine_generated_tokens_total{model="tiny-decoder"}' in metrics


@pytest.mark.anyio
async def test_a_grammar_makes_sense_of_a_random_model(app: App) -> None:
    """Weights that know nothing still answer in the shape that is asked for, and call the tool that must be called."""
    schema = {"type": "object", "properties": {"city": {"enum": ["Kyoto", "京都"]}}, "required": ["city"]}
    schema["additionalProperties"] = False
    tool = {"type": "function", "function": {"name": "weather", "parameters": schema, "strict": True}}
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 200, "reasoning_effort": "none", "seed": 1}
    one = {"parallel_tool_calls": False}
    shape = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema, "strict": True}}
    async with client_of(app, KEY) as client:
        for streamed in (False, True):
            shaped = await message(client, {**body, "response_format": shape, "stream": streamed})
            assert json.loads(shaped["content"])["city"] in ("Kyoto", "京都")
            called = await message(
                client, {**body, "tools": [tool], "tool_choice": "required", **one, "stream": streamed}
            )
            assert json.loads(called["arguments"])["city"] in ("Kyoto", "京都")


@pytest.mark.anyio
async def test_a_conversation_outlives_the_server(settings: Settings, tmp_path: Path) -> None:
    settings = replace(settings, engine=replace(SMALL, kv_cache_dir=tmp_path / "kv"))
    body = {"model": "tiny-decoder", "max_tokens": 4, "messages": [{"role": "user", "content": "hello " * 10}]}
    cached = []
    for _ in range(2):
        opened = open_app(settings)
        load(opened.app)
        with pytest.raises(ConfigError, match="in use"):
            load_models(settings)
        async with client_of(opened.app, key=KEY) as client:
            answer = (await client.post("/v1/chat/completions", json=body)).json()
        cached.append(answer["usage"]["prompt_tokens_details"]["cached_tokens"])
        opened.app.close()
    assert cached[0] == 0
    assert cached[1] >= 60


async def message(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, str]:
    """Content and arguments of an answer, whole or put together from a stream."""
    response = await client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    documents = [json.loads(line[6:]) for line in response.text.split("\n\n") if line.startswith("data: {")]
    found = {"content": "", "arguments": ""}
    for document in documents or [response.json()]:
        assert "error" not in document, document
        for choice in document["choices"]:
            part = choice.get("delta") or choice.get("message") or {}
            found["content"] += part.get("content") or ""
            found["arguments"] += "".join(call["function"]["arguments"] for call in part.get("tool_calls", ())[:1])
    return found


def test_the_first_key_is_shown_once(settings: Settings) -> None:
    anonymous = Settings(models=settings.models, data_dir=settings.data_dir)
    first, again = open_app(anonymous), open_app(anonymous)
    assert first.new_key is not None
    assert again.new_key is None
    assert first.app.keys.find(first.new_key) is not None
    first.app.close()
    again.app.close()


def test_a_failure_leaves_no_engine_running(settings: Settings, tmp_path: Path) -> None:
    broken = Settings(models=(settings.models[0], str(tmp_path)), data_dir=tmp_path, api_key=KEY, engine=SMALL)
    opened, before = open_app(broken), set(threading.enumerate())
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        load(opened.app)
    assert opened.app.obstacle is not None
    assert "owngpt-engine" not in {thread.name for thread in threading.enumerate() if thread not in before}
    opened.app.close()


def test_an_alias_of_nothing_is_refused_by_name(settings: Settings) -> None:
    wrong = Settings(models=settings.models, aliases={"gpt-5.2": "nope"}, data_dir=settings.data_dir, engine=SMALL)
    opened = open_app(wrong)
    with pytest.raises(ConfigError, match=r"'gpt-5\.2' stands for 'nope'"):
        load(opened.app)
    opened.app.close()


def test_a_fingerprint_names_what_answers_depend_on(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Each change shows in its own part; a path, a time and a number of threads show nowhere."""
    folder, original = tmp_path / "copy", served(folders[0])
    shutil.copytree(folders[0], folder)
    assert served(folder, threads=2) == original
    assert differing(served(folder, dtype="bf16"), original) == {"dtype", "numerics"}
    (folder / "chat_template.jinja").write_text(CHATML + "!")
    assert differing(served(folder), original) == {"template"}
    shutil.copy(folders[0] / "chat_template.jinja", folder)
    edit_config(folder, eos_token_id=7)
    assert differing(served(folder), original) == {"weights", "tokenizer"}


def test_a_single_byte_in_the_middle_of_the_weights_shows(folders: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(folders[0], folder)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(file.seek(0, 2) // 2)
        file.write(b"\x01")
    assert differing(served(folder), served(folders[0])) == {"weights"}


def served(folder: Path, **engine: Any) -> Fingerprint:
    """The fingerprint of a folder's model."""
    settings = Settings(models=(str(folder),), engine=replace(SMALL, **engine), data_dir=folder.parent / "data")
    model = load_models(settings).generator(None)
    model.engine.close()
    return model.fingerprint


def differing(one: Fingerprint, other: Fingerprint) -> set[str]:
    """The names of the parts that are not the same."""
    assert one.id.startswith("fp_")
    assert (one.id == other.id) == (one == other)
    return {field.name for field in fields(one) if getattr(one, field.name) != getattr(other, field.name)}
