"""`owngpt keys`: works on the database of a server on this machine, running or not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from owngpt.cli.options import config_option, data_dir_option, together
from owngpt.config import Settings
from owngpt.store.keys import SCOPES, Key, Keys
from owngpt.store.opening import open_database

place_options = together(config_option, data_dir_option)


@click.group()
def keys() -> None:
    """Make, list and revoke API keys."""


@keys.command()
@click.option("--name", default="", help="What the key is for.")
@click.option("--project", default="default", show_default=True, help="Whose key it is; made if it is new.")
@click.option("--admin", is_flag=True, help="The key may also do what concerns all projects.")
@place_options
def create(name: str, project: str, admin: bool, config_file: Path | None, data_dir: str | None) -> None:
    """Make a key and print it: the only time that it is shown."""
    with open_keys(config_file, data_dir) as store:
        secret, key = store.create(name, project=project, scopes=SCOPES if admin else ("api",))
    click.echo(secret)
    click.echo(f"{key.id} ({key.name}) of project {key.project_name}. Keep it: it is not shown again.", err=True)


@keys.command("list")
@place_options
def list_(config_file: Path | None, data_dir: str | None) -> None:
    """List all keys, also revoked ones."""
    with open_keys(config_file, data_dir) as store:
        rows = [_row(key) for key in store.list()]
    header = ("ID", "KEY", "NAME", "PROJECT", "SCOPES", "CREATED", "LAST USED", "STATE")
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@keys.command()
@click.argument("key_id", metavar="ID")
@place_options
def revoke(key_id: str, config_file: Path | None, data_dir: str | None) -> None:
    """Make the key ID worthless; a running server refuses it within seconds."""
    with open_keys(config_file, data_dir) as store:
        key = store.revoke(key_id)
    click.echo(f"{key.id} ({key.name}) is revoked.")


@contextmanager
def open_keys(config_file: Path | None, data_dir: str | None) -> Iterator[Keys]:
    """The keys of the data folder, or the database, that the settings name."""
    settings = Settings.load(config_file, overrides={"data_dir": data_dir})
    database = open_database(settings.data_dir, settings.database)
    try:
        yield Keys(database)
    finally:
        database.close()


def _row(key: Key) -> tuple[str, ...]:
    shown = f"{key.prefix}…{key.last4}" if key.last4 else "(short)"
    state = "active" if key.revoked_at is None else f"revoked {_when(key.revoked_at)}"
    return (
        key.id,
        shown,
        key.name,
        key.project_name,
        " ".join(key.scopes),
        _when(key.created_at),
        _when(key.last_used_at),
        state,
    )


def _when(seconds: int | None) -> str:
    """Unix seconds as local time."""
    return "never" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
