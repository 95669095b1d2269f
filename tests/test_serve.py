"""`owngpt serve` as an operator meets it: a real process, a real port, a tiny model with random weights."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.model import family_checkpoint
from tests.fakes.text import byte_tokenizer

COMMAND = [sys.executable, "-m", "owngpt"]
READY = re.compile(r"owngpt ready (http://127\.0\.0\.1:\d+/v1)\n")
FIRST_KEY = re.compile(r"Your admin key, shown only now: (sk-own-[\w-]{43})\n")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    family_checkpoint("qwen3", folder)
    byte_tokenizer(folder)
    return folder


def environment(**values: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OWNGPT_")}
    return {**inherited, "OMP_NUM_THREADS": "1", **values}


@dataclass
class Running:
    """A server process that has said that it is ready."""

    process: subprocess.Popen[str]
    output: list[str] = field(default_factory=list)
    base_url: str = ""

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if found := READY.fullmatch(line):
                self.base_url = found[1]
                return
        raise AssertionError(f"it ended with {self.process.wait()} after {self.output}")

    @property
    def first_key(self) -> str | None:
        found = [match[1] for line in self.output if (match := FIRST_KEY.fullmatch(line))]
        return found[0] if found else None

    def client(self, key: str | None) -> httpx.Client:
        return httpx.Client(base_url=self.base_url, headers={"authorization": f"Bearer {key}"}, timeout=30)


@contextmanager
def serving(*arguments: str | Path, **env: str) -> Iterator[Running]:
    command = [*COMMAND, "serve", *map(str, arguments), "--port", "0", "--kv-memory", "16MiB", "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(**env))
    try:
        running = Running(process)
        running.wait_until_ready()
        yield running
    finally:
        process.kill()
        process.communicate()


def question(**values: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4, "ignore_eos": True, **values}


def test_first_start_prints_the_key_once_and_sigterm_lets_streams_end(checkpoint: Path, tmp_path: Path) -> None:
    with serving(checkpoint, "--data-dir", tmp_path) as server:
        assert [bool(FIRST_KEY.fullmatch(line)) for line in server.output] == [True, False], "the key, then ready"
        key = server.first_key
        with server.client(key) as client:
            assert client.get("models").json()["data"][0]["id"] == "tiny"
            answer = client.post("chat/completions", json=question()).json()
            assert answer["usage"]["completion_tokens"] == 4
            long = question(max_tokens=200, stream=True)
            with client.stream("POST", "chat/completions", json=long) as response:
                lines = response.iter_lines()
                next(lines)
                server.process.send_signal(signal.SIGTERM)
                time.sleep(0.05)
                refused = client.post("chat/completions", json=question())
                assert refused.status_code == 503
                assert refused.headers["retry-after"] == "1"
                assert client.get(server.base_url.replace("/v1", "/ready")).status_code == 503
                events = [line for line in lines if line]
        assert events[-1] == "data: [DONE]"
        assert json.loads(events[-2].removeprefix("data: "))["choices"][0]["finish_reason"] == "length"
        assert server.process.wait(10) == 0
        assert server.process.stdout is not None
        assert server.process.stdout.read() == "", "nothing but the key and the ready line on stdout"
    with serving(checkpoint, "--data-dir", tmp_path) as server:
        assert len(server.output) == 1, "no key on the second start"
        with server.client(key) as client:
            assert client.get("models").is_success


def test_work_that_cannot_be_interrupted_does_not_hold_up_the_end(checkpoint: Path, tmp_path: Path) -> None:
    """A thread that rendered a looping template (or compiled a hostile grammar) was waited for at exit."""
    endless = shutil.copytree(checkpoint, tmp_path / "endless")
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    (endless / "chat_template.jinja").write_text(loops)
    with serving(endless, "--data-dir", tmp_path, OWNGPT_DRAIN_SECONDS="0.2") as server, ThreadPoolExecutor() as pool:
        client = server.client(server.first_key)
        call = pool.submit(client.post, "chat/completions", json=question())
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(4) == 0, "the template has five seconds of CPU time"
        assert call.exception() is not None or call.result().status_code >= 500
        client.close()


def test_a_given_key_an_alias_and_the_other_commands(checkpoint: Path, tmp_path: Path) -> None:
    key = "my-own-key-for-this-test"
    alias = ("--alias", "gpt-5.2=tiny")
    with serving(checkpoint, "--data-dir", tmp_path, *alias, OWNGPT_API_KEY=key) as server:
        assert server.first_key is None
        with server.client(key) as client:
            assert client.post("chat/completions", json=question(model="gpt-5.2")).json()["model"] == "gpt-5.2"
        with server.client("another") as client:
            assert client.get("models").status_code == 401
        elsewhere = environment(OWNGPT_BASE_URL=server.base_url, OWNGPT_API_KEY=key)

        def run(*arguments: str, question: str = "") -> str:
            command = [*COMMAND, *arguments]
            return subprocess.run(
                command, input=question, capture_output=True, text=True, env=elsewhere, check=True
            ).stdout

        assert re.search(r"^gpt-5\.2 +served$", run("models"), re.MULTILINE)
        talk = run("chat", "tiny", "--max-tokens", "3", "--temperature", "0", question="hi\n\nagain\n/exit\nunread\n")
        assert talk.count("\n") >= 2
        key_id = next(line for line in run("keys", "list", "--data-dir", str(tmp_path)).splitlines() if "key_" in line)
        run("keys", "revoke", key_id.split()[0], "--data-dir", str(tmp_path))
        asked = revoked = time.monotonic()
        with server.client(key) as client:
            while client.get("models").status_code != 401:
                assert asked - revoked < 2.2, "another process revoked it, more than 2 s ago"
                time.sleep(0.05)
                asked = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(10) == 0


def test_a_second_signal_ends_it_at_once(checkpoint: Path, tmp_path: Path) -> None:
    with serving(checkpoint, "--data-dir", tmp_path) as server, server.client(server.first_key) as client:
        endless = question(max_tokens=400, stream=True, logit_bias={"257": -100, "258": -100, "256": -100})
        with client.stream("POST", "chat/completions", json=endless) as response:
            next(response.iter_lines())
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(5) == 128 + signal.SIGTERM


def test_chat_can_load_the_model_itself(checkpoint: Path) -> None:
    command = [*COMMAND, "chat", str(checkpoint), "--kv-memory", "16MiB", "--threads", "1", "--max-tokens", "4"]
    done = subprocess.run(command, input="hi\n", capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\n")
    assert "loading tiny" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no/such/model/anywhere"], "neither a folder nor the name of a model"),
        (["--dtype", "int3"], "setting dtype is 'int3'; it must be one of auto, fp32, bf16"),
        (["--port", "70000"], "setting port is '70000'; it must be a whole number from 0 to 65535"),
        (["--kv-memory", "much"], "setting kv_memory is 'much'; it must be a size"),
        (["--alias", "gpt-5.2"], "must be NAME=MODEL"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    command = [*COMMAND, "serve", "--port", "0", "--data-dir", str(tmp_path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 2
    assert sentence in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "ready" not in done.stdout


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        command = [*COMMAND, "serve", "--port", port, "--data-dir", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 2
    assert done.stderr == f"Error: port {port} of 127.0.0.1 is in use; choose another one with --port\n"
    assert not (tmp_path / "owngpt.db").exists(), "nothing was started"
