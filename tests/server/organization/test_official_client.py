"""The official client's `admin.organization` against this server, with its strict validation."""

from __future__ import annotations

import httpx
import openai
import pytest

from owngpt.server.asgi import create_app
from owngpt.service.app import App
from owngpt.store.db import Database
from tests.fakes.engine import KEY, make_app

pytestmark = pytest.mark.anyio


def admin_of(app: App, key: str = KEY) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        api_key=key,
        admin_api_key=key,
        base_url="http://owngpt.test/v1",
        max_retries=0,
        http_client=httpx.AsyncClient(transport=httpx.ASGITransport(create_app(app))),
        _strict_response_validation=True,
    )


async def test_projects(database: Database) -> None:
    async with admin_of(make_app(database=database)) as client:
        projects = client.admin.organization.projects
        made = await projects.create(name="research")
        assert (await projects.retrieve(made.id)) == made
        renamed = await projects.update(made.id, name="Research")
        assert renamed.name == "Research"
        assert {project.name async for project in projects.list()} == {"Research", "default"}
        archived = await projects.archive(made.id)
        assert archived.status == "archived"
        assert [project.name async for project in projects.list()] == ["default"]
        assert len([project async for project in projects.list(include_archived=True, limit=1)]) == 2


async def test_service_accounts_and_their_keys(database: Database) -> None:
    async with admin_of(make_app(database=database)) as client:
        projects = client.admin.organization.projects
        project = await projects.create(name="research")
        account = await projects.service_accounts.create(project.id, name="crawler")
        assert account.api_key is not None
        assert (await projects.service_accounts.retrieve(account.id, project_id=project.id)).role == "member"
        [key] = [key async for key in projects.api_keys.list(project.id)]
        assert key.owner.service_account is not None
        assert key.owner.service_account.id == account.id
        assert key.redacted_value not in account.api_key.value
        assert (await projects.api_keys.retrieve(key.id, project_id=project.id)).name == key.name
        changed = await projects.service_accounts.update(account.id, project_id=project.id, role="owner")
        assert changed.role == "owner"
        assert (await projects.api_keys.delete(key.id, project_id=project.id)).deleted
        assert (await projects.service_accounts.delete(account.id, project_id=project.id)).deleted
        assert [account async for account in projects.service_accounts.list(project.id)] == []


async def test_people(database: Database) -> None:
    app = make_app(database=database)
    async with admin_of(app) as client:
        organization = client.admin.organization
        project = await organization.projects.create(name="research")
        invite = await organization.invites.create(
            email="Ana@Example.com", role="owner", projects=[{"id": project.id, "role": "member"}]
        )
        assert (await organization.invites.retrieve(invite.id)).status == "pending"
        token = invite.model_extra["token"] if invite.model_extra else ""
        async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(app)), base_url="http://own") as guest:
            headers = {"authorization": f"Bearer {token}"}
            accepted = await guest.post("/v1/organization/invites/accept", headers=headers, json={"name": "Ana"})
            assert accepted.status_code == 200, accepted.text
        [user] = [user async for user in organization.users.list(emails=["ana@example.com"])]
        assert (user.name, user.role) == ("Ana", "owner")
        assert (await organization.users.retrieve(user.id)).id == user.id
        assert (await organization.users.update(user.id, technical_level="high")).role == "owner"
        [member] = [member async for member in organization.projects.users.list(project.id)]
        assert (member.id, member.role) == (user.id, "member")
        assert (await organization.projects.users.update(user.id, project_id=project.id, role="owner")).role == "owner"
        assert (await organization.projects.users.delete(user.id, project_id=project.id)).deleted
        again = await organization.projects.users.create(project.id, email="ana@example.com", role="viewer")
        assert (await organization.projects.users.retrieve(again.id, project_id=project.id)).role == "viewer"
        assert [invite.status async for invite in organization.invites.list()] == ["accepted"]
        second = await organization.invites.create(email="bo@example.com", role="reader")
        assert (await organization.invites.delete(second.id)).deleted


