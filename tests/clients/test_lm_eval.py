"""lm-eval's `local-completions`: a score over HTTP equals the score that lm-eval computes in process.

In process it is lm-eval's own `hf` model on the same folder, so this compares the whole server with `transformers`:
token-id prompts, echo, logprobs, which token is the best, and greedy text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval")
pytest.importorskip("accelerate")

import datasets
import torch
from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.models.huggingface import HFLM
from lm_eval.models.openai_completions import LocalCompletionsAPI
from lm_eval.tasks import TaskManager

from tests.clients.serving import Running

QUESTIONS = [
    {"text": "The sky is", "choices": ["blue", "made of stone", " a colour"], "label": 0},
    {"text": "2 + 2 =", "choices": ["5", "4", "12", "3"], "label": 1},
    {"text": "東京は", "choices": ["日本の首都", "果物"], "label": 0},
    {"text": "def f(x):\n    return", "choices": ["x", "import os"], "label": 0},
    {"text": "She said", "choices": ["hello 👋🏽", "nothing", "that", "so", "no"], "label": 4},
]


def task(output_type: str, **config: Any) -> dict[str, Any]:
    """A task over `QUESTIONS`; nothing is downloaded."""
    return {
        "task": f"questions_{output_type}",
        "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(QUESTIONS)},
        "output_type": output_type,
        "test_split": "test",
        "doc_to_text": "{{text}}",
        **config,
    }


TASKS = [
    task("multiple_choice", doc_to_choice="choices", doc_to_target="label"),
    task("loglikelihood_rolling", doc_to_text="", doc_to_target="{{text}} {{choices | join(', ')}}"),
    task("generate_until", doc_to_target="", generation_kwargs={"until": ["\n\n"], "max_gen_toks": 16}),
]


@pytest.fixture
def in_process(checkpoint: Path) -> Iterator[LM]:
    """One thread: on so small a model, several wait for each other more than they compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield HFLM(pretrained=str(checkpoint), device="cpu", dtype="float32", batch_size=1, max_length=512)
    torch.set_num_threads(threads)


@pytest.fixture
def over_http(tiny: Running, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> LM:
    monkeypatch.setenv("OPENAI_API_KEY", tiny.key)
    return LocalCompletionsAPI(
        base_url=f"{tiny.url}/completions",
        model="tiny",
        tokenizer=str(checkpoint),
        tokenizer_backend="huggingface",
        max_length=512,
        batch_size=3,
        num_concurrent=2,
    )


def evaluate(model: LM) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The scores of each task, and what the model answered to each request of it."""
    manager = TaskManager(include_defaults=False)
    results = simple_evaluate(model, tasks=TASKS, task_manager=manager, bootstrap_iters=0)
    assert results is not None
    answers = {name: [sample["resps"] for sample in samples] for name, samples in results["samples"].items()}
    return results["results"], answers


def flat(answers: list[Any]) -> list[Any]:
    """Log-probabilities, whether each was the best, and texts, of any depth."""
    return [x for answer in answers for x in (flat(answer) if isinstance(answer, (list, tuple)) else [answer])]


def numbers(scores: dict[str, Any]) -> dict[str, float]:
    return {f"{t} {k}": v for t, score in scores.items() for k, v in score.items() if isinstance(v, float)}


def test_a_score_over_http_equals_the_score_in_process(over_http: LM, in_process: LM) -> None:
    scores, answers = evaluate(over_http)
    expected_scores, expected_answers = evaluate(in_process)
    for name, expected in expected_answers.items():
        assert flat(answers[name]) == pytest.approx(flat(expected), abs=1e-3), name
    assert numbers(scores) == pytest.approx(numbers(expected_scores), rel=1e-4)
