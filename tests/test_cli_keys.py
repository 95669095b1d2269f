"""`owngpt keys` and `owngpt projects`: scopes, ends, rotation, archiving; all of it in the audit log."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from owngpt.cli import main
from owngpt.store.db import SQLite, database_file
from owngpt.store.keys import Key, Keys


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OWNGPT_DATA_DIR", str(tmp_path))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def find(folder: Path, secret: str) -> Key:
    database = SQLite(database_file(folder))
    key = Keys(database).find(secret)
    database.close()
    assert key is not None
    return key


def test_a_key_of_few_scopes_that_ends(data_dir: Path) -> None:
    made = run("keys", "create", "--scope", "files.write", "--scope", "model.request", "--expires-in", "90d")
    key = find(data_dir, made.stdout.strip())
    assert key.scopes == ("api.files.write", "api.model.request")
    assert key.grant.scopes == {"api.files.read", "api.files.write", "api.model.request"}
    assert key.expires_at is not None
    assert 89 * 86_400 < key.expires_at - time.time() <= 90 * 86_400
    assert "expires 20" in run("keys", "list").output


def test_a_key_that_only_manages(data_dir: Path) -> None:
    secret = run("keys", "create", "--scope", "admin").stdout.strip()
    assert secret.startswith("sk-own-admin-")
    assert "api.model.request" not in find(data_dir, secret).grant.scopes


def test_a_rotated_key_goes_on_for_a_while(data_dir: Path) -> None:
    old = run("keys", "create", "--name", "laptop", "--scope", "read_only").stdout.strip()
    new = run("keys", "rotate", find(data_dir, old).id, "--grace", "12h").stdout.strip()
    assert find(data_dir, new).scopes == find(data_dir, old).scopes == ("api.read",)
    assert find(data_dir, new).expires_at is None
    assert (find(data_dir, old).expires_at or 0) > time.time() + 11 * 3600


def test_projects_are_made_listed_and_archived(data_dir: Path) -> None:
    project_id = run("projects", "create", "research").stdout.strip()
    secret = run("keys", "create", "--project", "research").stdout.strip()
    assert run("projects", "archive", "research", "--yes").exit_code == 0
    assert find(data_dir, secret).revoked_at is not None
    assert f"{project_id}" in run("projects", "list").output
    assert "archived 20" in run("projects", "list").output
    assert "has been archived" in run("keys", "create", "--project", "research").output


def test_it_stands_in_the_audit_log(data_dir: Path) -> None:
    run("projects", "create", "research")
    key_id = find(data_dir, run("keys", "create", "--project", "research").stdout.strip()).id
    run("keys", "revoke", key_id)
    database = SQLite(database_file(data_dir))
    rows = database.read("SELECT type, project_name FROM audit_logs ORDER BY id", ())
    database.close()
    assert [tuple(row.values()) for row in rows] == [
        ("project.created", "research"),
        ("api_key.created", "research"),
        ("api_key.deleted", "research"),
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("keys", "create", "--scope", "sing"), "Invalid value for 'scope': 'api.sing'"),
        (("keys", "create", "--expires-in", "soon"), "'soon' is no time; write it as 90d, 12h, 30m or 45s"),
        (("keys", "create", "--user", "ana@example.com"), "No such User object: ana@example.com"),
        (("keys", "rotate", "key_nope"), "no API key has the id 'key_nope'"),
        (("projects", "archive", "nope", "--yes"), "no project has the id or name 'nope'"),
        (("projects", "archive", "default", "--yes"), "the default project cannot be archived"),
    ],
)
def test_mistakes_are_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    run("keys", "create")
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.output
