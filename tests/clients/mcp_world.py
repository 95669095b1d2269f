"""A client of ours, a real MCP server, and a scripted model between them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations
from openai import OpenAI

from owngpt.service.app import App
from owngpt.service.privacy import Policy
from tests.clients.scripted import Rule, call, scripted_app
from tests.clients.serving import Serve
from tests.fakes.engine import engine_of
from tests.fakes.mcp_server import Heard, allow, listening

SAID: Rule = (r"<\|im_start\|>tool\n", "It is 3.")
ADD = call("calc__add", a=1, b=2)
READ_ONLY = ToolAnnotations(read_only_hint=True)


class Calculator:
    """A server that counts what it does."""

    def __init__(self) -> None:
        self.server = MCPServer("calculator", log_level="CRITICAL")
        self.added: list[tuple[int, int]] = []
        self.server.tool(annotations=READ_ONLY)(self.add)
        self.server.tool()(self.fail)
        self.server.tool()(self.sleep)

    def add(self, a: int, b: int) -> int:
        """Add two numbers."""
        self.added.append((a, b))
        return a + b

    def fail(self) -> str:
        """Never works."""
        raise ValueError("no")

    async def sleep(self) -> str:
        """Takes long."""
        await asyncio.sleep(30)
        return "rested"


class Prompt(NamedTuple):
    """The tests' chat template has the tools after the conversation."""

    conversation: str
    tools: str


class World(NamedTuple):
    """A client of ours, an MCP server, and what it has heard."""

    client: OpenAI
    app: App
    calculator: Calculator
    heard: Heard
    tool: dict[str, Any]

    def prompts(self) -> list[Prompt]:
        """What the model has read."""
        engine = engine_of(self.app)
        texts = [engine.tokenizer.decode(submission.prompt, skip_special=False) for submission in engine.submissions]
        return [Prompt(*text.partition('[{"type": "function"')[::2]) for text in texts]

    def ask(self, **request: Any) -> Any:
        """Create a response with the tool, which needs no approval unless the request says so."""
        tool = {**self.tool, **request.pop("tool", {})}
        return self.client.responses.create(**{"model": "fake", "input": "1 + 2?", "tools": [tool], **request})


@contextmanager
def world(
    serve: Serve,
    *rules: Rule,
    transport: Literal["http", "sse"] = "http",
    seconds: float = 20.0,
    policy: Policy | None = None,
) -> Iterator[World]:
    """A world in which the model follows the rules; without any it adds 1 and 2, and says what that is."""
    calculator = Calculator()
    own = calculator.server
    heard = Heard(own.streamable_http_app() if transport == "http" else own.sse_app())
    with ExitStack() as stack:
        url = stack.enter_context(listening(heard))
        app = allow(scripted_app(*(rules or (SAID, (".", ADD)))), url, seconds=seconds)
        if policy is not None:
            set_policy(app, policy)
        server = serve(app)
        client = stack.enter_context(
            OpenAI(base_url=server.url, api_key=server.key, max_retries=0, _strict_response_validation=True)
        )
        path = "/mcp" if transport == "http" else "/sse"
        tool = {"type": "mcp", "server_label": "calc", "server_url": url + path, "require_approval": "never"}
        yield World(client, app, calculator, heard, tool)


def set_policy(app: App, policy: Policy) -> None:
    """The privacy policy of the default project."""
    [key] = app.keys.list()
    with app.database.write() as transaction:
        app.privacy.set_policy(transaction, key.project_id, policy)
    app.privacy.forget()


def each_goes_on(prompts: list[Prompt]) -> bool:
    """Whether each one is a longer version of the one before."""
    return all(
        late.tools == early.tools and late.conversation.startswith(early.conversation)
        for early, late in pairwise(prompts)
    )


def kinds(response: Any) -> list[str]:
    return [item.type for item in response.output]
