"""Steps through the organization: people, rights, keys, limits, usage, audit log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.conformance.walk import Step

USAGE = (
    "audio_speeches",
    "audio_transcriptions",
    "code_interpreter_sessions",
    "completions",
    "embeddings",
    "file_search_calls",
    "images",
    "moderations",
    "vector_stores",
    "web_search_calls",
)
PROJECT = "/organization/projects/{project_id}"
ALERT: dict[str, Any] = {
    "threshold_amount": 500,
    "currency": "USD",
    "interval": "month",
    "notification_channel": {"type": "email", "recipients": ["a@example.com"], "subject_prefix": "!"},
}
LIMIT = {"threshold_amount": 1000, "currency": "USD", "interval": "month"}
CERTIFICATE = {"name": "a", "certificate": "-----BEGIN CERTIFICATE-----"}


def _settings(place: str) -> Iterator[Step]:
    """Spending, which the organization and each project have alike."""
    yield Step(f"POST {place}/spend_limit", LIMIT)
    yield Step(f"GET {place}/spend_limit")
    yield Step(f"DELETE {place}/spend_limit")
    yield Step(f"POST {place}/spend_alerts", ALERT, saves={"alert_id": "id"})
    yield Step(f"GET {place}/spend_alerts", params={"order": "asc"})
    yield Step(f"GET {place}/spend_alerts/{{alert_id}}")
    yield Step(f"POST {place}/spend_alerts/{{alert_id}}", ALERT | {"threshold_amount": 700})
    yield Step(f"DELETE {place}/spend_alerts/{{alert_id}}")


def _roles(place: str) -> Iterator[Step]:
    """Roles of the organization or of a project, given to users and groups."""
    yield Step(
        f"POST {place}/roles",
        {"role_name": "clerk", "permissions": ["files.read"], "description": "Reads."},
        saves={"role_id": "id"},
    )
    yield Step(f"GET {place}/roles", params={"limit": 5})
    yield Step(f"GET {place}/roles/{{role_id}}")
    yield Step(f"POST {place}/roles/{{role_id}}", {"role_name": "clerk 2", "permissions": ["files.read"]})
    for who in ("users/{user_id}", "groups/{group_id}"):
        yield Step(f"POST {place}/{who}/roles", {"role_id": "{role_id}"})
        yield Step(f"GET {place}/{who}/roles", params={"order": "desc"})
        yield Step(f"GET {place}/{who}/roles/{{role_id}}")
        yield Step(f"DELETE {place}/{who}/roles/{{role_id}}")
    yield Step(f"DELETE {place}/roles/{{role_id}}")


def _certificates() -> Iterator[Step]:
    """Refused: mTLS is a proxy's task."""
    for place in ("/organization", PROJECT):
        yield Step(f"GET {place}/certificates", status=400)
        yield Step(f"POST {place}/certificates/activate", {"certificate_ids": ["cert_1"]}, status=400)
        yield Step(f"POST {place}/certificates/deactivate", {"certificate_ids": ["cert_1"]}, status=400)
    yield Step("POST /organization/certificates", CERTIFICATE, status=400)
    yield Step("GET /organization/certificates/{certificate_id}", status=400)
    yield Step("POST /organization/certificates/{certificate_id}", {"name": "b"}, status=400)
    yield Step("DELETE /organization/certificates/{certificate_id}", status=400)


