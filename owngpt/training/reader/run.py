"""`owngpt train reader`: from the data folder to a reader's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import tokenizers
import torch

from owngpt.errors import SetupError
from owngpt.model.encoder import Encoder
from owngpt.model.reader import Reader
from owngpt.training.reader.checkpoint import load_checkpoint
from owngpt.training.reader.embedding_tasks import Alike, Find, Translate
from owngpt.training.reader.examples import read_claims, read_likenesses, read_passages, read_translations
from owngpt.training.reader.export import export_reader
from owngpt.training.reader.loop import ReaderConfig, ReaderTrainer
from owngpt.training.reader.made_claims import made_claims
from owngpt.training.reader.pair_tasks import Answer, Check
from owngpt.training.reader.start import CLS, SEP, UNKNOWN, make_start
from owngpt.training.reader.task import Models, Task
from owngpt.training.reader.vocabulary import is_japanese

Progress = Callable[[str], None]
MADE_CLAIMS = 2_000  # of each kind and language
LABELLED_TIMES = 2  # what people labelled comes so often in an epoch


def train_reader(data: Path, base: Path, out: Path, config: ReaderConfig, progress: Progress = print) -> None:
    """Train, from `base` (an English encoder) or from the checkpoint in `out`; the reader ends up in `out/model`."""
    start = out / "start"
    if not (start / "heads.safetensors").is_file():
        make_start(data, base, start, progress)
    tokenizer = tokenizer_of(out)
    vocabulary = tokenizer.get_vocab()
    teacher = Encoder.load(base).to(torch.bfloat16)
    models = Models(trainable(start, vocabulary[CLS], vocabulary[SEP]), teacher, vocabulary[UNKNOWN])
    progress("reading examples")
    trainer = ReaderTrainer(models, tasks(tokenizer, data), japanese_rows(tokenizer), config, out, progress)
    state = trainer.run()
    export(out, tokenizer)
    cost = f"{state.tokens / 1e6:.1f} M tokens, {state.cpu_seconds / 3600:.1f} hours of CPU"
    progress(f"{cost}; reader written to {out / 'model'}")


def tokenizer_of(out: Path) -> tokenizers.Tokenizer:
    """The tokenizer of a run that has begun; `SetupError` where none has."""
    path = out / "start" / "tokenizer.json"
    if not path.is_file():
        raise SetupError(f"{path} is missing; train first: owngpt train reader --out {out}")
    return tokenizers.Tokenizer.from_file(str(path))


def export(out: Path, tokenizer: tokenizers.Tokenizer) -> None:
    """Write the reader of the last checkpoint in `out` to `out/model`."""
    loaded = load_checkpoint(out, None)
    if loaded is None:
        raise SetupError(f"{out} has no checkpoint; train first: owngpt train reader --out {out}")
    tensors = loaded[1]
    trained = {name.removeprefix("master."): value for name, value in tensors.items() if name.startswith("master.")}
    export_reader(out / "start", out / "model", trained, japanese_rows(tokenizer), tensors["rows.master"])


def japanese_rows(tokenizer: tokenizers.Tokenizer) -> torch.Tensor:
    """The rows of the embedding that move."""
    return torch.tensor(sorted(number for piece, number in tokenizer.get_vocab().items() if is_japanese(piece)))


def trainable(folder: Path, cls_id: int, sep_id: int) -> Reader:
    """A reader in bfloat16 whose parameters ask for gradients; those of the embedding are sparse."""
    reader = Reader.load(folder, cls_id, sep_id).to(torch.bfloat16)
    for parameter in reader.parameters():
        parameter.data = parameter.data.clone()
    reader.encoder.words.sparse = True
    return reader.train().requires_grad_(True)


def tasks(tokenizer: tokenizers.Tokenizer, data: Path) -> dict[str, Task]:
    """By their names in the mixture."""
    passages = read_passages(data, held_out=False)
    claims = [*LABELLED_TIMES * read_claims(data, held_out=False), *made_claims(passages, MADE_CLAIMS)]
    return {
        "translate": Translate(tokenizer, read_translations(data)),
        "alike": Alike(tokenizer, read_likenesses(data)),
        "find_ja": Find(tokenizer, passages, "ja"),
        "find_en": Find(tokenizer, passages, "en"),
        "answer_ja": Answer(tokenizer, passages, "ja"),
        "answer_en": Answer(tokenizer, passages, "en"),
        "check_ja": Check(tokenizer, [claim for claim in claims if claim.language == "ja"]),
        "check_en": Check(tokenizer, [claim for claim in claims if claim.language == "en"]),
    }
