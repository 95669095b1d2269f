"""One model on the Hugging Face Hub, through its client: what that raises becomes a sentence that says what to do."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants, errors, snapshot_download
from huggingface_hub.utils.tqdm import tqdm

from owngpt.errors import DownloadError
from owngpt.model.weights import Progress

WANTED = ["*.json", "*.safetensors", "*.jinja", "*.txt", "tokenizer.model"]
UNWANTED = ["*/*.safetensors", "consolidated*", "onnx/*", "openvino/*", "original/*"]  # the same weights once more


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of `name` (ORG/NAME) at a revision; None is the main branch."""

    name: str
    revision: str | None = None
    endpoint: str | None = None
    cache_dir: Path | None = None

    def cached(self) -> Path | None:
        """The folder in the cache, without any network; None where there is none."""
        try:
            return self._download(local_files_only=True)
        except (errors.LocalEntryNotFoundError, errors.HFValidationError):
            return None

    def fetch(self, progress: Progress | None = None) -> Path:
        """Fetch what the cache lacks. Without a connection, a complete copy in the cache will do."""
        try:
            return self._download(tqdm_class=_bar(progress))
        except Exception as error:  # also the errors of whichever HTTP library the hub's client uses
            raise DownloadError(self._explain(error)) from error

    def _download(self, **options: Any) -> Path:
        folder = snapshot_download(
            self.name,
            revision=self.revision,
            endpoint=self.endpoint,
            cache_dir=self.cache_dir,
            allow_patterns=WANTED,
            ignore_patterns=UNWANTED,
            **options,
        )
        return Path(folder)

    def _explain(self, error: Exception) -> str:
        host = self.endpoint or constants.ENDPOINT
        match error:
            case errors.GatedRepoError():
                return f"{self.name} is gated: accept its terms at {host}/{self.name}, then set HF_TOKEN"
            case errors.RevisionNotFoundError():
                return f"{self.name} has no revision {self.revision}; see {host}/{self.name}"
            case errors.RepositoryNotFoundError():
                return f"{self.name} is not on {host}, or it is private: check the name, or set HF_TOKEN"
            case errors.HfHubHTTPError() if error.response.status_code == 401:
                return f"{host} does not accept the token; check HF_TOKEN, or unset it"
            case errors.HFValidationError():
                return f"{self.name} is not a valid model name: {_first_line(error)}"
            case errors.LocalEntryNotFoundError() if constants.HF_HUB_OFFLINE:
                return f"{self.name} is not in the cache, and HF_HUB_OFFLINE is set; unset it to fetch the model"
            case errors.LocalEntryNotFoundError():
                cause = _first_line(error.__cause__ or error)
                return f"{self.name} is not complete in the cache, and {host} cannot be reached: {cause}"
        return f"{self.name} could not be fetched from {host}: {_first_line(error)}; run it again to go on"


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _bar(progress: Progress | None) -> type[tqdm]:
    """The client reports to progress bars; this one draws nothing and passes the bytes on. Called from its threads."""
    lock, done = threading.Lock(), 0

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]
            self.is_bytes = kwargs.get("unit") == "B"  # another bar counts files

        def update(self, n: float | None = 1) -> None:
            nonlocal done
            with lock:
                self.n += n or 0
                if progress is not None and self.is_bytes and self.total and self.n > done:
                    done = self.n
                    progress(int(done), int(self.total))

    return Bar
