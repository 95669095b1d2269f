"""HTTP to MCP servers, held to what is allowed: one origin, public addresses, answers that fit into memory.

Imported by `client.py` only, when a session is opened.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from functools import lru_cache
from ssl import SSLContext

import httpx2

from owngpt.service.responses.mcp.access import Access, place_of

MAX_BYTES = 8 * 1024**2  # of one HTTP answer


class Refused(httpx2.TransportError):
    """A request or an answer that is not let through."""


class GuardedTransport(httpx2.AsyncBaseTransport):
    """For one server. `status` is the latest one that counts; `refusal` says what was not let through, if anything.

    A server that is not listed is resolved here, and what is connected to is what was checked: names may lead
    elsewhere a moment later. Proxies of the environment are not used.
    """

    def __init__(self, url: str, access: Access, counts_all: bool) -> None:
        """`counts_all`: the status of any request counts, not only of those that carry messages."""
        self._origin = place_of(url)[:3]
        self._is_public_only = not access.is_listed(url)
        self._counts_all = counts_all
        self._inner = httpx2.AsyncHTTPTransport(verify=_tls() if self._origin[0] == "https" else False)
        self.status: int | None = None
        self.refusal = ""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it to the one origin, and bound what comes back."""
        if place_of(str(request.url.copy_with(fragment=None)))[:3] != self._origin:
            raise self._refuse("the server leads to another host, where nothing is sent")
        if self._is_public_only:
            request.extensions = {**request.extensions, "sni_hostname": self._origin[1]}
            request.url = request.url.copy_with(host=await self._public_address())
        response = await self._inner.handle_async_request(request)
        if self._counts_all or request.method == "POST":
            self.status = response.status_code
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise self._refuse("the server compresses its answers, which was not asked for")
        stream = _Bounded(response.stream, self)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _public_address(self) -> str:
        """An address of the host. Raises where any of them is not a public one."""
        _, host, port = self._origin
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            raise self._refuse("the server's host is not known") from None
        addresses = [str(address[0]) for *_, address in found]
        if not addresses or not all(is_public(address) for address in addresses):
            raise self._refuse(
                "the server has a private address; its operator's setting mcp_servers must name it to allow that"
            )
        return next((address for address in addresses if ":" not in address), addresses[0])

    def _refuse(self, why: str) -> Refused:
        self.refusal = why
        return Refused(why)

    def too_long(self) -> Refused:
        """An answer that does not end."""
        return self._refuse(f"the server's answer has more than {MAX_BYTES // 1024**2} MiB")


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: object, guard: GuardedTransport) -> None:
        assert isinstance(stream, httpx2.AsyncByteStream)
        self._stream, self._guard = stream, guard

    async def __aiter__(self) -> AsyncIterator[bytes]:
        num_bytes = 0
        async for part in self._stream:
            num_bytes += len(part)
            if num_bytes > MAX_BYTES:
                raise self._guard.too_long()
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


def is_public(address: str) -> bool:
    """Whether an address belongs to the internet at large, also one that is wrapped in another."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None or found in _NAT64:
            return False
    return found.is_global and not found.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@lru_cache(maxsize=1)
def _tls() -> SSLContext:
    return httpx2.create_ssl_context()
