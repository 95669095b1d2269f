import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from owngpt.cli import COMMANDS, main, progress
from owngpt.cli.models import cached
from owngpt.store.db import SQLite, database_file
from owngpt.store.keys import Keys
from tests.clients.serving import running
from tests.fakes.engine import KEY, make_app

TINY = {
    "architectures": ["Qwen3ForCausalLM"],
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("API_KEY", "BASE_URL", "CONFIG", "MODELS", "PORT"):
        monkeypatch.delenv(f"OWNGPT_{name}", raising=False)
    monkeypatch.setenv("OWNGPT_DATA_DIR", str(tmp_path))


def run(*arguments: str, **kwargs: str) -> Result:
    return CliRunner().invoke(main, arguments, **kwargs)  # type: ignore[arg-type]


def test_help_lists_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name, (_, text) in COMMANDS.items():
        assert f"{name} " in result.output
        assert text in result.output


def test_help_is_quick_and_needs_no_torch() -> None:
    script = "import sys, owngpt.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: sys.exit('torch' in sys.modules)"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - start < 1.0, "0.1 s on an idle machine"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    command = main.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    commands = [command, *getattr(command, "commands", {}).values()]
    for each in commands:
        assert each.help, each.name
        for parameter in each.params:
            assert parameter.param_type_name == "argument" or parameter.help, f"{each.name} {parameter.name}"


def test_an_unknown_command_is_an_error() -> None:
    result = run("sing")
    assert result.exit_code == 2
    assert "No such command 'sing'" in result.output


def test_a_key_is_shown_once_and_listed_in_part(tmp_path: Path) -> None:
    created = run("keys", "create", "--name", "laptop", "--project", "research")
    assert created.exit_code == 0
    secret = created.stdout.strip()
    listed = run("keys", "list").output
    assert secret not in listed
    assert secret[-4:] in listed
    for word in ("laptop", "research", "api", "never", "active"):
        assert word in listed
    keys = Keys(SQLite(database_file(tmp_path)))
    found = keys.find(secret)
    assert found is not None
    assert not found.is_admin


def test_an_admin_key_can_be_made(tmp_path: Path) -> None:
    secret = run("keys", "create", "--admin").stdout.strip()
    found = Keys(SQLite(database_file(tmp_path))).find(secret)
    assert found is not None
    assert found.is_admin


def test_a_key_is_revoked_by_its_id() -> None:
    run("keys", "create")
    key_id = run("keys", "list").output.splitlines()[1].split()[0]
    assert run("keys", "revoke", key_id).exit_code == 0
    assert "revoked 20" in run("keys", "list").output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("keys", "revoke", "key_nope"), "Error: no API key has the id 'key_nope'; `owngpt keys list` shows them\n"),
        (("keys", "create", "--name", "a\nb"), "Error: name is 'a\\nb'; it takes 1 to 128 printable characters\n"),
        (("keys", "list", "--data-dir", "/dev/null/x"), "Error: database /dev/null/x/owngpt.db: "),
    ],
)
def test_what_the_user_can_mend_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(sentence)
    assert result.stderr.count("\n") == 1


def test_the_engine_is_measured_from_a_config_alone(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    arguments = ("bench", "engine", "--model", str(tmp_path), "--random-weights", "--prompt", "32", "--context", "16")
    result = run(*arguments, "--streams", "1,2", "--threads", "1", "--json")
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)
    assert measured["prefill_tok_s"] > 0
    assert measured["decode"].keys() == {"1", "2"}
    assert measured["decode"]["2"].keys() == {"best_ms", "median_ms", "tok_s"}
    assert (measured["dtype"], measured["threads"]) == ("fp32", 1)
    table = run(*arguments, "--streams", "1", "--threads", "1").stdout
    assert table.startswith("prefill ")
    assert "decode,  1 streams: " in table


@pytest.mark.parametrize("streams", ["", "0", "1,x", "-1"])
def test_streams_are_counts(streams: str) -> None:
    result = run("bench", "engine", "--model", "nowhere", "--streams", streams)
    assert result.exit_code == 2
    assert result.stderr.endswith(f"--streams is {streams!r}; it must be counts such as 1,4,8,16\n")


def test_models_lists_what_is_bundled() -> None:
    lines = run("models").stdout.splitlines()
    assert lines[0].split() == ["MODEL", "WHERE", "SIZE"]
    assert lines[1].startswith("garlic ")
    assert lines[2].startswith("all-MiniLM-L6-v2 ")


def test_models_in_the_cache_are_listed_with_their_size(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--org--tiny" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"x" * 1_500_000)
    assert list(cached(tmp_path)) == [("org/tiny", "cache", "1.5 MB")]
    assert list(cached(tmp_path / "nowhere")) == []


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    result = run("models", "--base-url", "http://127.0.0.1:9/v1")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: cannot talk to http://127.0.0.1:9/v1/models: ")


def test_a_server_lists_its_models_to_who_has_a_key() -> None:
    with running(make_app()) as server:
        assert f"{'fake':<16}  served" in run("models", "--base-url", server.url, "--api-key", KEY).stdout
        for key, problem in (("", "You didn't provide an API key"), ("wrong", "Incorrect API key provided")):
            result = run("models", "--base-url", server.url, "--api-key", key)
            assert (result.exit_code, result.stderr.partition(problem)[0]) == (2, "Error: ")
        no_list = run(
            "models", "--base-url", server.url.replace("/v1", "/health?"), "--api-key", KEY
        )  # JSON of another kind
        assert "ends with /v1" in no_list.stderr


@pytest.mark.parametrize("name", ["no-slash", "a/b/c", "../x"])
def test_only_names_of_models_can_be_pulled(name: str) -> None:
    result = run("pull", name)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {name!r} is neither a folder nor the name of a model")


class Terminal(io.StringIO):
    """A standard error that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_progress_is_shown_on_a_terminal_and_in_a_log(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    with progress.shown() as report:
        for done in (0, 2_000_000, 4_000_000):
            report("tiny", done, 4_000_000)
    shown = stream.getvalue()
    assert "loading tiny" in shown
    assert ("4.0/4.0 MB" in shown) == stream.isatty()
    assert ("tiny: done, 4 MB" in shown) != stream.isatty()


@pytest.mark.parametrize("option", ["--device", "--dtype", "--kv-memory", "--max-model-len", "--threads"])
def test_a_chat_with_a_server_takes_no_options_of_a_model_here(option: str) -> None:
    result = run("chat", "--base-url", "http://127.0.0.1:9/v1", option, "1")
    assert result.exit_code == 2
    assert f"{option} is for a model that is loaded here" in result.stderr
