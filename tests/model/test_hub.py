"""Models come from a folder, from the cache, or from a hub; a small one stands in for huggingface.co."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from owngpt.errors import DownloadError
from owngpt.model.hub import resolve
from tests.fakes.hub import COMMIT, FakeHub

MIB = 1024**2
WEIGHTS = os.urandom(300_000)
FILES = {
    "config.json": b'{"model_type": "qwen3"}',
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "1_Pooling/config.json": b"{   }",
    "consolidated.safetensors": b"twice",
    "original/model.safetensors": b"twice",
    "pytorch_model.bin": b"pickle",
    "README.md": b"#",
}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub(dict(FILES)).serve() as served:
        yield served


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert resolve(str(tmp_path)) == tmp_path


def test_fetches_what_a_model_needs_and_nothing_else(hub: FakeHub, tmp_path: Path) -> None:
    folder = resolve("org/model", endpoint=hub.url, cache_dir=tmp_path)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert names == [
        "1_Pooling/config.json",
        "chat_template.jinja",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS


def test_reports_bytes(hub: FakeHub, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    resolve("org/model", endpoint=hub.url, cache_dir=tmp_path, progress=lambda done, total: seen.append((done, total)))
    expected = len(WEIGHTS) + 23 + 2 + 14 + 5
    assert seen == sorted(seen)
    assert seen[-1] == (expected, expected)


def test_the_second_time_needs_no_network(hub: FakeHub, tmp_path: Path) -> None:
    first = resolve("org/model@v1", endpoint=hub.url, cache_dir=tmp_path)
    assert resolve("org/model@v1", endpoint="http://127.0.0.1:1", cache_dir=tmp_path) == first
    assert resolve("org/model@v1", endpoint="http://127.0.0.1:1", cache_dir=tmp_path, update=True) == first
    assert resolve(f"org/model@{COMMIT}", endpoint="http://127.0.0.1:1", cache_dir=tmp_path) == first


def test_a_broken_connection_is_resumed_where_it_broke(hub: FakeHub, tmp_path: Path) -> None:
    """The client keeps what came in whole pieces of 10 MiB."""
    weights = hub.files["model.safetensors"] = os.urandom(12 * MIB)
    hub.cut_once["model.safetensors"] = 11 * MIB
    folder = resolve("org/model", endpoint=hub.url, cache_dir=tmp_path)
    assert (folder / "model.safetensors").read_bytes() == weights
    ranges = [header for name, header in hub.fetched if name == "model.safetensors"]
    assert ranges == [None, f"bytes={10 * MIB}-"]


def test_an_interrupted_download_goes_on(hub: FakeHub, tmp_path: Path) -> None:
    hub.failing.add("model.safetensors")
    with pytest.raises(DownloadError, match=r"org/model could not be fetched .*run it again"):
        resolve("org/model", endpoint=hub.url, cache_dir=tmp_path)
    before = [name for name, _ in hub.fetched]
    hub.failing.clear()
    folder = resolve("org/model", endpoint=hub.url, cache_dir=tmp_path)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    again = [name for name, _ in hub.fetched[len(before) :]]
    assert "model.safetensors" in again
    assert not set(before) & set(again)


def test_a_private_model_wants_the_right_token(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = "hf_right"
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(DownloadError, match="does not accept the token; check HF_TOKEN"):
        resolve("org/model", endpoint=hub.url, cache_dir=tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert resolve("org/model", endpoint=hub.url, cache_dir=tmp_path).is_dir()


def test_a_gated_model_says_where_its_terms_are(hub: FakeHub, tmp_path: Path) -> None:
    hub.is_gated = True
    with pytest.raises(DownloadError, match=f"org/model is gated: accept its terms at {hub.url}/org/model"):
        resolve("org/model", endpoint=hub.url, cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("org/other", "org/other is not on .*check the name, or set HF_TOKEN"),
        ("org/model@v9", "org/model has no revision v9"),
        ("nowhere", "neither a folder nor the name of a model"),
        ("./models/mine", "neither a folder"),
        ("/models/mine", "neither a folder"),
        ("a/b/c", "neither a folder"),
        ("org/..", "neither a folder|not a valid model name|not on"),
        ("", "neither a folder"),
    ],
)
def test_what_cannot_be_found_is_named(source: str, message: str, hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=message) as caught:
        resolve(source, endpoint=hub.url, cache_dir=tmp_path)
    assert "\n" not in str(caught.value)


def test_no_network_and_nothing_cached(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"not complete in the cache, and http://127.0.0.1:1 cannot be reached"):
        resolve("org/model", endpoint="http://127.0.0.1:1", cache_dir=tmp_path)


def test_a_repository_of_another_kind(hub: FakeHub, tmp_path: Path) -> None:
    hub.files = {"model.gguf": b"GGUF", "README.md": b"#"}
    with pytest.raises(DownloadError, match=r"org/model has no config.json"):
        resolve("org/model", endpoint=hub.url, cache_dir=tmp_path)


def test_offline_mode_uses_the_cache_and_nothing_else(hub: FakeHub, tmp_path: Path) -> None:
    """HF_HUB_OFFLINE, HF_ENDPOINT and HF_HOME are read when the client is imported, so this is another process."""
    program = (
        "import sys\nfrom owngpt.errors import DownloadError\nfrom owngpt.model.hub import resolve\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(resolve(name))\n"
        "    except DownloadError as error: print(error)\n"
    )

    def run(*names: str, **env: str) -> list[str]:
        command = [sys.executable, "-c", program, *names]
        done = subprocess.run(
            command, env={**os.environ, "HF_HOME": str(tmp_path), **env}, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    online = run("org/model", HF_ENDPOINT=hub.url)
    assert online[0].endswith(COMMIT)
    count = len(hub.fetched)
    offline = run("org/model", "org/other", HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="1")
    assert offline == [
        online[0],
        "org/other is not in the cache, and HF_HUB_OFFLINE is set; unset it to fetch the model",
    ]
    assert len(hub.fetched) == count
