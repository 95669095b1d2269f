"""The npm clients: installed once beside their scripts, and run with a server's URL and key in the environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.serving import Running

FOLDER = Path(__file__).parent / "node"
INSTALLED = FOLDER / "node_modules" / ".installed"  # as new as the package.json that it was installed from
INSTALL = ("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1")
INSTALL_SECONDS = 240
OLDEST_NODE = 20
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "ERR_SOCKET_TIMEOUT")


def is_installed() -> bool:
    return INSTALLED.exists() and INSTALLED.stat().st_mtime >= (FOLDER / "package.json").stat().st_mtime


def install() -> None:
    """`npm install`; skips the test that asked for it where the registry is out of reach."""
    try:
        done = subprocess.run(INSTALL, cwd=FOLDER, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm install did not end within {INSTALL_SECONDS} s")
    if done.returncode and any(code in done.stderr for code in UNREACHABLE):
        pytest.skip("npm cannot reach its registry")
    assert done.returncode == 0, done.stderr
    INSTALLED.touch()


def what_is_missing() -> str | None:
    """Why the clients cannot run on this machine."""
    if tool := next((tool for tool in ("node", "npm") if shutil.which(tool) is None), None):
        return f"{tool} is not installed"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    major = int(version.removeprefix("v").partition(".")[0])
    return f"node {version} is too old; {OLDEST_NODE} or newer" if major < OLDEST_NODE else None


def run_script(name: str, server: Running, **environment: str) -> dict[str, Any]:
    """Run a script against a server; -> the JSON that it prints last. A failed assertion in it fails the test."""
    variables = {**os.environ, "OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": server.key, **environment}
    done = subprocess.run(["node", name], cwd=FOLDER, env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(result, dict)
    return result
