"""LangChain's own standard tests for chat models once more, through the Responses API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

pytest.importorskip("langchain_tests")
pytest.importorskip("langchain_openai")

import httpx2
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from pytest_benchmark.fixture import BenchmarkFixture

from tests.clients.scripted import scripted_app
from tests.clients.serving import Running, Serve
from tests.clients.test_langchain import RULES

pytestmark = [  # LangChain's own: it reads pydantic models that the SDK parsed, and tests what it no longer supports
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
    pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema:UserWarning"),
]


@pytest.fixture(scope="module")
def server(serve: Serve) -> Running:
    return serve(scripted_app(*RULES, otherwise="Hello, how are you?"))


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def connections(anyio_backend: str) -> AsyncIterator[dict[str, Any]]:
    """HTTP clients that are closed at the end; LangChain's own, cached ones never are. All tests share their loop."""
    async with httpx2.AsyncClient() as asynchronous:
        with httpx2.Client() as synchronous:
            yield {"http_client": synchronous, "http_async_client": asynchronous}


@pytest.fixture
def benchmark(benchmark: BenchmarkFixture) -> BenchmarkFixture:
    """Runs once what it would time: here it only has to work."""
    benchmark.disabled = True
    return benchmark


@pytest.mark.anyio
class TestResponses(ChatModelIntegrationTests):
    """All of them; what is skipped is images, audio and files, which this server's models cannot read."""

    params: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _connect(self, server: Running, connections: dict[str, Any]) -> None:
        self.params = {"model": "fake", "base_url": server.url, "api_key": server.key, **connections}

    @property
    def chat_model_class(self) -> type[ChatOpenAI]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**self.params, "use_responses_api": True}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "gpt-fake"

    @property
    def supported_usage_metadata_details(self) -> dict[str, list[str]]:
        details = ["reasoning_output", "cache_read_input"]
        return {"invoke": details, "stream": details}

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        message = self._invoke("Think of a cat.", stream, reasoning={"effort": "low", "summary": "auto"})
        assert message.usage_metadata is not None
        assert message.usage_metadata["output_token_details"]["reasoning"] > 0
        assert [block["type"] for block in message.content_blocks] == ["reasoning", "text"]
        return message

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        return self._invoke("Hello", stream)

    def _invoke(self, text: str, stream: bool, **params: Any) -> AIMessage:
        model = ChatOpenAI(**self.chat_model_params, **params)
        if not stream:
            return model.invoke(text)
        first, *others = model.stream(text)
        return sum(others, first)
