from dataclasses import FrozenInstanceError, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from owngpt.config import EngineConfig, ModelPrice, PrivacyConfig, ProjectConfig, ServerConfig, Settings, parse_bytes
from owngpt.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    file = folder / "owngpt.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_defaults_need_nothing() -> None:
    settings = Settings.load(env={})
    assert (settings.models, settings.server.host, settings.server.port) == ((), "127.0.0.1", 8000)
    assert settings.data_dir == Path.home() / ".owngpt"


def test_command_line_beats_environment_beats_file(tmp_path: Path) -> None:
    file = write(tmp_path, '[server]\nport = 1\nhost = "::1"\ndrain_seconds = 5\n')
    settings = Settings.load(file, env={"OWNGPT_PORT": "2", "OWNGPT_HOST": "::2"}, overrides={"port": 3, "host": None})
    assert settings.server == ServerConfig(host="::2", port=3, drain_seconds=5.0)


def test_a_file_in_full(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        models = ["Qwen/Qwen3-0.6B", "/models/e5-small"]
        data_dir = "~/somewhere"
        log_level = "DEBUG"
        [aliases]
        "gpt-5.2" = "Qwen3-0.6B"
        [server]
        cors_origins = ["https://chat.example"]
        max_body_bytes = "1MiB"
        [engine]
        dtype = "bfloat16"
        kv_memory = "4GiB"
        prefix_cache = false
        """,
    )
    settings = Settings.load(file, env={})
    assert settings.models == ("Qwen/Qwen3-0.6B", "/models/e5-small")
    assert settings.data_dir == Path.home() / "somewhere"
    assert settings.log_level == "debug"
    assert settings.aliases == {"gpt-5.2": "Qwen3-0.6B"}
    assert settings.server == ServerConfig(cors_origins=("https://chat.example",), max_body_bytes=2**20)
    assert settings.engine == EngineConfig(dtype="bf16", kv_memory=4 * 2**30, prefix_cache=False)


def test_the_url_of_a_database_is_never_shown() -> None:
    settings = Settings.load(env={"OWNGPT_DATABASE": "postgresql://me:secret@db/owngpt"})
    assert settings.database == "postgresql://me:secret@db/owngpt"
    assert "secret" not in repr(settings)
    with pytest.raises(ConfigError, match=r"setting database is \*\*\*; it must be a URL: postgresql://") as refused:
        Settings.load(env={"OWNGPT_DATABASE": "mysql://me:secret@db/owngpt"})
    assert "secret" not in str(refused.value)


def test_the_environment_can_say_everything_but_aliases() -> None:
    env = {
        "OWNGPT_MODELS": "a, b,",
        "OWNGPT_API_KEY": "sk-mine",
        "OWNGPT_KV_MEMORY": "512M",
        "OWNGPT_PREFIX_CACHE": "off",
        "OWNGPT_THREADS": "2",
        "OWNGPT_LOG_LEVEL": "",
        "OWNGPT_BASE_URL": "which the command line reads",
    }
    settings = Settings.load(env=env)
    assert settings.models == ("a", "b")
    assert settings.api_key == "sk-mine"
    assert settings.engine == EngineConfig(kv_memory=512 * 2**20, prefix_cache=False, threads=2)


def test_projects_have_a_weight_and_a_tier(tmp_path: Path) -> None:
    file = write(tmp_path, '[projects.nightly]\nweight = 0.5\nservice_tier = "flex"\n[projects."a b"]\nweight = 2\n')
    projects = Settings.load(file, env={"OWNGPT_PROJECTS": "not from here"}).projects
    assert projects == {"nightly": ProjectConfig(0.5, "flex"), "a b": ProjectConfig(2.0, "default")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("projects = 1", "must map names"),
        ("[projects.a]\nweight = 0", "weight must be"),
        ("[projects.a]\nservice_tier = 'batch'", "one of default, flex, priority"),
        ("[projects.a]\nspeed = 1", "no speed"),
        ("[engine]\nstream_slowdown = 1", "above 1"),
    ],
)
def test_how_projects_are_served_is_checked(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Settings.load(write(tmp_path, text), env={})


def test_where_prefixes_are_kept_and_how_much_of_it() -> None:
    settings = Settings.load(env={"OWNGPT_KV_CACHE_DIR": "~/kv"}, overrides={"kv_cache_size": "1g"})
    assert (settings.engine.kv_cache_dir, settings.engine.kv_cache_size) == (Path.home() / "kv", 2**30)
    assert EngineConfig().kv_cache_dir is None


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "[server]\nport = 1\n")
    assert Settings.load(env={"OWNGPT_CONFIG": str(file)}).server.port == 1


def test_aliases_of_the_command_line_join_those_of_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, '[aliases]\na = "x"\nb = "x"\n')
    settings = Settings.load(file, env={}, overrides={"aliases": {"b": "y", "c": "z"}})
    assert settings.aliases == {"a": "x", "b": "y", "c": "z"}
    with pytest.raises(ConfigError, match="setting aliases is"):
        Settings.load(write(tmp_path, "aliases = 1"), env={}, overrides={"aliases": {"c": "z"}})


def test_settings_do_not_change_and_do_not_show_the_key() -> None:
    settings = Settings.load(env={"OWNGPT_API_KEY": "sk-mine"})
    assert "sk-mine" not in repr(settings)
    with pytest.raises(FrozenInstanceError):
        settings.api_key = None  # type: ignore[misc]


def test_each_name_belongs_to_one_section() -> None:
    names = [field.name for part in (Settings, ServerConfig, EngineConfig) for field in fields(part)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("port", "http", "setting port is 'http'; it must be a whole number from 0 to 65535"),
        ("port", 65536, "from 0 to 65535"),
        ("port", True, "setting port is True"),
        ("max_running", 0, "setting max_running is 0; it must be a whole number from 1"),
        ("max_running", 1.5, "whole number"),
        ("max_running", -1, "whole number"),
        ("threads", "²", "whole number"),
        ("drain_seconds", "nan", "setting drain_seconds is 'nan'; it must be a number of seconds"),
        ("drain_seconds", -1, "seconds"),
        ("drain_seconds", [], "seconds"),
        ("kv_memory", "4 gallons", "setting kv_memory is '4 gallons'; it must be a size, for example 512MiB"),
        ("kv_memory", "0", "must be a size"),
        ("kv_memory", "-1G", "must be a size"),
        ("dtype", "int3", "setting dtype is 'int3'; it must be one of auto, fp32, bf16"),
        ("device", "tpu", "setting device is 'tpu'; it must be one of cpu, cuda"),
        ("log_level", "loud", "one of debug, info, warning, error"),
        ("prefix_cache", "maybe", "true or false"),
        ("models", 5, "must be a list"),
        ("models", [5], "must be text"),
        ("host", "", "must be text"),
        ("aliases", {"gpt-5": {"2": "x"}}, "quote names with dots"),
        ("aliases", "gpt-5.2", "must map names"),
        ("prot", 1, "unknown setting 'prot'; known: .*port"),
    ],
)
def test_a_bad_value_is_named(name: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Settings.load(env={}, overrides={name: value})


def test_a_bad_key_is_not_shown() -> None:
    with pytest.raises(ConfigError, match=r"setting api_key is \*\*\*; it must be text"):
        Settings.load(env={}, overrides={"api_key": 123})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port = 1", r"unknown setting port; it belongs in \[server\]$"),
        ("[server]\nmodels = []", "unknown setting server.models$"),
        ("[engine]\nspeed = 11", "unknown setting engine.speed"),
        ("server = 1", "unknown setting server"),
        ("[kitchen]\nsink = 1", "unknown setting kitchen"),
        ("a = ", "Invalid value"),
    ],
)
def test_a_file_with_an_unknown_setting_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"owngpt\.toml: {message}"):
        Settings.load(write(tmp_path, text), env={})


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        Settings.load(tmp_path / "nowhere.toml", env={})


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), (1024, 1024), ("1k", 1024), ("1KiB", 1024), ("1.5 G", 3 * 2**29), ("512MB", 2**29), ("2t", 2**41)],
)
def test_sizes(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


def test_prices_are_exact(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        [prices]
        file_search_call = 0.0025
        [prices."gpt-5.2"]
        input = 1.75
        output = 14
        [prices.garlic]
        cached_input = 0.1
        """,
    )
    prices = Settings.load(file, env={}).prices
    assert prices.models == {
        "gpt-5.2": ModelPrice(Decimal("1.75"), Decimal("1.75"), Decimal(14)),
        "garlic": ModelPrice(Decimal(0), Decimal("0.1"), Decimal(0)),
    }
    assert (prices.file_search_call, prices.vector_store_gb_day) == (Decimal("0.0025"), Decimal(0))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("prices = 3", "a table of prices"),
        ("[prices]\ngarlic = 3", "there is garlic"),
        ("[prices.garlic]\ninput = -1", "from 0 to 1000000"),
        ("[prices.garlic]\ninput = nan", "from 0 to 1000000"),
        ('[prices.garlic]\ninput = "3"', "from 0 to 1000000"),
        ("[prices.garlic]\noutputs = 3", "there is outputs"),
        ("[projects.a]\nrequests_per_minute = -1", "whole number from 0"),
        ("[projects.a]\ntokens_per_minute = 1.5", "whole number from 0"),
    ],
)
def test_prices_and_limits_that_cannot_be(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Settings.load(write(tmp_path, text), env={})


def test_projects_have_limits(tmp_path: Path) -> None:
    settings = Settings.load(write(tmp_path, "[projects.a]\nrequests_per_minute = 0\ntokens_per_minute = 9"), env={})
    assert settings.projects == {"a": ProjectConfig(requests_per_minute=0, tokens_per_minute=9)}


def test_privacy_is_off_unless_it_is_set(tmp_path: Path) -> None:
    assert Settings.load(env={}).privacy.pii == "off"
    text = '[privacy]\npii = "mask"\npii_threshold = 0.4\npii_restore = false'
    settings = Settings.load(write(tmp_path, text), env={"OWNGPT_PII_SECONDS": "5"})
    assert settings.privacy == PrivacyConfig("mask", 0.4, False, 5.0)
    with pytest.raises(ConfigError, match="setting pii_threshold is '2'; it must be a number from 0 to 1"):
        Settings.load(env={"OWNGPT_PII_THRESHOLD": "2"})
