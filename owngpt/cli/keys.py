"""`owngpt keys`: works on the database of a server on this machine, running or not."""

from __future__ import annotations

import time
from pathlib import Path

import click

from owngpt.cli.options import config_option, data_dir_option, database_option, together
from owngpt.cli.organization import open_store, organization_of, print_table, record, seconds_of, when
from owngpt.store.keys import SCOPES, Key, Keys
from owngpt.store.scopes import check_scopes
from owngpt.store.users import by_email

place_options = together(config_option, data_dir_option, database_option)


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke API keys."""


@keys.command()
@click.option("--name", default="", help="What the key is for.")
@click.option("--project", default="default", show_default=True, help="Whose key it is; made if it is new.")
@click.option("--admin", is_flag=True, help="The key may also do what concerns all projects.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="What the key may do: all, read_only, admin, model.request, files.read, ...; give it several times.",
)
@click.option("--user", metavar="EMAIL", help="The user that the key belongs to; it opens what the user's roles do.")
@click.option("--expires-in", metavar="TIME", help="When the key ends, for example 90d, 12h or 30m.")
@place_options
def create(
    name: str,
    project: str,
    admin: bool,
    scopes: tuple[str, ...],
    user: str | None,
    expires_in: str | None,
    config_file: Path | None,
    data_dir: str | None,
    database: str | None,
) -> None:
    """Make a key and print it: the only time that it is shown."""
    if admin and scopes:
        raise click.UsageError("--admin is a key that may do everything; name its scopes by --scope alone")
    wanted = SCOPES if admin else check_scopes(scopes, "scope") if scopes else ("api",)
    expires_at = None if expires_in is None else int(time.time()) + seconds_of(expires_in)
    with open_store(config_file, data_dir, database) as db:
        owner = None if user is None else by_email(db.read, organization_of(db), user)
        secret, key = Keys(db).create(
            name, project=project, scopes=wanted, owner_id=owner.id if owner else None, expires_at=expires_at
        )
        record(db, "api_key.created", key.id, (key.project_id, key.project_name), data={"scopes": list(wanted)})
    click.echo(secret)
    click.echo(f"{key.id} ({key.name}) of project {key.project_name}. Keep it: it is not shown again.", err=True)


@keys.command("list")
@place_options
def list_(config_file: Path | None, data_dir: str | None, database: str | None) -> None:
    """List all keys, also revoked ones."""
    with open_store(config_file, data_dir, database) as db:
        rows = [_row(key) for key in Keys(db).list()]
    print_table(("ID", "KEY", "NAME", "PROJECT", "SCOPES", "CREATED", "LAST USED", "STATE"), rows)


@keys.command()
@click.argument("key_id", metavar="ID")
@place_options
def revoke(key_id: str, config_file: Path | None, data_dir: str | None, database: str | None) -> None:
    """Make the key ID worthless; a running server refuses it within seconds."""
    with open_store(config_file, data_dir, database) as db:
        key = Keys(db).revoke(key_id)
        record(db, "api_key.deleted", key.id, (key.project_id, key.project_name))
    click.echo(f"{key.id} ({key.name}) is revoked.")


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option("--grace", default="0s", show_default=True, metavar="TIME", help="How long the old key goes on.")
@place_options
def rotate(key_id: str, grace: str, config_file: Path | None, data_dir: str | None, database: str | None) -> None:
    """Print a new key with the rights of the key ID, which ends after the grace."""
    until = int(time.time()) + seconds_of(grace)
    with open_store(config_file, data_dir, database) as db:
        secret, key = Keys(db).rotate(key_id, until)
        record(db, "api_key.created", key.id, (key.project_id, key.project_name), data={"scopes": list(key.scopes)})
    click.echo(secret)
    click.echo(f"{key.id} ({key.name}) replaces {key_id}. Keep it: it is not shown again.", err=True)


def _row(key: Key) -> tuple[str, ...]:
    shown = f"{key.prefix}…{key.last4}" if key.last4 else "(short)"
    return (
        key.id,
        shown,
        key.name,
        key.project_name,
        " ".join(key.scopes),
        when(key.created_at),
        when(key.last_used_at),
        _state(key),
    )


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return f"revoked {when(key.revoked_at)}"
    if key.expires_at is None:
        return "active"
    return f"{'expired' if key.expires_at <= time.time() else 'expires'} {when(key.expires_at)}"
