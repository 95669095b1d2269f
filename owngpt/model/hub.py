"""Where a model is: a folder as it stands, or ORG/NAME[@revision] in the Hugging Face cache, fetched when needed."""

from __future__ import annotations

import re
from pathlib import Path

from owngpt.errors import CheckpointError, DownloadError
from owngpt.model.weights import Progress, weight_files

_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)


def resolve(
    source: str,
    *,
    update: bool = False,
    progress: Progress | None = None,
    endpoint: str | None = None,
    cache_dir: Path | None = None,
) -> Path:
    """A folder with config.json and weights.

    `source`: a folder, or ORG/NAME[@revision]. A complete copy in the cache is used without any network; `update`
    asks the hub first whether there is a newer one (and still takes the copy when the hub cannot be reached). What an
    interrupted call has fetched is not fetched again. The token is huggingface_hub's: HF_TOKEN, or its login.
    `progress` gets bytes done and the bytes of the files begun so far. `endpoint` and `cache_dir` are for a mirror
    and another cache; HF_ENDPOINT and HF_HOME set them for all.

    `DownloadError` says what to do. A folder's content is not looked at here.
    """
    folder = Path(source).expanduser()
    if source and folder.is_dir():
        return folder
    found = _NAME.fullmatch(source)
    if found is None or source.startswith((".", "/")):
        raise DownloadError(f"{source!r} is neither a folder nor the name of a model, ORG/NAME or ORG/NAME@REVISION")
    from owngpt.model.download import Snapshot  # here, since a folder needs no hub client

    snapshot = Snapshot(found["name"], found["revision"], endpoint, cache_dir)
    cached = None if update else snapshot.cached()
    if cached is not None and _is_complete(cached):
        return cached
    fetched = snapshot.fetch(progress)
    if not (fetched / "config.json").is_file():
        raise DownloadError(f"{source} has no config.json: it is not a model in the layout of transformers")
    return fetched


def _is_complete(folder: Path) -> bool:
    try:
        weight_files(folder)
    except CheckpointError:
        return False
    return (folder / "config.json").is_file()
