"""Every document of the organization has the fields that OpenAI's spec gives it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.spec import fits_spec
from tests.server.organization.office import Office, good

pytestmark = pytest.mark.anyio


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with Office.open() as office:
        yield office


async def test_projects_and_what_is_in_them(office: Office) -> None:
    fits_spec(project := await office.post("/projects", name="research"), "Project")
    fits_spec(await office.get("/projects"), "ProjectListResponse")
    path = f"/projects/{project['id']}"
    fits_spec(account := await office.post(f"{path}/service_accounts", name="a"), "ProjectServiceAccountCreateResponse")
    fits_spec(await office.get(f"{path}/service_accounts"), "ProjectServiceAccountListResponse")
    one = f"{path}/service_accounts/{account['id']}"
    fits_spec(await office.post(f"{one}/api_keys", name="second"), "ServiceAccountApiKeyBody")
    fits_spec(await office.post(one, name="b"), "ProjectServiceAccount")
    user = await office.user("ana@example.com")
    fits_spec(await office.post(f"{path}/users", user_id=user["id"], role="member"), "ProjectUser")
    fits_spec(await office.get(f"{path}/users"), "ProjectUserListResponse")
    key = await office.post(f"{path}/api_keys", name="ana's", user_id=user["id"])
    for each in (key["id"], account["api_key"]["id"]):
        fits_spec(await office.get(f"{path}/api_keys/{each}"), "ProjectApiKey")
    fits_spec(await office.get(f"{path}/api_keys"), "ProjectApiKeyListResponse")
    fits_spec(await office.delete(f"{path}/api_keys/{key['id']}"), "ProjectApiKeyDeleteResponse")
    fits_spec(await office.delete(f"{path}/users/{user['id']}"), "ProjectUserDeleteResponse")
    fits_spec(await office.delete(one), "ProjectServiceAccountDeleteResponse")
    fits_spec(await office.post(f"{path}/archive"), "Project")


async def test_settings(office: Office) -> None:
    path = f"/projects/{await office.project('research')}"
    fits_spec(await office.get(f"{path}/model_permissions"), "ProjectModelPermissions")
    rule = {"mode": "deny_list", "model_ids": ["x"]}
    fits_spec(await office.post(f"{path}/model_permissions", **rule), "ProjectModelPermissions")
    fits_spec(await office.delete(f"{path}/model_permissions"), "ProjectModelPermissionsDeleteResponse")
    fits_spec(await office.get(f"{path}/hosted_tool_permissions"), "ProjectHostedToolPermissions")
    fits_spec(await office.get(f"{path}/data_retention"), "ProjectDataRetention")
    fits_spec(await office.get("/data_retention"), "OrganizationDataRetention")


async def test_people(office: Office) -> None:
    fits_spec(invite := await office.post("/invites", email="ana@example.com", role="owner"), "Invite")
    fits_spec(await office.get("/invites"), "InviteListResponse")
    fits_spec(user := good(await office.ask("POST", "/invites/accept", invite["token"], json={})), "User")
    fits_spec(await office.get(f"/invites/{invite['id']}"), "Invite")
    fits_spec(await office.get(f"/users/{user['id']}"), "User")
    fits_spec(await office.get("/users"), "UserListResponse")
    fits_spec(await office.post("/admin_api_keys", name="ops"), "AdminApiKeyCreateResponse")
    fits_spec(await office.get("/admin_api_keys"), "ApiKeyList")
    second = await office.post("/invites", email="bo@example.com", role="reader")
    fits_spec(await office.delete(f"/invites/{second['id']}"), "InviteDeleteResponse")
    await office.user("cy@example.com", "owner")
    fits_spec(await office.delete(f"/users/{user['id']}"), "UserDeleteResponse")


async def test_groups_and_roles(office: Office) -> None:
    project, user = await office.project("research"), await office.user("ana@example.com")
    await office.post(f"/projects/{project}/users", user_id=user["id"], role="member")
    fits_spec(group := await office.post("/groups", name="lawyers"), "GroupResponse")
    fits_spec(await office.get("/groups", limit=1), "GroupListResource")
    path = f"/groups/{group['id']}"
    fits_spec(await office.post(path, name="Lawyers"), "GroupResourceWithSuccess")
    fits_spec(await office.post(f"{path}/users", user_id=user["id"]), "GroupUserAssignment")
    fits_spec(await office.get(f"{path}/users"), "UserListResource")
    fits_spec(await office.get(f"{path}/users/{user['id']}"), "GroupMemberUser")
    let_in = {"group_id": group["id"], "role": "member"}
    fits_spec(await office.post(f"/projects/{project}/groups", **let_in), "ProjectGroup")
    fits_spec(await office.get(f"/projects/{project}/groups"), "ProjectGroupListResource")
    for place in ("/v1/organization", f"/v1/projects/{project}"):
        fits_spec(role := await office.post(f"{place}/roles", role_name="r", permissions=["files.read"]), "Role")
        fits_spec(await office.get(f"{place}/roles"), "PublicRoleListResource")
        for kind, who, schema in (("groups", group, "GroupRoleAssignment"), ("users", user, "UserRoleAssignment")):
            roles = f"{place}/{kind}/{who['id']}/roles"
            fits_spec(await office.post(roles, role_id=role["id"]), schema)
            fits_spec(await office.get(roles), "RoleListResource")
            fits_spec(await office.get(f"{roles}/{role['id']}"), "AssignedRoleDetails")
            fits_spec(await office.delete(f"{roles}/{role['id']}"), "DeletedRoleAssignmentResource")
        fits_spec(await office.delete(f"{place}/roles/{role['id']}"), "RoleDeletedResource")
    fits_spec(await office.delete(f"/projects/{project}/groups/{group['id']}"), "ProjectGroupDeletedResource")
    fits_spec(await office.delete(f"{path}/users/{user['id']}"), "GroupUserDeletedResource")
    fits_spec(await office.delete(path), "GroupDeletedResource")
    fits_spec(await office.get("/audit_logs", limit=100), "ListAuditLogsResponse")


async def test_lists_with_a_cursor_go_on_where_they_stopped(office: Office) -> None:
    for n in range(5):
        await office.post("/groups", name=f"group {n}")
    first = await office.get("/groups", limit=2)
    assert (first["has_more"], first["next"]) == (True, first["data"][-1]["id"])
    rest = await office.get("/groups", after=first["next"])
    assert (rest["has_more"], rest["next"]) == (False, None)
    seen: list[Any] = [*first["data"], *rest["data"]]
    assert {group["name"] for group in seen} == {f"group {n}" for n in range(5)}
    assert len(seen) == 5
    roles = await office.get("/roles", limit=1)
    assert [role["name"] for role in (await office.get("/roles", after=roles["next"]))["data"]] == ["reader"]


@pytest.mark.parametrize("wrong", [{"created_at": "now"}, {"object": "project"}, {"status": 3}, {"id": None}])
async def test_the_comparison_notices(office: Office, wrong: dict[str, Any]) -> None:
    project = await office.post("/projects", name="research")
    with pytest.raises(AssertionError, match="Project"):
        fits_spec(project | wrong, "Project")
