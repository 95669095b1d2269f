"""`owngpt projects`: works on the database of a server on this machine, running or not."""

from __future__ import annotations

from pathlib import Path

import click

from owngpt.cli.keys import place_options
from owngpt.cli.organization import open_store, organization_of, print_table, record, when
from owngpt.errors import NotFound
from owngpt.store import keys
from owngpt.store import projects as store
from owngpt.store.db import Transaction
from owngpt.store.projects import Project, Projects


@click.group()
def projects() -> None:
    """Make, list and archive projects."""


@projects.command()
@click.argument("name")
@place_options
def create(name: str, config_file: Path | None, data_dir: str | None, database: str | None) -> None:
    """Make the project NAME and print its id."""
    with open_store(config_file, data_dir, database) as db:
        organization = organization_of(db)
        with db.write() as transaction:
            project = store.create(transaction, organization, name)
        record(db, "project.created", project.id, (project.id, project.name), data={"name": project.name})
    click.echo(project.id)


@projects.command("list")
@place_options
def list_(config_file: Path | None, data_dir: str | None, database: str | None) -> None:
    """List all projects, also archived ones."""
    with open_store(config_file, data_dir, database) as db:
        rows = [(each.id, each.name, when(each.created_at), _state(each)) for each in Projects(db).list()]
    print_table(("ID", "NAME", "CREATED", "STATE"), rows)


@projects.command()
@click.argument("project", metavar="ID_OR_NAME")
@click.confirmation_option(prompt="This revokes all keys of the project and cannot be undone. Go on?")
@place_options
def archive(project: str, config_file: Path | None, data_dir: str | None, database: str | None) -> None:
    """Close a project for good; a running server refuses its keys within seconds."""
    with open_store(config_file, data_dir, database) as db:
        found = next((each for each in Projects(db).list() if project in (each.id, each.name)), None)
        if found is None:
            raise NotFound(f"no project has the id or name {project!r}; `owngpt projects list` shows them")
        with db.write() as transaction:
            _archive(transaction, found)
        record(db, "project.archived", found.id, (found.id, found.name))
    click.echo(f"{found.id} ({found.name}) is archived.")


def _archive(transaction: Transaction, project: Project) -> None:
    with keys.keep_an_admin(transaction, project.organization_id):
        store.archive(transaction, project)
        keys.revoke_keys(transaction, "project_id = ?", (project.id,))


def _state(project: Project) -> str:
    return "active" if project.archived_at is None else f"archived {when(project.archived_at)}"
