"""Where a model is that somebody names: a folder in the Hugging Face layout, whatever was named.

A GGUF file holds all that such a folder does. It is unfolded once into a folder of small files and a link to it, so
that everything else reads one layout only.
"""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path

from owngpt.errors import CheckpointError
from owngpt.model.digests import Digests, combined
from owngpt.model.gguf_config import config_values
from owngpt.model.gguf_file import GGUFFile, gguf_file
from owngpt.model.hub import resolve
from owngpt.model.weights import Progress
from owngpt.text.gguf_tokenizer import tokenizer_files

_LAYOUT = "1"  # of the unfolded files; to be raised with every change of what is made of a GGUF file


def locate(source: str, data_dir: Path, progress: Progress | None = None) -> Path:
    """The folder of a model: `source` is a folder, a GGUF file, a folder with one, or ORG/NAME[@REVISION].

    Raises `DownloadError` as `hub.resolve`, `CheckpointError` for a GGUF file that cannot be used.
    """
    path = Path(source).expanduser()
    file = gguf_file(path) if source else None
    if file is None:
        return resolve(source, progress=progress)
    return unfold(file.resolve(), data_dir / "cache" / "gguf", Digests(data_dir / "digests.json"))


def is_local(source: str) -> bool:
    """Whether a file or folder is named, rather than a model on the hub."""
    path = Path(source).expanduser()
    return path.is_dir() or (path.is_file() and path.suffix == ".gguf")


def unfold(file: Path, into: Path, digests: Digests) -> Path:
    """The folder made of a GGUF file, below `into`; made only when it is not there."""
    folder = into / combined([_LAYOUT, str(file), *digests.of([file])])[:32]
    if (folder / "config.json").is_file():
        return folder
    opened = GGUFFile.open(file)
    contents = {"config.json": json.dumps(config_values(opened)), **tokenizer_files(opened.fields, file)}
    beside = folder.with_name(f"{folder.name}.{secrets.token_hex(8)}")  # process ids are the same in many containers
    try:
        beside.mkdir(parents=True, mode=0o700)
        for name, content in contents.items():
            (beside / name).write_text(content, encoding="utf-8")
        (beside / file.name).symlink_to(file)
        beside.replace(folder)
    except OSError as error:
        if not (folder / "config.json").is_file():  # else another process was quicker
            raise CheckpointError(f"{file} cannot be unfolded into {folder}: {error}; set data_dir") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder
