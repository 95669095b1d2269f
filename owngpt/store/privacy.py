"""Privacy policies of projects, and sealed vaults. Only the service reads what is in them."""

from __future__ import annotations

import time

from owngpt.store.db import Transaction
from owngpt.store.reading import Read


def policy(read: Read, project_id: str) -> str | None:
    """The policy of a project as it was set; None if none was."""
    rows = read("SELECT policy FROM privacy_policies WHERE project_id = ?", (project_id,))
    return str(rows[0]["policy"]) if rows else None


def set_policy(transaction: Transaction, project_id: str, policy: str | None) -> None:
    """Set it; None: the server's settings hold again."""
    transaction.execute("DELETE FROM privacy_policies WHERE project_id = ?", (project_id,))
    if policy is not None:
        transaction.execute(
            "INSERT INTO privacy_policies (project_id, policy, updated_at) VALUES (?, ?, ?)",
            (project_id, policy, int(time.time())),
        )


def vault(read: Read, project_id: str, owner_id: str) -> str | None:
    """The sealed vault of a response or conversation of this project; None if it has none."""
    rows = read("SELECT sealed FROM privacy_vaults WHERE owner_id = ? AND project_id = ?", (owner_id, project_id))
    return str(rows[0]["sealed"]) if rows else None


def keep_vault(transaction: Transaction, project_id: str, owner_id: str, sealed: str) -> None:
    """Write it, in place of an earlier one of the same project."""
    transaction.execute(
        "INSERT INTO privacy_vaults (owner_id, project_id, sealed, updated_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (owner_id) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at"
        " WHERE privacy_vaults.project_id = excluded.project_id",
        (owner_id, project_id, sealed, int(time.time())),
    )


def delete_vault(transaction: Transaction, project_id: str, owner_id: str) -> None:
    """With what it belongs to."""
    transaction.execute("DELETE FROM privacy_vaults WHERE owner_id = ? AND project_id = ?", (owner_id, project_id))
