"""Service accounts: members of one project that are no people. A key of theirs goes on when somebody leaves."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from owngpt.store import roles
from owngpt.store.db import Row, Transaction
from owngpt.store.grants import ACCOUNT_PREFIX
from owngpt.store.keys import revoke_keys
from owngpt.store.names import check_name
from owngpt.store.reading import Read, one


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """`role` is owner, member, or none: its keys open nothing."""

    id: str
    project_id: str
    name: str
    role: str
    created_at: int


def create(transaction: Transaction, project_id: str, name: str, role: str) -> ServiceAccount:
    """Raises `InvalidRequest` for a name that cannot be."""
    account_id = ACCOUNT_PREFIX + secrets.token_hex(12)
    account = ServiceAccount(account_id, project_id, check_name(name), role, int(time.time()))
    transaction.execute(
        "INSERT INTO service_accounts (id, project_id, name, role, created_at) VALUES (?, ?, ?, ?, ?)",
        (account.id, project_id, account.name, role, account.created_at),
    )
    return account


def find(read: Read, project_id: str, account_id: str) -> ServiceAccount:
    """Raises `NotFound`."""
    sql = "SELECT * FROM service_accounts WHERE id = ? AND project_id = ?"
    return account_of(one(read, sql, (account_id, project_id), "ServiceAccount", account_id))


def change(transaction: Transaction, account: ServiceAccount, name: str, role: str) -> None:
    """Raises `InvalidRequest` for a name that cannot be."""
    transaction.execute(
        "UPDATE service_accounts SET name = ?, role = ? WHERE id = ?", (check_name(name), role, account.id)
    )


def delete(transaction: Transaction, account: ServiceAccount) -> None:
    """The account; its keys are revoked."""
    revoke_keys(transaction, "owner_id = ?", (account.id,))
    transaction.execute("DELETE FROM group_members WHERE user_id = ?", (account.id,))
    roles.forget_principal(transaction, account.id)
    transaction.execute("DELETE FROM service_accounts WHERE id = ?", (account.id,))


def account_of(row: Row) -> ServiceAccount:
    return ServiceAccount(row["id"], row["project_id"], row["name"], row["role"], row["created_at"])
