import hashlib
import re
from pathlib import Path

import pytest

from owngpt.errors import ConfigError, InvalidRequest, NotFound
from owngpt.store.db import Database, SQLite
from owngpt.store.keys import Keys
from owngpt.store.projects import Projects
from owngpt.store.scopes import API, MANAGEMENT


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keys(database: Database) -> Keys:
    return Keys(database)


def test_a_new_key_is_found_again(keys: Keys) -> None:
    secret, key = keys.create("laptop", project="research")
    assert re.fullmatch(r"sk-own-[A-Za-z0-9_-]{43}", secret)
    assert keys.find(secret) == key
    assert (key.name, key.project_name, key.scopes, key.is_admin) == ("laptop", "research", ("api",), False)
    assert secret.startswith(key.prefix)
    assert secret.endswith(key.last4)
    assert len(key.prefix + key.last4) < 15


def test_the_secret_is_nowhere_on_disk(tmp_path: Path) -> None:
    secret, key = Keys(SQLite(tmp_path / "owngpt.db")).create("laptop")
    assert key.id.encode() in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for file in tmp_path.iterdir():
        assert secret[len("sk-own-") + 3 :].encode() not in file.read_bytes()


def test_an_unknown_key_is_not_found(keys: Keys) -> None:
    secret, _ = keys.create()
    assert keys.find(secret + "x") is None
    assert keys.find("") is None


def test_the_first_key_is_made_once(keys: Keys) -> None:
    secret = keys.ensure_admin(None)
    assert secret is not None
    found = keys.find(secret)
    assert found is not None
    assert found.is_admin
    assert found.project_name == "default"
    assert keys.ensure_admin(None) is None
    keys.revoke(found.id)
    assert keys.ensure_admin(None) is None, "a new key by restarting would undo the revocation"


def test_a_given_key_becomes_the_admin_key(keys: Keys) -> None:
    assert keys.ensure_admin("my-own-long-secret-value") is None
    assert keys.ensure_admin("my-own-long-secret-value") is None
    found = keys.find("my-own-long-secret-value")
    assert found is not None
    assert found.is_admin
    assert len(keys.list()) == 1


def test_a_short_given_key_is_warned_of_and_not_shown_in_part(keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    keys.ensure_admin("hunter2")
    assert "7 characters and can be guessed" in caplog.text
    assert "hunter2" not in caplog.text
    assert [(key.prefix, key.last4) for key in keys.list()] == [("", "")]


@pytest.mark.parametrize("secret", ["", "two words", "ключ", "tab\t"])
def test_a_given_key_must_fit_a_header(keys: Keys, secret: str) -> None:
    with pytest.raises(ConfigError, match="OWNGPT_API_KEY must be visible ASCII"):
        keys.ensure_admin(secret)


def test_a_given_key_that_was_revoked_stays_revoked(keys: Keys) -> None:
    keys.ensure_admin("my-own-long-secret-value")
    keys.revoke(keys.list()[0].id)
    with pytest.raises(ConfigError, match="was revoked"):
        keys.ensure_admin("my-own-long-secret-value")


def test_a_given_key_without_admin_rights_is_refused(keys: Keys) -> None:
    with pytest.raises(ConfigError, match="not an admin key"):
        keys.ensure_admin(keys.create().secret)


def test_a_revoked_key_says_so_at_once(keys: Keys) -> None:
    secret, key = keys.create()
    assert keys.find(secret) == key
    revoked = keys.revoke(key.id)
    assert revoked.revoked_at is not None
    assert keys.find(secret) == revoked
    assert keys.revoke(key.id) == revoked


def test_revoking_an_unknown_id_is_not_found(keys: Keys) -> None:
    with pytest.raises(NotFound, match="key_nope"):
        keys.revoke("key_nope")


def test_a_key_revoked_by_another_process_ends_within_seconds(database: Database) -> None:
    clock = Clock()
    here = Keys(database, cache_seconds=2.0, clock=clock)
    secret, key = here.create()
    here.find(secret)
    Keys(database).revoke(key.id)
    clock.now = 1.9
    assert here.find(secret) == key
    clock.now = 2.1
    found = here.find(secret)
    assert found is not None
    assert found.revoked_at is not None


def test_peek_knows_only_what_find_has_read(keys: Keys) -> None:
    secret, key = keys.create()
    assert keys.peek(secret) is None
    keys.find(secret)
    assert keys.peek(secret) == key


def test_use_is_noted(keys: Keys) -> None:
    _, key = keys.create()
    assert key.last_used_at is None
    keys.touch(key.id)
    assert keys.list()[0].last_used_at is not None


@pytest.mark.parametrize("name", ["x" * 129, "line\nbreak", "\x00"])
def test_names_are_short_and_printable(keys: Keys, name: str) -> None:
    with pytest.raises(InvalidRequest, match="printable characters"):
        keys.create(name)
    with pytest.raises(InvalidRequest, match="printable characters"):
        keys.create(project=name)


def test_projects_are_made_when_first_asked_for(database: Database) -> None:
    projects = Projects(database)
    assert projects.list() == []
    default = projects.ensure()
    research = projects.ensure("research")
    assert projects.ensure(" research ") == research
    assert default.organization_id == research.organization_id
    assert {project.name for project in projects.list()} == {"default", "research"}


@pytest.mark.parametrize(("scopes", "opened"), [("api", API), ("api admin", API | MANAGEMENT), ("", frozenset())])
def test_a_key_from_before_there_were_users_opens_what_it_did(
    database: Database, keys: Keys, scopes: str, opened: frozenset[str]
) -> None:
    keys.create()
    with database.write() as transaction:
        transaction.execute(
            "INSERT INTO keys (id, project_id, name, hash, prefix, last4, scopes, created_at)"
            " SELECT 'key_old', id, 'old', ?, '', '', ?, 1 FROM projects",
            (hashlib.sha256(b"secret").hexdigest(), scopes),
        )
    found = keys.find("secret")
    assert found is not None
    assert (found.owner_id, found.expires_at, found.grant.scopes) == (None, None, opened)
    assert (found.grant.keeps_nothing, found.grant.models, found.grant.disabled_tools) == (False, None, frozenset())