PEOPLE = (
    Step("POST /organization/projects", {"name": "research"}, saves={"project_id": "id"}),
    Step("GET /organization/projects", params={"include_archived": "true"}),
    Step("GET /organization/projects/{project_id}"),
    Step("POST /organization/projects/{project_id}", {"name": "Research"}),
    Step(
        "POST /organization/invites",
        {
            "email": "ana@example.com",
            "role": "reader",
            "projects": [{"id": "{project_id}", "role": "member"}],
        },
        saves={"invite_id": "id", "token": "token"},
    ),
    Step("GET /organization/invites"),
    Step("GET /organization/invites/{invite_id}"),
    Step(
        "POST /organization/invites/accept", {}, key="{token}", saves={"user_id": "id", "api_key_id": "api_keys.0.id"}
    ),
    Step(
        "POST /organization/invites",
        {"email": "bo@example.com", "role": "reader"},
        saves={"invite_id": "id"},
    ),
    Step("DELETE /organization/invites/{invite_id}"),
    Step("GET /organization/users", params={"emails": ["ana@example.com"]}),
    Step("GET /organization/users/{user_id}"),
    Step("POST /organization/users/{user_id}", {"technical_level": "expert"}),
    Step("GET /organization/projects/{project_id}/users"),
    Step("GET /organization/projects/{project_id}/users/{user_id}"),
    Step("POST /organization/projects/{project_id}/users/{user_id}", {"role": "owner"}),
    Step("GET /organization/projects/{project_id}/api_keys", params={"owner_project_access": "active"}),
    Step("GET /organization/projects/{project_id}/api_keys/{api_key_id}"),
    Step("DELETE /organization/projects/{project_id}/api_keys/{api_key_id}"),
    Step(f"POST {PROJECT}/service_accounts", {"name": "robot"}, saves={"service_account_id": "id"}),
    Step(f"GET {PROJECT}/service_accounts"),
    Step(f"GET {PROJECT}/service_accounts/{{service_account_id}}"),
    Step(f"POST {PROJECT}/service_accounts/{{service_account_id}}", {"name": "Robot", "role": "member"}),
    Step(f"POST {PROJECT}/service_accounts/{{service_account_id}}/api_keys", {"name": "second"}),
    Step(f"DELETE {PROJECT}/service_accounts/{{service_account_id}}"),
    Step("POST /organization/groups", {"name": "lawyers"}, saves={"group_id": "id"}),
    Step("GET /organization/groups", params={"limit": 1}),
    Step("GET /organization/groups/{group_id}"),
    Step("POST /organization/groups/{group_id}", {"name": "Lawyers"}),
    Step("POST /organization/groups/{group_id}/users", {"user_id": "{user_id}"}),
    Step("GET /organization/groups/{group_id}/users"),
    Step("GET /organization/groups/{group_id}/users/{user_id}"),
    Step(f"POST {PROJECT}/groups", {"group_id": "{group_id}", "role": "member"}),
    Step(f"GET {PROJECT}/groups"),
    Step(f"GET {PROJECT}/groups/{{group_id}}", params={"group_type": "group"}),
)
ENDS = (
    Step(f"DELETE {PROJECT}/groups/{{group_id}}"),
    Step("DELETE /organization/groups/{group_id}/users/{user_id}"),
    Step("DELETE /organization/groups/{group_id}"),
    Step(f"DELETE {PROJECT}/users/{{user_id}}"),
    Step(f"POST {PROJECT}/users", {"user_id": "{user_id}", "role": "member"}),
    Step("POST /organization/admin_api_keys", {"name": "ops"}, saves={"key_id": "id"}),
    Step("GET /organization/admin_api_keys", params={"order": "asc"}),
    Step("GET /organization/admin_api_keys/{key_id}"),
    Step("DELETE /organization/admin_api_keys/{key_id}"),
    Step("DELETE /organization/users/{user_id}"),
)
TOTALS = (
    *(Step(f"GET /organization/usage/{kind}", params={"start_time": 1_700_000_000, "limit": 2}) for kind in USAGE),
    Step("GET /organization/costs", params={"start_time": 1_700_000_000, "group_by": ["line_item"]}),
    Step("GET /organization/audit_logs", params={"limit": 100, "event_types[]": ["project.created", "user.added"]}),
)
PROJECT_SETTINGS = (
    Step(f"GET {PROJECT}/rate_limits"),
    Step(f"POST {PROJECT}/rate_limits/{{rate_limit_id}}", {"max_requests_per_1_minute": 100}),
    Step(f"POST {PROJECT}/model_permissions", {"mode": "deny_list", "model_ids": ["other"]}),
    Step(f"GET {PROJECT}/model_permissions"),
    Step(f"DELETE {PROJECT}/model_permissions"),
    Step(f"POST {PROJECT}/hosted_tool_permissions", {"file_search": {"enabled": False}}),
    Step(f"GET {PROJECT}/hosted_tool_permissions"),
    Step(f"POST {PROJECT}/data_retention", {"retention_type": "zero_data_retention"}),
    Step(f"GET {PROJECT}/data_retention"),
    Step("POST /organization/data_retention", {"retention_type": "modified_abuse_monitoring"}),
    Step("GET /organization/data_retention"),
)
IDS = {"rate_limit_id": "rl-fake", "certificate_id": "cert_1"}
STEPS = (
    *PEOPLE,
    *_roles("/organization"),
    *_roles("/projects/{project_id}"),
    *ENDS,
    *TOTALS,
    *PROJECT_SETTINGS,
    *_settings("/organization"),
    *_settings(PROJECT),
    *_certificates(),
    Step(f"POST {PROJECT}/archive"),
)