async def test_groups_and_roles(database: Database) -> None:
    app = make_app(database=database)
    async with admin_of(app) as client:
        organization = client.admin.organization
        project = await organization.projects.create(name="research")
        account = await organization.projects.service_accounts.create(project.id, name="crawler")
        group = await organization.groups.create(name="lawyers")
        assert (await organization.groups.update(group.id, name="Lawyers")).name == "Lawyers"
        assert (await organization.groups.users.create(group.id, user_id=account.id)).user_id == account.id
        assert [user.id async for user in organization.groups.users.list(group.id)] == [account.id]
        assert (await organization.groups.users.retrieve(account.id, group_id=group.id)).is_service_account
        role = await organization.projects.roles.create(
            project.id, role_name="asker", permissions=["api.model.request"]
        )
        granted = await organization.projects.groups.create(project.id, group_id=group.id, role=role.id)
        assert granted.group_name == "Lawyers"
        assert [group.group_id async for group in organization.projects.groups.list(project.id)] == [group.id]
        assigned = await organization.projects.groups.roles.list(group.id, project_id=project.id)
        assert [role.name for role in assigned.data] == ["asker"]
        names = [role.name async for role in organization.roles.list()]
        assert names == ["owner", "reader"]
        auditor = await organization.roles.create(role_name="auditor", permissions=["api.audit_logs.read"])
        await organization.groups.roles.create(group.id, role_id=auditor.id)
        assert (await organization.groups.roles.retrieve(auditor.id, group_id=group.id)).name == "auditor"
        assert (await organization.groups.roles.delete(auditor.id, group_id=group.id)).deleted
        updated = await organization.roles.update(auditor.id, description="Looks", permissions=["api.usage.read"])
        assert updated.permissions == ["api.usage.read"]
        assert (await organization.roles.delete(auditor.id)).deleted
        assert (await organization.groups.users.delete(account.id, group_id=group.id)).deleted
        assert (await organization.projects.groups.delete(group.id, project_id=project.id)).deleted
        assert (await organization.groups.delete(group.id)).deleted


async def test_settings_of_a_project(database: Database) -> None:
    async with admin_of(make_app(database=database)) as client:
        organization = client.admin.organization
        project = await organization.projects.create(name="research")
        models = organization.projects.model_permissions
        assert (await models.retrieve(project.id)).api_model_ids == []
        assert (await models.update(project.id, mode="allow_list", model_ids=["fake"])).mode == "allow_list"
        assert (await models.delete(project.id)).deleted
        tools = organization.projects.hosted_tool_permissions
        assert not (await tools.update(project.id, mcp={"enabled": False})).mcp.enabled
        assert (await tools.retrieve(project.id)).file_search.enabled
        kept = organization.projects.data_retention
        assert (await kept.retrieve(project.id)).type == "organization_default"
        changed = await kept.update(project.id, retention_type="zero_data_retention")
        assert changed.type == "zero_data_retention"
        assert (await organization.data_retention.retrieve()).type == "modified_abuse_monitoring"
        await organization.data_retention.update(retention_type="enhanced_zero_data_retention")


async def test_admin_keys_and_the_audit_log(database: Database) -> None:
    app = make_app(database=database)
    async with admin_of(app) as client:
        keys = client.admin.organization.admin_api_keys
        made = await keys.create(name="ops", expires_in_seconds=3600)
        assert made.value.startswith("sk-own-admin-")
        assert (await keys.retrieve(made.id)).redacted_value == made.redacted_value
        assert {key.name async for key in keys.list()} == {"OWNGPT_API_KEY", "ops"}
        async with admin_of(app, made.value) as ops:
            project = await ops.admin.organization.projects.create(name="research")
        assert (await keys.delete(made.id)).deleted
        logs = client.admin.organization.audit_logs
        [entry] = [entry async for entry in logs.list(actor_ids=[made.id])]
        assert entry.type == "project.created"
        assert entry.project is not None
        assert (entry.project.id, entry.project.name) == (project.id, "research")
        assert entry.actor is not None
        assert entry.actor.api_key is not None
        assert entry.actor.api_key.id == made.id
        created = [entry async for entry in logs.list(event_types=["api_key.created", "api_key.deleted"], limit=1)]
        assert [entry.type for entry in created] == ["api_key.deleted", "api_key.created"]
        assert [entry async for entry in logs.list(effective_at={"lt": entry.effective_at - 10})] == []


async def test_certificates_are_refused_by_name(database: Database) -> None:
    async with admin_of(make_app(database=database)) as client:
        with pytest.raises(openai.BadRequestError, match="terminate mTLS at a proxy"):
            await client.admin.organization.certificates.list()
