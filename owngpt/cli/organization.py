"""What the commands on keys and projects share: the database of a server on this machine, tables, times."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from owngpt.config import Settings
from owngpt.store import audit
from owngpt.store.db import Database
from owngpt.store.opening import open_database
from owngpt.store.projects import Projects, organization_id

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@contextmanager
def open_store(config_file: Path | None, data_dir: str | None, database: str | None) -> Iterator[Database]:
    """The database that the settings name."""
    settings = Settings.load(config_file, overrides={"data_dir": data_dir, "database": database})
    db = open_database(settings.data_dir, settings.database)
    try:
        yield db
    finally:
        db.close()


def organization_of(db: Database) -> str:
    """The id of the organization, which is made with its default project if there is none."""
    return Projects(db).ensure().organization_id


def record(db: Database, type_: str, object_id: str, project: tuple[str, str] | None = None, **details: Any) -> None:
    """Add to the audit log what was done on the machine itself, by nobody that the server knows."""
    event = audit.Event(type_, object_id, {"id": object_id, **details}, *(project or (None, None)))
    with db.write() as transaction:
        audit.append(transaction, organization_id(transaction), audit.Actor(), event)


def seconds_of(text: str) -> int:
    """`90d`, `12h`, `30m` or `45s` in seconds."""
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is no time; write it as 90d, 12h, 30m or 45s")
    return int(found[1]) * _UNITS[found[2]]


def when(seconds: int | None) -> str:
    """Unix seconds as local time."""
    return "never" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as what stands in them."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
