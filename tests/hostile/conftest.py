"""One server process for all stories, and an App in this process for what needs a look inside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from owngpt.build import load, open_app
from owngpt.config import EngineConfig, Settings
from owngpt.service.app import App
from tests.hostile.checkpoints import make_models
from tests.hostile.serving import KEY, Process, serving


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_models(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="session")
def process(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """`owngpt serve` of all the models."""
    data_dir = tmp_path_factory.mktemp("hostile-data")
    with serving(list(models.values()), data_dir, "--kv-memory", "16MiB") as process:
        yield process


@pytest.fixture(scope="session")
def app(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The same, but for the hostile templates, in this process; few KV blocks, so that there is preemption."""
    folders = (str(models["tiny"]), str(models["tiny-embed"]))
    engine = EngineConfig(kv_memory=2 * 1024**2, threads=1)
    settings = Settings(models=folders, data_dir=tmp_path_factory.mktemp("app"), api_key=KEY, engine=engine)
    opened = open_app(settings)
    load(opened.app)
    yield opened.app
    opened.app.close()
