"""Policies and sealed vaults, in both databases."""

from __future__ import annotations

from owngpt.store import privacy
from owngpt.store.db import Database
from owngpt.store.projects import Projects


def test_a_policy_is_set_and_taken_back(database: Database) -> None:
    project = Projects(database).ensure("one").id
    assert privacy.policy(database.read, project) is None
    for text in ("{}", '{"mode": "mask"}'):
        with database.write() as transaction:
            privacy.set_policy(transaction, project, text)
        assert privacy.policy(database.read, project) == text
    with database.write() as transaction:
        privacy.set_policy(transaction, project, None)
    assert privacy.policy(database.read, project) is None


def test_a_vault_is_its_projects_alone(database: Database) -> None:
    one, other = (Projects(database).ensure(name).id for name in ("one", "other"))
    with database.write() as transaction:
        privacy.keep_vault(transaction, one, "resp_1", "first")
        privacy.keep_vault(transaction, one, "resp_1", "second")
        privacy.keep_vault(transaction, other, "resp_1", "stolen")
        privacy.delete_vault(transaction, other, "resp_1")
    assert privacy.vault(database.read, one, "resp_1") == "second"
    assert privacy.vault(database.read, other, "resp_1") is None
    with database.write() as transaction:
        privacy.delete_vault(transaction, one, "resp_1")
    assert privacy.vault(database.read, one, "resp_1") is None
