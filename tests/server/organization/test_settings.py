"""What a project may use, and what is kept of it, on every route that it concerns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from owngpt.errors import ModelNotFound
from owngpt.service.callers import caller_of_key
from owngpt.service.completions import CompletionPrompt
from owngpt.service.generate import GenerationRequest, generate
from owngpt.store.receipts import Receipts
from owngpt.types import SamplingParams
from tests.fakes.engine import engine_of
from tests.server.organization.office import Office, good, refused

pytestmark = pytest.mark.anyio

ASKING: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
    ("/v1/completions", {"prompt": "Hi"}),
    ("/v1/embeddings", {"input": "Hi"}),
]


async def names(office: Office, key: str) -> set[str]:
    return {model["id"] for model in good(await office.ask("GET", "/v1/models", key))["data"]}


@pytest.mark.parametrize(("path", "body"), ASKING)
@pytest.mark.parametrize(
    "rule",
    [
        {"mode": "allow_list", "model_ids": ["another"]},
        {"mode": "allow_list", "model_ids": []},
        {"mode": "deny_list", "model_ids": ["fake", "fake-embed"]},
        {"mode": "deny_list", "model_ids": ["gpt-fake", "fake-embed"]},
    ],
)
async def test_a_model_that_is_not_permitted_does_not_exist(path: str, body: dict[str, Any], rule: Any) -> None:
    async with Office.open() as office:
        project = await office.project("research")
        key, other = await office.key(project), await office.key(await office.project("other"))
        good(await office.ask("POST", path, key, json=body))
        await office.post(f"/projects/{project}/model_permissions", **rule)
        for name in ({}, {"model": "fake-embed" if "embed" in path else "fake"}):
            refused(await office.ask("POST", path, key, json=body | name), 404, "model_not_found")
        if "embed" not in path:
            refused(await office.ask("POST", path, key, json=body | {"model": "gpt-fake"}), 404, "model_not_found")
        assert await names(office, key) == set()
        refused(await office.ask("GET", "/v1/models/gpt-fake", key), 404, "model_not_found")
        good(await office.ask("POST", path, other, json=body))
        assert await names(office, other) == {"fake", "gpt-fake", "fake-embed"}
        await office.delete(f"/projects/{project}/model_permissions")
        good(await office.ask("POST", path, key, json=body))


async def test_an_alias_in_a_list_means_the_model() -> None:
    async with Office.open() as office:
        project = await office.project("research")
        key = await office.key(project)
        await office.post(f"/projects/{project}/model_permissions", mode="allow_list", model_ids=["gpt-fake"])
        assert await names(office, key) == {"fake", "gpt-fake"}
        good(await office.chat(key, model="fake"))


async def test_the_engine_is_not_asked_by_another_way_either() -> None:
    """The check stands in `generate` itself, for every route that finds its model elsewhere."""
    async with Office.open() as office:
        project = await office.project("research")
        key = office.app.keys.find(await office.key(project))
        await office.post(f"/projects/{project}/model_permissions", mode="deny_list", model_ids=["fake"])
        assert key is not None
        fresh = office.app.keys.by_id(key.id)
        assert fresh is not None
        request = GenerationRequest(office.app.models.generative[0], CompletionPrompt(["Hi"]), SamplingParams())
        with pytest.raises(ModelNotFound):
            async with generate(office.app, caller_of_key(fresh), request):
                pass
        assert engine_of(office.app).submissions == []


@pytest.mark.parametrize("place", ["organization", "project"])
async def test_zero_retention_keeps_nothing(place: str) -> None:
    async with Office.open() as office:
        office.app.settings = replace(office.app.settings, store="all")
        project = await office.project("research")
        key = await office.key(project)
        good(await office.chat(key, store=True))
        assert len(Receipts(office.app.database).list(project)) == 1
        path = "/data_retention" if place == "organization" else f"/projects/{project}/data_retention"
        await office.post(path, retention_type="zero_data_retention")
        assert "zero data retention" in refused(await office.chat(key, store=True), 400, "unsupported_value")
        response = await office.chat(key)
        good(response)
        assert "x-owngpt-receipt" not in response.headers
        assert len(Receipts(office.app.database).list(project)) == 1
        first, last = engine_of(office.app).submissions
        assert (first.is_durable, last.is_durable) == (True, False)  # the prefix cache on disk


async def test_a_project_may_be_excepted_from_the_organizations_zero_retention() -> None:
    async with Office.open() as office:
        project = await office.project("research")
        key = await office.key(project)
        await office.post("/data_retention", retention_type="enhanced_zero_data_retention")
        refused(await office.chat(key, store=True), 400)
        await office.post(f"/projects/{project}/data_retention", retention_type="none")
        good(await office.chat(key, store=True))


async def test_hosted_tools_reach_the_caller() -> None:
    async with Office.open() as office:
        project = await office.project("research")
        key = await office.key(project)
        path = f"/projects/{project}/hosted_tool_permissions"
        await office.post(path, mcp={"enabled": False}, web_search={"enabled": False})
        await office.post(path, web_search={"enabled": True})
        found = office.app.keys.find(key)
        assert found is not None
        assert found.grant.disabled_tools == {"mcp"}
