"""What is kept of requests and answers: OpenAI's names, for the organization and for each project.

Nothing here is ever looked through for abuse, so `modified_abuse_monitoring` means: what was asked to be stored is
stored. The `enhanced_` types mean the same as those without. Zero retention keeps nothing of any content.
"""

from __future__ import annotations

from typing import Literal

from owngpt.store.db import Transaction

OrganizationRetention = Literal[
    "zero_data_retention",
    "modified_abuse_monitoring",
    "enhanced_zero_data_retention",
    "enhanced_modified_abuse_monitoring",
]
ProjectRetention = Literal[
    "organization_default",
    "none",
    "zero_data_retention",
    "modified_abuse_monitoring",
    "enhanced_zero_data_retention",
    "enhanced_modified_abuse_monitoring",
]


def keeps_nothing(project: str, organization: str) -> bool:
    """Whether these two settings together mean zero retention; the project's goes before."""
    effective = organization if project == "organization_default" else project
    return effective.endswith("zero_data_retention")


def set_organization_retention(transaction: Transaction, organization_id: str, retention: str) -> None:
    transaction.execute("UPDATE organizations SET retention = ? WHERE id = ?", (retention, organization_id))


def set_project_retention(transaction: Transaction, project_id: str, retention: str) -> None:
    transaction.execute("UPDATE projects SET retention = ? WHERE id = ?", (retention, project_id))
