"""Which MCP servers may be reached from here.

A request names a URL that this machine is to open, so nothing is open by default: the setting `mcp_servers` lists what
may be reached. An entry is a host (`mcp.example.com`, over https), the beginning of a URL
(`http://10.0.0.5:8000/mcp`), or `*`: any https server with a public address.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from owngpt.errors import ConfigError, InvalidRequest, PermissionDenied
from owngpt.service.caller import Caller
from owngpt.service.responses.mcp.servers import McpServer

ANY = "*"
_PORTS = {"https": 443, "http": 80}


class Place(NamedTuple):
    """Where a URL leads."""

    scheme: str
    host: str
    port: int
    segments: tuple[str, ...]  # of the path

    def holds(self, other: Place) -> bool:
        """Whether another place is this one, or lies below it."""
        return self[:3] == other[:3] and other.segments[: len(self.segments)] == self.segments


class Access:
    """What the operator allows."""

    def __init__(self, entries: Sequence[str]) -> None:
        """Raises `ConfigError` for an entry that is no host, no URL and not `*`."""
        self._listed = [_entry(entry) for entry in entries if entry != ANY]
        self._any = ANY in entries

    def is_listed(self, url: str) -> bool:
        """Whether the URL itself is in the list: then its address may be a private one."""
        place = place_of(url)
        return any(listed.holds(place) for listed in self._listed)

    def allows(self, url: str) -> bool:
        """Whether the URL may be opened; one that is not listed only at a public address. Raises `ValueError`."""
        return self.is_listed(url) or (self._any and place_of(url).scheme == "https")


def admit(access: Access, caller: Caller, servers: Sequence[McpServer]) -> None:
    """Raise `PermissionDenied` and `InvalidRequest` for servers that may not, or cannot, be used here."""
    if not servers:
        return
    if "mcp" in caller.disabled_tools:
        raise PermissionDenied("The tool 'mcp' is switched off for this project.")
    for server in servers:
        _check(access, server)
    if find_spec("mcp") is None:
        raise InvalidRequest(
            "The tool 'mcp' is not available: the library for it is not installed on this server. Its operator can "
            "add it with: pip install 'owngpt[mcp]'.",
            param=servers[0].param,
            code="unsupported_value",
        )


def place_of(url: str) -> Place:
    """Read a URL strictly: raises `ValueError` for anything that two readers could take for different places."""
    if not url.isascii() or any(character <= " " or character in "\\\x7f" for character in url):
        raise ValueError("it has characters that do not belong in a URL")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("it must begin with https:// (or http://) and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it must not hold a user or a password; send 'authorization' or 'headers'")
    if parts.fragment:
        raise ValueError("it must not have a fragment (#...)")
    return Place(parts.scheme, parts.hostname.rstrip("."), parts.port or _PORTS[parts.scheme], _segments(parts))


def redacted(url: str) -> str:
    """The URL without what may be a secret: its path and query."""
    parts = urlsplit(url)
    rest = "/<redacted>" if parts.path.strip("/") or parts.query else parts.path
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{rest}"


def _segments(parts: SplitResult) -> tuple[str, ...]:
    segments = tuple(segment for segment in parts.path.split("/") if segment)
    for segment in segments:
        plain = unquote(segment)
        if plain in (".", "..") or "/" in plain or "\\" in plain or "%" in plain:
            raise ValueError("its path must be written out, without '.', '..' and encoded slashes")
    return segments


def _entry(entry: str) -> Place:
    try:
        place = place_of(entry if "://" in entry else f"https://{entry}")
    except ValueError as error:
        raise ConfigError(f"setting mcp_servers has {entry!r}: {error}") from None
    if "*" in place.host:
        raise ConfigError(f"setting mcp_servers has {entry!r}: write each host out, or '*' alone for all public ones")
    return place


def _check(access: Access, server: McpServer) -> None:
    try:
        is_allowed = access.allows(server.url)
    except ValueError as error:
        raise InvalidRequest(
            f"Invalid '{server.param}.server_url': {error}.", param=f"{server.param}.server_url", code="invalid_value"
        ) from None
    if not is_allowed:
        place = place_of(server.url)
        raise InvalidRequest(
            f"The MCP server at {redacted(server.url)} may not be reached from here. The operator of this server can "
            f"allow it with the setting mcp_servers, for example OWNGPT_MCP_SERVERS={place.scheme}://"
            f"{urlsplit(server.url).netloc}.",
            param=f"{server.param}.server_url",
            code="mcp_server_not_allowed",
        )
