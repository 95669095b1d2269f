"""lm-evaluation-harness runs our tasks against our server, and finds the scores that `owngpt eval` finds in process.

Weighed and generated, as text and as chats, with the bundled Garlic.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval")

from lm_eval import simple_evaluate
from lm_eval.models.openai_completions import LocalCompletionsAPI
from lm_eval.tasks import TaskManager

from owngpt.build import load, open_app
from owngpt.cli.eval_local import LocalCompleter
from owngpt.config import EngineConfig, Settings
from owngpt.evals.completer import answer_all
from owngpt.evals.harness import export, harness_name, metric_key
from owngpt.evals.task import Task
from owngpt.evals.tasks.materials import Materials
from owngpt.evals.tasks.registry import ALL
from owngpt.model.bundled import garlic_folder
from tests.clients.serving import Running, running
from tests.fakes.engine import KEY

TEXT = ("bits.code", "grammar.en", "grammar.ja", "nextline")
CHAT = ("arithmetic",)
ITEMS = {name: ALL[name].build(Materials())[:8] for name in (*TEXT, *CHAT)}


@pytest.fixture(scope="module")
def garlic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    engine = EngineConfig(kv_memory=64 * 1024**2, threads=1)
    data_dir = tmp_path_factory.mktemp("data")
    app = open_app(Settings(models=(str(garlic_folder()),), data_dir=data_dir, api_key=KEY, engine=engine)).app
    load(app)
    with running(app) as server:
        yield server


@pytest.fixture
def over_http(garlic: Running, monkeypatch: pytest.MonkeyPatch) -> LocalCompletionsAPI:
    monkeypatch.setenv("OPENAI_API_KEY", garlic.key)
    tokenizer = garlic.app.models.generator("garlic").tokenizer
    return LocalCompletionsAPI(
        base_url=f"{garlic.url}/completions",
        model="garlic",
        tokenizer=str(garlic_folder()),
        tokenizer_backend="huggingface",
        max_length=2048,
        batch_size=4,
        num_concurrent=2,
        custom_prefix_token_id=tokenizer.token_to_id("<|endoftext|>"),
    )


def harness_scores(model: Any, tasks: Sequence[Task], folder: Path, **how: bool) -> dict[str, dict[str, float]]:
    names = export([(task, ITEMS[task.name]) for task in tasks], folder)
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    found = simple_evaluate(model, tasks=names, task_manager=manager, bootstrap_iters=0, **how)
    assert found is not None
    return {name: found["results"][name] for name in names}


def own_score(completer: LocalCompleter, task: Task) -> dict[str, float]:
    items = ITEMS[task.name]
    answers = asyncio.run(answer_all(completer, task, items))
    return {f"{metric_key(metric)},none": metric.reduce(metric.rows(items, answers)) for metric in task.metrics}


@pytest.mark.parametrize(("names", "is_chat"), [(TEXT, False), (CHAT, True)], ids=["text", "chat"])
def test_the_harness_finds_the_same_scores(
    garlic: Running, over_http: LocalCompletionsAPI, tmp_path: Path, names: Sequence[str], is_chat: bool
) -> None:
    completer, tasks = LocalCompleter(garlic.app.models.generator("garlic")), [ALL[name] for name in names]
    theirs = harness_scores(over_http, tasks, tmp_path, apply_chat_template=is_chat)
    for task in tasks:
        ours = own_score(completer, task)
        found = {key: theirs[harness_name(task)][key] for key in ours}
        assert found == pytest.approx(ours, abs=1e-6), task.name
