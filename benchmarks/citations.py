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
import shutil
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from owngpt.cli.attacked import answer_all
from owngpt.cli.eval_citations import opened, table
from owngpt.config import EngineConfig, Settings
from owngpt.evals.citations import Case, Tally, cases, made_up
from owngpt.model.bundled import garlic_folder


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
    with tempfile.TemporaryDirectory() as folder:
        models = {"garlic": None, "random weights": _random_model(Path(folder) / "tiny")}
        tallies = {name: _run(model, asked) for name, model in models.items()}
    print(table(tallies))
    if faults := [fault for tally, _ in tallies.values() for fault in tally.faults]:
        sys.exit("\n".join(faults))


def _run(model: str | None, asked: list[Case]) -> tuple[Tally, float]:
    settings = Settings(models=() if model is None else (model,), engine=EngineConfig(kv_memory=256 * 1024**2))
    with opened(settings) as app:
        start = time.monotonic()
        tally = asyncio.run(answer_all(app, asked))
        return tally, time.monotonic() - start


if __name__ == "__main__":
    main()
