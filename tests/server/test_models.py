"""GET /v1/models, names and aliases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from owngpt.errors import ConfigError
from owngpt.service.models import Models
from tests.fakes.engine import client_of, make_app

pytestmark = pytest.mark.anyio


async def test_models_and_aliases_are_listed() -> None:
    async with client_of(make_app()) as client:
        listing = (await client.get("/v1/models")).json()
    assert listing["object"] == "list"
    assert [(m["id"], m["root"], m["capabilities"]["chat"]) for m in listing["data"]] == [
        ("fake", "fake", True),
        ("fake-embed", "fake-embed", False),
        ("gpt-fake", "fake", True),
    ]


async def test_one_model_by_name_or_alias() -> None:
    async with client_of(make_app()) as client:
        model = (await client.get("/v1/models/gpt-fake")).json()
    assert (model["id"], model["object"], model["created"], model["owned_by"]) == ("gpt-fake", "model", 1, "owngpt")
    assert model["max_model_len"] == 4096


async def test_an_answer_has_the_name_that_was_asked_for() -> None:
    async with client_of(make_app()) as client:
        for name in ("fake", "gpt-fake"):
            assert (await client.post("/v1/completions", json={"prompt": "a", "model": name})).json()["model"] == name
        assert (await client.post("/v1/completions", json={"prompt": "a"})).json()["model"] == "fake"


async def test_without_a_name_there_must_be_one_model_only() -> None:
    app = make_app()
    [fake] = app.models.generative
    app.loaded = Models([fake, replace(fake, name="other")])
    async with client_of(app) as client:
        response = await client.post("/v1/completions", json={"prompt": "a"})
        assert (response.status_code, response.json()["error"]["param"]) == (400, "model")
        assert "name one of fake, other" in response.json()["error"]["message"]
        response = await client.post("/v1/embeddings", json={"input": "a"})
        assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")


async def test_an_embedder_does_not_generate() -> None:
    async with client_of(make_app()) as client:
        response = await client.post("/v1/completions", json={"prompt": "a", "model": "fake-embed"})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "model")


def test_two_models_of_one_name_are_refused() -> None:
    [fake] = make_app().models.generative
    with pytest.raises(ConfigError, match="two models are named 'fake'"):
        Models([fake, fake])


def test_an_alias_of_nothing_is_refused() -> None:
    [fake] = make_app().models.generative
    with pytest.raises(ConfigError, match=r"alias 'a' stands for 'b', which is not loaded; loaded: fake$"):
        Models([fake], {"a": "b"})
