"""The same tasks for EleutherAI's lm-evaluation-harness, which then scores any server with our items and our metrics.

`export` writes a folder: a JSONL file and a YAML file per task, and `scoring.py`, by which the harness calls the
metrics of this package. What it reports is `Metric.reduce` of all rows, so the two agree where the answers do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from owngpt.evals.task import Answer, Item, Metric, Task
from owngpt.evals.tasks.registry import ALL

GROUPS = {True: "owngpt_chat", False: "owngpt_text"}  # by whether prompts are conversations
_SCORING = '''"""How lm-evaluation-harness scores these tasks: as owngpt does."""

from owngpt.evals.harness import aggregation, process

'''
Document = Mapping[str, Any]


def export(tasks: Sequence[tuple[Task, Sequence[Item]]], folder: Path) -> list[str]:
    """Write the tasks with these items, for which `is_exported`; the names that the harness knows them by."""
    folder.mkdir(parents=True, exist_ok=True)
    scoring = [_SCORING]
    for task, items in tasks:
        name = harness_name(task)
        lines = [json.dumps(_document(item), ensure_ascii=False) + "\n" for item in items]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        (folder / f"{name}.yaml").write_text(_yaml(task, items, folder), encoding="utf-8")
        scoring.append(f'process_{name} = process("{task.name}")\n')
        for number, metric in enumerate(task.metrics):
            scoring.append(f'aggregate_{name}_{number} = aggregation("{task.name}", "{metric.name}")\n')
    (folder / "scoring.py").write_text("".join(scoring), encoding="utf-8")
    return [harness_name(task) for task, _ in tasks]


def is_exported(task: Task) -> bool:
    """Whether the harness can ask it: it sends no suffix of a gap, and searches nothing."""
    return not task.name.startswith(("fim.", "search."))


def harness_name(task: Task) -> str:
    """`qa.en` -> `owngpt_qa_en`."""
    return "owngpt_" + task.name.replace(".", "_").replace("-", "_")


def metric_key(metric: Metric) -> str:
    """What the harness calls a metric."""
    return metric.name.replace(" ", "_")


def process(task: str) -> Callable[[Document, Sequence[Any]], dict[str, Sequence[float]]]:
    """For `process_results`: a document and what a model answered -> the row of each metric."""
    metrics = ALL[task].metrics

    def process_results(document: Document, results: Sequence[Any]) -> dict[str, Sequence[float]]:
        item = Item.from_json(json.loads(document["item"]))
        answer = Answer(scores=tuple(float(one[0]) for one in results)) if item.choices else Answer(results[0])
        return {metric_key(metric): tuple(metric.row(item, answer)) for metric in metrics}

    return process_results


def aggregation(task: str, name: str) -> Callable[[Sequence[Sequence[float]]], float]:
    """For `aggregation`: the rows of all documents -> the metric's value."""
    metric = next(metric for metric in ALL[task].metrics if metric.name == name)
    return lambda rows: metric.reduce(np.array(rows, dtype=np.float64))


def _document(item: Item) -> dict[str, Any]:
    return {"prompt": _prompt(item), "choices": list(item.choices), "item": json.dumps(item.to_json())}


def _prompt(item: Item) -> str:
    """One turn of a user, which the harness puts into the model's template; or plain text."""
    if item.messages:
        assert len(item.messages) == 1, "tasks ask in one turn"
        return item.messages[0].content
    assert item.suffix is None, "the harness has no way to say what follows a gap"
    return item.text


def _yaml(task: Task, items: Sequence[Item], folder: Path) -> str:
    """JSON is YAML, all but the functions, which are tags."""
    name, is_chat = harness_name(task), bool(items and items[0].messages)
    is_weighed = bool(items and items[0].choices)
    fields: dict[str, Any] = {
        "task": name,
        "tag": GROUPS[is_chat],
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str((folder / f"{name}.jsonl").resolve())}},
        "test_split": "test",
        "output_type": "multiple_choice" if is_weighed else "generate_until",
        "doc_to_text": "prompt",
        "doc_to_target": 0 if is_weighed else "",
        "target_delimiter": "",
        "metadata": {"version": 1, "digest": task.digest(items)},
    }
    how = {"until": list(task.stop), "max_gen_toks": task.max_tokens, "do_sample": False, "temperature": 0.0}
    fields |= {"doc_to_choice": "choices"} if is_weighed else {"generation_kwargs": how}
    lines = [f"{field}: {json.dumps(value, ensure_ascii=False)}" for field, value in fields.items()]
    lines += [f"process_results: !function scoring.process_{name}", "metric_list:"]
    for number, metric in enumerate(task.metrics):
        lines.append(f"  - metric: {metric_key(metric)}")
        lines.append(f"    aggregation: !function scoring.aggregate_{name}_{number}")
        lines.append(f"    higher_is_better: {json.dumps(not metric.is_lower_better)}")
    return "\n".join(lines) + "\n"
