"""Which MCP servers may be reached: none but those that the operator has listed, however a URL is written."""

from __future__ import annotations

import pytest

from owngpt.errors import ConfigError, InvalidRequest, PermissionDenied
from owngpt.service.caller import Caller
from owngpt.service.responses.mcp.access import Access, admit, redacted
from owngpt.service.responses.mcp.servers import McpServer
from owngpt.service.responses.mcp.transport import is_public

CALLER = Caller("proj_1", "p", "org_1", "key_1", is_admin=False)


@pytest.mark.parametrize(
    ("entries", "url", "is_allowed"),
    [
        ([], "https://mcp.example.com/mcp", False),
        (["mcp.example.com"], "https://mcp.example.com/mcp", True),
        (["mcp.example.com"], "https://MCP.Example.com:443/", True),
        (["mcp.example.com"], "http://mcp.example.com/mcp", False),
        (["mcp.example.com"], "https://mcp.example.com:8443/mcp", False),
        (["mcp.example.com"], "https://mcp.example.com.evil.org/mcp", False),
        (["mcp.example.com"], "https://evil.org/?mcp.example.com", False),
        (["http://10.0.0.5:8000/mcp"], "http://10.0.0.5:8000/mcp/", True),
        (["http://10.0.0.5:8000/mcp"], "http://10.0.0.5:8000/mcp/tools?key=1", True),
        (["http://10.0.0.5:8000/mcp"], "http://10.0.0.5:8000/mcpadmin", False),
        (["http://10.0.0.5:8000/mcp"], "http://10.0.0.5:8000/", False),
        (["*"], "https://anywhere.example.org/mcp", True),
        (["*"], "http://anywhere.example.org/mcp", False),
    ],
)
def test_only_what_is_listed(entries: list[str], url: str, is_allowed: bool) -> None:
    assert Access(entries).allows(url) is is_allowed


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mcp.example.com/mcp",
        "ftp://mcp.example.com/mcp",
        "file:///etc/passwd",
        "https://",
        "https://mcp.example.com@evil.org/mcp",
        "https://user:password@mcp.example.com/mcp",
        "https://mcp.example.com\\@evil.org/mcp",
        "https://mcp.example.com/mcp#fragment",
        "https://mcp.example.com/a/../admin",
        "https://mcp.example.com/a/%2e%2e/admin",
        "https://mcp.example.com/a%2f..%2fadmin",
        "https://mcp.example.com/a%252e%252e",
        "https://mcp.example.com:99999/",
        "https://mcp.exa\tmple.com/",
        "https://ｍcp.example.com/",
    ],
)
def test_urls_that_can_be_read_in_two_ways_are_refused(url: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        admit(Access(["mcp.example.com", "*"]), CALLER, [McpServer("a", url, param="tools[0]")])
    assert caught.value.param == "tools[0].server_url"


def test_the_error_says_how_to_allow_it_and_nothing_of_its_secrets() -> None:
    server = McpServer("a", "https://mcp.example.com/secret/mcp?key=secret", param="tools[0]")
    with pytest.raises(InvalidRequest) as caught:
        admit(Access([]), CALLER, [server])
    assert "OWNGPT_MCP_SERVERS=https://mcp.example.com." in caught.value.message
    assert "secret" not in caught.value.message
    assert "secret" not in repr(server)


def test_a_project_may_have_it_switched_off() -> None:
    caller = Caller("proj_1", "p", "org_1", "key_1", is_admin=False, disabled_tools=frozenset({"mcp"}))
    server = McpServer("a", "https://mcp.example.com/mcp")
    with pytest.raises(PermissionDenied, match="switched off for this project"):
        admit(Access(["mcp.example.com"]), caller, [server])


@pytest.mark.parametrize("entry", ["*.example.com", "ftp://a", "https://", "a/../b", ""])
def test_a_list_that_cannot_be_understood_stops_the_start(entry: str) -> None:
    with pytest.raises(ConfigError, match="mcp_servers"):
        Access([entry])


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://mcp.example.com/mcp?key=1", "https://mcp.example.com/<redacted>"),
        ("https://mcp.example.com:8443/?key=1", "https://mcp.example.com:8443/<redacted>"),
        ("https://mcp.example.com", "https://mcp.example.com"),
    ],
)
def test_only_the_host_is_shown(url: str, shown: str) -> None:
    assert redacted(url) == shown


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111"])
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)
