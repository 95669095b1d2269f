"""`owngpt models` and `owngpt pull`: what is on this machine, and how it comes here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from owngpt.cli import progress
from owngpt.cli.options import server_options
from owngpt.cli.remote import AnswerFailed, opened
from owngpt.errors import SetupError


class Row(NamedTuple):
    """One model of the list."""

    name: str
    place: str
    size: str


@click.command()
@server_options
def models(base_url: str | None, api_key: str) -> None:
    """List the bundled models, those in the Hugging Face cache, and with --base-url those that are served there."""
    rows = [Row("MODEL", "WHERE", "SIZE"), *bundled(), *cached(), *(served(base_url, api_key) if base_url else ())]
    name_width, place_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    for row in rows:
        click.echo(f"{row.name:<{name_width}}  {row.place:<{place_width}}  {row.size}".rstrip())


@click.command()
@click.argument("name", metavar="ORG/NAME[@REVISION]")
def pull(name: str) -> None:
    """Download a model from the Hugging Face Hub, or the part of it that is not here yet.

    Private models need HF_TOKEN, or a login with `hf auth login`.
    """
    from owngpt.model.hub import resolve

    with progress.shown("downloading") as report:
        folder = resolve(name, update=True, progress=lambda done, total: report(name, done, total))
    click.echo(folder)


def bundled() -> Iterator[Row]:
    """The models that come with the package."""
    from owngpt.model.bundled import garlic_folder, minilm_folder

    for name, find in (("garlic", garlic_folder), ("all-MiniLM-L6-v2", minilm_folder)):
        try:
            yield Row(name, "bundled", _bytes(_folder_size(find())))
        except SetupError as error:
            yield Row(name, f"missing: {error}", "")


def cached(folder: Path | None = None) -> Iterator[Row]:
    """Models in the cache of huggingface_hub, complete or not; the cache is where HF_HOME says."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repos = scan_cache_dir(folder).repos
    except CacheNotFound:
        return
    for repo in sorted(repos, key=lambda repo: repo.repo_id.lower()):
        if repo.repo_type == "model":
            yield Row(repo.repo_id, "cache", _bytes(repo.size_on_disk))


def served(base_url: str, api_key: str) -> Iterator[Row]:
    """What a running server lists. Raises `AnswerFailed`."""
    url = f"{base_url.rstrip('/')}/models"
    with opened(url, api_key, seconds=10) as response:
        listing = json.load(response)
    try:
        yield from [Row(model["id"], "served", "") for model in listing["data"]]
    except (KeyError, TypeError) as error:
        raise AnswerFailed(f"{url} does not list models; the base URL of owngpt ends with /v1") from error


def _folder_size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _bytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
