"""LangChain's own standard tests for chat models, with `langchain-openai` pointed at a running server.

The model is scripted: most of these tests ask for the right tool with the right arguments, which no tiny model finds.
What it says is checked against the grammar of each request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

pytest.importorskip("langchain_tests")
pytest.importorskip("langchain_openai")

import httpx2
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from pydantic import SecretStr
from pytest_benchmark.fixture import BenchmarkFixture

from tests.clients.scripted import call, scripted_app
from tests.clients.serving import Running, Serve
from tests.fakes.engine import KEY

JOKE = {"setup": "Why did the cat sit on the computer?", "punchline": "To keep an eye on the mouse."}
RULES = (
    (r"Think", "<think>\nCats meow.\n</think>\n\nMeow."),
    (r"magic_function_no_args", call("magic_function_no_args")),
    (r"magic_function", call("magic_function", input=3)),
    (r"greeting_generator", call("greeting_generator", answer_style="pirate")),
    (r"你好啊集团", call("unicode_customer", customer_name="你好啊集团", description="科技公司")),
    (r"こんにちは株式会社", call("unicode_customer", customer_name="こんにちは株式会社", description="会社")),
    (r"What is 3 \+ 4", call("my_adder_tool", a=3, b=4)),
    (r"<\|im_start\|>tool\n", "It's sunny, and 1 + 2 is 3."),
    (r"weather in San Francisco", call("get_weather", location="San Francisco, CA")),
    (r'cats.*"function"', call("Joke", **JOKE)),
    (r"cats", '{"setup": "Why did the cat sit on the computer?", "punchline": "To keep an eye on the mouse."}'),
)


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
class TestChat(ChatModelIntegrationTests):
    """All of them; what is skipped is images, audio and files, which this server's models cannot read."""

    params: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _connect(self, server: Running, connections: dict[str, Any]) -> None:
        self.params = {"model": "fake", "base_url": server.url, "api_key": server.key, **connections}

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**self.params, "stream_usage": True}

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
        message = self._invoke("Think of a cat.", stream, reasoning_effort="low")
        assert message.usage_metadata is not None
        assert message.usage_metadata["output_token_details"]["reasoning"] > 0
        return message

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        return self._invoke("Hello", stream)

    def _invoke(self, text: str, stream: bool, **params: Any) -> AIMessage:
        model = ChatOpenAI(**self.chat_model_params, **params)
        if not stream:
            return model.invoke(text)
        first, *others = model.stream(text)
        return sum(others, first)


class TestResponses(TestChat):
    """The same through the Responses API, whose answers have their thinking as blocks of content."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**self.params, "use_responses_api": True}

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        message = self._invoke("Think of a cat.", stream, reasoning={"effort": "low", "summary": "auto"})
        assert message.usage_metadata is not None
        assert message.usage_metadata["output_token_details"]["reasoning"] > 0
        assert [block["type"] for block in message.content_blocks] == ["reasoning", "text"]
        return message


class TestChatUnit(ChatModelUnitTests):
    """The class as it is set up for this server; nothing is sent."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "fake", "base_url": "http://127.0.0.1:8000/v1", "api_key": KEY}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": "http://127.0.0.1:8000/v1"}
        expected = {"openai_api_key": KEY, "openai_api_base": "http://127.0.0.1:8000/v1"}
        return environment, {"model": "fake"}, expected


def test_embeddings(server: Running) -> None:
    """`check_embedding_ctx_length=False` sends texts; otherwise LangChain sends the ids of OpenAI's own tokenizer."""
    with httpx2.Client() as http_client:
        embeddings = OpenAIEmbeddings(
            model="fake-embed",
            base_url=server.url,
            api_key=SecretStr(server.key),
            check_embedding_ctx_length=False,
            http_client=http_client,
        )
        assert [len(vector) for vector in embeddings.embed_documents(["a", "b"])] == [8, 8]
        assert embeddings.embed_query("a") == embeddings.embed_documents(["a"])[0]
