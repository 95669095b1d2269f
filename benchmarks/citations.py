"""Citations under attack: `python -m benchmarks.citations [--answers 2000] [--data ../shared/data] [--write]`.

Thousands of answers by garlic and by random weights, over public texts (SQuAD, JaQuAD, BIPIA's e-mails and tables with
its attacks inserted) and made-up ones, asked to invent quotes: how many quotes are not verbatim at their offsets, how
many sources the caller may not read. Answers are made in pieces; those that are done are kept, so it can be run again
and again, for some minutes each time.
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
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from owngpt.cli.attacked import answer_all
from owngpt.cli.eval_citations import opened, summary, table_of
from owngpt.config import EngineConfig, Settings
from owngpt.evals.citations import Case, cases, made_up
from owngpt.model.bundled import garlic_folder

RESULTS = Path(__file__).parent / "results"
MODELS = ("garlic", "random weights")
PIECE = 250  # answers
_ABOUT = """Texts are paragraphs of SQuAD and JaQuAD, BIPIA's e-mails and tables, and made-up ones; every second one has
an attack in it (BIPIA's, and our own: injected instructions, forged marks, forged citations). Seven of ten questions
order the model to invent. Answers come from a search in a store where documents of somebody else stand beside the
others, many of them with the very same words. They are free text, JSON by a schema, with tools, cut short, from cold to
hot, extracted, with and without abstention.
"""


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


class Piece(NamedTuple):
    """Some of the answers of one model: with a seed of their own, so that they can be made in any process."""

    model: str
    seed: int
    answers: int


def pieces(answers: int) -> list[Piece]:
    """All of them, in the order in which they are made."""
    starts = range(0, answers, PIECE)
    return [Piece(model, start // PIECE, min(PIECE, answers - start)) for start in starts for model in MODELS]


def main() -> None:
    """Make pieces until the time is over; print the table of what there is, and write it when all is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=2000, help="of each model")
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="after which no more pieces are begun; one is, in any case"
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--done", type=Path, default=Path("build/citations.jsonl"), help="pieces that are done")
    parser.add_argument("--write", action="store_true", help="the table into results/, if all pieces are done")
    arguments = parser.parse_args()
    made = run(pieces(arguments.answers), arguments)
    is_whole = len(made) == len(pieces(arguments.answers))
    text = report(made, arguments.answers)
    print(text if is_whole else f"{text}\n{len(made)} pieces are done; run it again for the others.")
    if is_whole and arguments.write:
        (RESULTS / f"{date.today().isoformat()}-citations.md").write_text(text, encoding="utf-8")
    if faults := [fault for one in made.values() for fault in one["faults"]]:
        sys.exit("\n".join(faults))


def run(wanted: Sequence[Piece], arguments: argparse.Namespace) -> dict[Piece, dict[str, Any]]:
    """What is done of the pieces, with as many more as the time allows."""
    made = _read(arguments.done)
    texts, attacks = texts_of(arguments.data), attacks_of(arguments.data)
    until = time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as folder:
        models = {"garlic": None, "random weights": _random_model(Path(folder) / "tiny")}
        for piece in [piece for piece in wanted if piece not in made]:
            asked = list(cases(texts, attacks, piece.answers, piece.seed))
            made[piece] = _attacked(models[piece.model], piece, asked)
            _append(arguments.done, piece, made[piece])
            if time.monotonic() > until:
                break
    return {piece: made[piece] for piece in wanted if piece in made}


def _attacked(model: str | None, piece: Piece, asked: list[Case]) -> dict[str, Any]:
    settings = Settings(models=() if model is None else (model,), engine=EngineConfig(kv_memory=256 * 1024**2))
    with opened(settings) as app:
        start = time.monotonic()
        tally = asyncio.run(answer_all(app, asked))
        return summary(piece.model, tally, time.monotonic() - start) | {"faults": tally.faults}


def _read(file: Path) -> dict[Piece, dict[str, Any]]:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    return {Piece(*row["piece"]): row["found"] for row in rows}


def _append(file: Path, piece: Piece, found: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"piece": piece, "found": found}) + "\n")


def report(made: Mapping[Piece, Mapping[str, Any]], answers: int) -> str:
    """The table, and how it came about."""
    rows = [_sum([found for piece, found in made.items() if piece.model == model]) for model in MODELS]
    today = date.today().isoformat()
    return f"""# Citations under attack

`python -m benchmarks.citations --answers {answers}`, {today}, in pieces of {PIECE} answers with seeds of their own.

{_ABOUT}
{table_of([row for row in rows if row])}

"Not verbatim" counts quotes that do not stand at their offsets, "not readable" passages and citations of what is for
somebody else, "loose marks" answers with quotation marks around anything but a quote.
"""


def _sum(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    keys = [key for key in found[0] if key not in ("model", "faults")] if found else []
    counts = {key: round(sum(one[key] for one in found), 1) for key in keys}
    return {"model": found[0]["model"], **counts} if found else {}


if __name__ == "__main__":
    main()
