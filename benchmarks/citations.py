"""Citations under attack: `python -m benchmarks.citations [--answers 2000] [--data ../shared/data]`.

Thousands of answers by garlic and by random weights, over public texts (SQuAD, JaQuAD, BIPIA's e-mails and tables with
its attacks inserted) and made-up ones, asked to invent quotes: how many quotes are not verbatim at their offsets, how
many sources were not given. Prints the table of `results/`.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import random
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio

from owngpt.build import load, open_app
from owngpt.config import EngineConfig, Settings
from owngpt.evals.citations import Case, Tally, cases, made_up
from owngpt.model.bundled import garlic_folder
from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatEvent, ChatPrompt, ToolUse
from owngpt.service.fields import strings
from owngpt.service.generate import GenerationRequest
from owngpt.service.grounding import GroundedVerdict, GroundingOptions, Mode, ground
from owngpt.text.grammar import ResponseFormat
from owngpt.text.output import ContentDelta
from owngpt.types import Citation, Message, SamplingParams, Tool, Verdict

CALLER = Caller("proj_eval", "eval", "org_eval", "key_eval", is_admin=False)
AT_ONCE = 8
_SCHEMA = {
    "type": "object",
    "properties": {"proof": {"type": "string", "x-owngpt-quote": True}, "yes": {"type": "boolean"}},
    "required": ["proof", "yes"],
    "additionalProperties": False,
}
_TOOL = Tool("look_up", "Looks up a word.", {"type": "object", "properties": {"word": {"type": "string"}}})


async def answer_all(app: App, asked: Sequence[Case]) -> Tally:
    """Answer each case, some at a time, and check it."""
    tally, gate = Tally(), anyio.CapacityLimiter(AT_ONCE)

    async def answer_one(case: Case) -> None:
        async with gate:
            await _answer(app, case, tally)

    async with anyio.create_task_group() as tasks:
        for case in asked:
            tasks.start_soon(answer_one, case)
    return tally


async def _answer(app: App, case: Case, tally: Tally) -> None:
    """In one of several ways: free, with a schema, with tools, cut short, hot or cold, with or without abstention."""
    chosen = random.Random(case.seed)
    prompt = ChatPrompt([Message("user", case.question)])
    if chosen.random() < 0.15:
        prompt = replace(prompt, response_format=ResponseFormat("json_schema", _SCHEMA))
    elif chosen.random() < 0.2:
        prompt = replace(prompt, tool_use=ToolUse([_TOOL]))
    sampling = SamplingParams(
        temperature=chosen.choice([0.0, 0.7, 1.0, 1.5]),
        max_tokens=chosen.choice([3, 16, 64, 128]),
        seed=case.seed,
        stop=("the",) if chosen.random() < 0.1 else (),
        logit_bias=_eager(app, case, prompt),
    )
    mode: Mode = "extract" if chosen.random() < 0.1 else "quote"
    options = GroundingOptions(mode, abstain=chosen.random() < 0.1)
    request = GenerationRequest(app.models.generative[0], prompt, sampling)
    text, citations, has_abstained = "", [], False
    async with ground(app, CALLER, request, case.passages, options) as generation:
        async for event in generation:
            if isinstance(event, ChatEvent):
                text += "".join(delta.text for delta in event.deltas if isinstance(delta, ContentDelta))
            elif isinstance(event, Citation):
                citations.append(event)
            elif isinstance(event, GroundedVerdict):
                has_abstained = event.verdict is Verdict.ABSTAINED
    if prompt.response_format.type == "text" or options.mode == "extract":
        tally.add(case, text, citations, has_abstained=has_abstained)
    else:
        tally.add(case, *_unwrapped(text, citations), has_abstained=has_abstained)


def _eager(app: App, case: Case, prompt: ChatPrompt) -> dict[int, float]:
    """A model that has learned nothing seldom opens a quote, so it is pushed to."""
    tokenizer = app.models.generative[0].tokenizer
    first = {tokenizer.encode(mark)[0]: 10.0 for mark in ('"', "“", "「", "«", "『")}
    return first if prompt.response_format.type == "text" and case.seed % 4 else {}


def _unwrapped(text: str, citations: Sequence[Citation]) -> tuple[str, list[Citation]]:
    """An answer that is JSON, as if each of its cited strings stood there alone, without escapes."""
    values = {end: value for _, end, value in strings(text)}
    clean, found = "", []
    for citation in citations:
        clean += f'"{values.get(citation.index, "")}"'
        found.append(replace(citation, index=len(clean)))
    return clean, found


def texts_of(data: Path) -> list[str]:
    """Paragraphs of SQuAD and JaQuAD, BIPIA's e-mails and tables; made-up texts where there is no such folder."""
    found = made_up(200)
    if not data.is_dir():
        return found
    with gzip.open(data / "qa" / "squad11_dev_part.json.gz") as file:
        found += _paragraphs(json.load(file))
    with tarfile.open(data / "qa" / "jaquad_train.tar.gz") as archive:
        found += _paragraphs(json.loads(_member(archive, "data/train/jaquad_train_0000.json")))
    with tarfile.open(data / "safety" / "bipia_train.tar.gz") as archive:
        for kind in ("email", "table"):
            lines = _member(archive, f"benchmark/{kind}/train.jsonl").splitlines()
            found += [str(json.loads(line)["context"]) for line in lines]
    return found


def attacks_of(data: Path) -> list[str]:
    """BIPIA's injected instructions."""
    if not data.is_dir():
        return []
    with tarfile.open(data / "safety" / "bipia_train.tar.gz") as archive:
        attacks = json.loads(_member(archive, "benchmark/text_attack_train.json"))
    return [text for group in attacks.values() for text in group]


def _paragraphs(document: Any) -> list[str]:
    return [paragraph["context"] for article in document["data"] for paragraph in article["paragraphs"]]


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None, name
    return file.read()


def _app(model: str | None, folder: Path) -> App:
    models = () if model is None else (model,)
    app = open_app(Settings(models=models, data_dir=folder, engine=EngineConfig(kv_memory=256 * 1024**2))).app
    load(app)
    return app


def _random_model(folder: Path) -> str:
    """Garlic's tokenizer and layout, and weights that have learned nothing."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(garlic_folder(), folder)
    torch.manual_seed(0)
    weights = load_file(folder / "model.safetensors")
    shuffled = {name: torch.randn_like(value.float()).to(value.dtype) * 0.05 for name, value in weights.items()}
    save_file(shuffled, folder / "model.safetensors", metadata={"format": "pt"})
    return str(folder)


def main() -> None:
    """Run both models and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=2000)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    asked = list(cases(texts_of(arguments.data), attacks_of(arguments.data), arguments.answers))
    print("| model | answers | quotes cited | abstained | not verbatim | not readable | loose marks | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, model in (("garlic", None), ("random weights", _random_model(Path(folder) / "tiny"))):
            _run(name, model, asked, Path(folder) / name)


def _run(name: str, model: str | None, asked: Sequence[Case], folder: Path) -> None:
    app = _app(model, folder)
    start = time.monotonic()
    tally = asyncio.run(answer_all(app, asked))
    seconds = time.monotonic() - start
    app.close()
    print(
        f"| {name} | {tally.num_answers:,} | {tally.num_citations:,} | {tally.num_abstained:,} | {tally.not_verbatim} |"
        f" {tally.not_readable} | {tally.unlocked} | {seconds:.0f} |"
    )
    if tally.faults:
        sys.exit("\n".join(tally.faults))


if __name__ == "__main__":
    main()
