"""Sessions with MCP servers: the only file that uses the library `mcp`, which is optional and imported late.

A session is one server's for one response, over streamable HTTP or, for older servers, over server-sent events. It
lives in a task of its own, so that whoever uses it may come and go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from owngpt.service.responses.mcp.access import Access
from owngpt.service.responses.mcp.content import clean, text_of_blocks
from owngpt.service.responses.mcp.servers import McpServer

if TYPE_CHECKING:
    from mcp import Client

    from owngpt.service.responses.mcp.transport import GuardedTransport

T = TypeVar("T")

OPEN_SECONDS = 30.0  # to reach a server, and to list its tools
CLOSE_SECONDS = 2.0
MAX_PAGES = 64  # of a list of tools
MAX_TOOLS = 512  # of one server
MAX_MESSAGE = 1_000  # characters of an error
_NOT_THIS_WAY = frozenset({400, 404, 405, 406, 415, 501})  # statuses of a server that speaks the other transport
for _name in ("mcp", "httpx2", "httpcore2"):  # they log URLs and messages, which may hold secrets
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


class McpFailure(Exception):
    """What a server did not do: an `mcp_call`'s error as it stands on the wire."""

    def __init__(self, type_: str, code: int, message: str) -> None:
        self.message = str(clean(message))[:MAX_MESSAGE]
        super().__init__(self.message)
        self.error = {"type": type_, "code": code, "message": self.message}


class ToolResult(NamedTuple):
    """What a tool gave; `is_error`: it says itself that it failed."""

    text: str
    is_error: bool


class Session:
    """One server for as long as a response is made. Opened when first used."""

    def __init__(self, server: McpServer, access: Access, call_seconds: float) -> None:
        self._server, self._access, self._call_seconds = server, access, call_seconds
        self._closing = asyncio.Event()
        self._ready: asyncio.Future[Client] | None = None
        self._task: asyncio.Task[None] | None = None
        self._guard: GuardedTransport | None = None

    async def list_tools(self) -> list[dict[str, Any]]:
        """As an `mcp_list_tools` item has them. Raises `McpFailure`."""
        return await self._within(OPEN_SECONDS, _all_tools)

    async def call_tool(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Run a tool. Raises `McpFailure`."""
        return await self._within(self._call_seconds, partial(_call, name, arguments))

    async def close(self) -> None:
        """Tell the server that it is over; one that does not listen is left."""
        self._closing.set()
        if self._task is not None:
            try:
                await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
            finally:
                self._task.cancel()
                await asyncio.wait([self._task])

    async def _within(self, seconds: float, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """Do the work in its time, the opening included, and for as long as the session lives."""
        try:
            async with asyncio.timeout(seconds):
                return await self._while_open(work(await self._open()))
        except TimeoutError:
            raise McpFailure("http_error", 504, f"the server gave no answer within {seconds:g} seconds") from None
        except McpFailure:
            raise
        except Exception as error:
            raise _failure(error, self._guard) from None

    async def _while_open(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._task is not None
        running = asyncio.create_task(work)
        try:
            await asyncio.wait([running, self._task], return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                raise McpFailure("http_error", 502, "the connection to the server has ended")
            return running.result()
        finally:
            running.cancel()
            await asyncio.wait([running])

    async def _open(self) -> Client:
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._live(self._ready))
        return await asyncio.shield(self._ready)

    async def _live(self, ready: asyncio.Future[Client]) -> None:
        """Try one transport, then the other; stay until `close`."""
        first: McpFailure | None = None
        for kind in _kinds(self._server.url):
            try:
                async with self._connected(kind) as client:
                    ready.set_result(client)
                    await self._closing.wait()
                    return
            except Exception as error:
                if ready.done():
                    return  # whoever waits for an answer is told by `_within`
                first = first or _failure(error, self._guard)
                if self._guard is None or self._guard.status not in _NOT_THIS_WAY:
                    break
        assert first is not None
        ready.set_exception(first)
        ready.exception()  # it is seen, also when nobody waits any more

    @asynccontextmanager
    async def _connected(self, kind: str) -> AsyncIterator[Client]:
        import httpx2
        from mcp import Client
        from mcp.client.sse import sse_client
        from mcp.client.streamable_http import streamable_http_client

        from owngpt.service.responses.mcp.transport import GuardedTransport

        server = self._server
        guard = self._guard = await asyncio.to_thread(GuardedTransport, server.url, self._access, kind == "sse")

        def http(headers: dict[str, str] | None = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
            given = {**server.headers, "accept-encoding": "identity"}
            wait = httpx2.Timeout(OPEN_SECONDS, read=None)
            return httpx2.AsyncClient(transport=guard, headers=given, timeout=wait, trust_env=False)

        if kind == "sse":
            async with Client(sse_client(server.url, httpx_client_factory=http), cache=None) as client:
                yield client
        else:
            async with http() as web, Client(streamable_http_client(server.url, http_client=web), cache=None) as client:
                yield client


async def _all_tools(client: Client) -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += [_listed(tool) for tool in page.tools]
        if len(tools) > MAX_TOOLS:
            raise McpFailure("mcp_protocol_error", -32603, f"the server lists more than {MAX_TOOLS} tools")
        if (cursor := page.next_cursor) is None:
            return tools
    raise McpFailure("mcp_protocol_error", -32603, f"the server's list has more than {MAX_PAGES} pages")


async def _call(name: str, arguments: Mapping[str, Any], client: Client) -> ToolResult:
    """Without the library's check of outputs: it would run a stranger's regular expressions here."""
    from mcp import types

    params = types.CallToolRequestParams(name=name, arguments=dict(arguments))
    result = await client.session.send_request(types.CallToolRequest(params=params), types.CallToolResult)
    blocks = [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in result.content]
    return ToolResult(text_of_blocks(blocks, result.structured_content), result.is_error)


def _kinds(url: str) -> Sequence[str]:
    """The transports to try, in order."""
    is_sse = url.partition("?")[0].rstrip("/").endswith("/sse")
    return ("sse", "http") if is_sse else ("http", "sse")


def _listed(tool: Any) -> dict[str, Any]:
    """Without what it does not say: some clients want no null there."""
    hints = tool.annotations.model_dump(mode="json", by_alias=True, exclude_none=True) if tool.annotations else None
    document: dict[str, Any] = clean(
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": tool.input_schema,
            "annotations": hints,
        }
    )
    return {name: value for name, value in document.items() if value is not None}


def _failure(error: BaseException, guard: GuardedTransport | None) -> McpFailure:
    """What has gone wrong, without a word of URLs and headers."""
    import httpx2
    from mcp import MCPError

    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, McpFailure):
        return error
    if guard is not None and guard.refusal:
        return McpFailure("http_error", 502, guard.refusal)
    if guard is not None and guard.status is not None and guard.status >= 400:
        return McpFailure("http_error", guard.status, f"the server answered with HTTP status {guard.status}")
    if isinstance(error, MCPError):
        return McpFailure("mcp_protocol_error", error.code, error.message)
    if isinstance(error, httpx2.HTTPError):
        return McpFailure("http_error", 502, f"the server cannot be reached ({type(error).__name__})")
    return McpFailure("mcp_protocol_error", -32603, f"what the server answered cannot be read{_where(error)}")


def _where(error: BaseException) -> str:
    """Which part of an answer is not as it has to be, where the library says so."""
    find = getattr(error, "errors", None)
    places = find() if callable(find) else ()
    return f" ({'.'.join(map(str, places[0]['loc']))})" if places else ""
