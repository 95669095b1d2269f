"""The compliance tester of Open Responses, against a scripted model.

It is no package: `OWNGPT_OPENRESPONSES` names a checkout of its repository in which `npm install bun zod@3` was run.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.scripted import call, scripted_app
from tests.clients.serving import Serve

CHECKOUT = Path(os.environ.get("OWNGPT_OPENRESPONSES", "/nonexistent"))
RULES = (
    (r"get_weather", call("get_weather", location="San Francisco, CA")),
    (r"Sum up the conversation", "They launch on Tuesday and tell support first."),
)


@pytest.mark.skipif(not CHECKOUT.is_dir(), reason="OWNGPT_OPENRESPONSES names no checkout")
def test_all_that_is_asked_of_a_server(serve: Serve) -> None:
    server = serve(scripted_app(*RULES, otherwise="One, two, three."))
    command = [CHECKOUT / "node_modules/.bin/bun", "run", "bin/compliance-test.ts", "--json"]
    done = subprocess.run(
        [*command, "--base-url", server.url, "--api-key", server.key, "--model", "fake"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    results = json.loads(done.stdout)["results"]
    failed = {result["id"]: result["errors"] for result in results if result["status"] != "passed"}
    assert (failed, len(results)) == ({}, 17)
