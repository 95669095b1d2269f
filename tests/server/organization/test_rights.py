"""What each kind of key opens, and from when on it opens nothing."""

from __future__ import annotations

import time

import pytest

from owngpt.store.db import Database
from owngpt.store.keys import Keys
from tests.fakes.engine import KEY
from tests.server.organization.office import Office, good, refused

pytestmark = pytest.mark.anyio


async def test_keys_of_projects_do_not_manage_and_admin_keys_do_nothing_else() -> None:
    async with Office.open() as office:
        key = await office.key(await office.project("research"))
        admin = (await office.post("/admin_api_keys", name="ops"))["value"]
        assert "api.projects.read" in refused(await office.ask("GET", "/projects", key), 403, "missing_scope")
        assert "api.model.request" in refused(await office.chat(admin), 403, "missing_scope")
        refused(await office.ask("GET", "/v1/models", admin), 403, "missing_scope")
        refused(await office.ask("GET", "/metrics", key), 403, "missing_scope")  # they count for all projects
        good(await office.chat(key))
        good(await office.ask("GET", "/projects", admin))
        good(await office.chat(KEY))  # the first key opens both


async def test_a_key_of_few_scopes_opens_those_routes_only() -> None:
    async with Office.open() as office:
        project = await office.project("research")
        reads = await office.key(project, scopes=["read_only"])
        asks = await office.key(project, scopes=["model.request"])
        good(await office.ask("GET", "/v1/models", reads))
        assert "api.model.request" in refused(await office.chat(reads), 403, "missing_scope")
        good(await office.chat(asks))
        assert "api.model.read" in refused(await office.ask("GET", "/v1/models", asks), 403, "missing_scope")
        path = f"/projects/{project}/api_keys"
        unknown = await office.ask("POST", path, json={"name": "k", "scopes": ["api.sing"]})
        assert "'api.sing'" in refused(unknown, 400, "invalid_value")
        manages = await office.ask("POST", path, json={"name": "k", "scopes": ["api.users.write"]})
        assert "admin key" in refused(manages, 400)


async def test_a_key_ends_when_it_expires() -> None:
    async with Office.open() as office:
        project = await office.project("research")
        key = await office.key(project, expires_in_seconds=100)
        good(await office.chat(key))
        found = office.app.keys.find(key)
        assert found is not None
        with office.app.database.write() as transaction:
            transaction.execute("UPDATE keys SET expires_at = ? WHERE id = ?", (int(time.time()), found.id))
        office.app.keys.forget()
        assert "has expired" in refused(await office.chat(key), 401, "expired_api_key")


async def test_a_rotated_key_is_replaced_at_once() -> None:
    async with Office.open() as office:
        project = await office.project("research")
        old = await office.key(project, scopes=["model.request"])
        [row] = (await office.get(f"/projects/{project}/api_keys"))["data"]
        new = await office.post(f"/projects/{project}/api_keys/{row['id']}/rotate")
        assert new["scopes"] == ["api.model.request"]
        good(await office.chat(new["value"]))
        refused(await office.chat(old), 401)


async def test_an_archived_project_refuses_everything() -> None:
    async with Office.open() as office:
        project = await office.project("research")
        account = await office.post(f"/projects/{project}/service_accounts", name="crawler")
        key = await office.key(project)
        good(await office.chat(key))
        assert (await office.post(f"/projects/{project}/archive"))["status"] == "archived"
        assert (await office.post(f"/projects/{project}/archive"))["status"] == "archived"
        for secret in (key, account["api_key"]["value"]):
            refused(await office.chat(secret), 401)
        for path in ("api_keys", "service_accounts", "data_retention"):
            body = {"name": "x", "retention_type": "none"}
            refused(await office.ask("POST", f"/projects/{project}/{path}", json=body), 400, "project_archived")


async def test_a_service_account_without_a_role_and_one_that_is_deleted_open_nothing() -> None:
    async with Office.open() as office:
        path = f"/projects/{await office.project('research')}/service_accounts"
        bare = await office.post(path, name="crawler", create_service_account_only=True)
        assert (bare["role"], bare["api_key"]) == ("none", None)
        key = (await office.post(f"{path}/{bare['id']}/api_keys"))["value"]
        refused(await office.chat(key), 403, "missing_scope")
        await office.post(f"{path}/{bare['id']}", role="member")
        good(await office.chat(key))
        await office.delete(f"{path}/{bare['id']}")
        refused(await office.chat(key), 401)


async def test_a_users_key_follows_the_users_roles(database: Database) -> None:
    async with Office.open(database=database) as office:
        project = await office.project("research")
        user = await office.user("ana@example.com", projects=((project, "member"),))
        [key] = user["api_keys"]
        secret, path = key["value"], f"/projects/{project}/users/{user['id']}"
        good(await office.chat(secret))
        await office.post(path, role="viewer")
        refused(await office.chat(secret), 403, "missing_scope")
        good(await office.ask("GET", "/v1/models", secret))
        role = await office.post(f"/v1/projects/{project}/roles", role_name="asker", permissions=["model.request"])
        await office.post(f"/v1/projects/{project}/users/{user['id']}/roles", role_id=role["id"])
        good(await office.chat(secret))
        await office.delete(f"/v1/projects/{project}/roles/{role['id']}")
        refused(await office.chat(secret), 403, "missing_scope")
        await office.delete(path)
        refused(await office.chat(secret), 401)


async def test_keys_whose_owners_have_no_access_can_be_listed_apart() -> None:
    async with Office.open() as office:
        project, user = await office.project("research"), await office.user("ana@example.com")
        for n in range(5):
            await office.key(project, **({"user_id": user["id"]} if n % 2 else {}))
        for access, number in (("active", 3), ("inactive", 2), ("any", 5)):
            found, after = list[str](), {}
            while True:
                page = await office.get(f"/projects/{project}/api_keys", owner_project_access=access, limit=1, **after)
                found += [key["id"] for key in page["data"]]
                if not page["has_more"]:
                    break
                after = {"after": page["last_id"]}
            assert len(set(found)) == len(found) == number


async def test_a_group_makes_its_users_members() -> None:
    async with Office.open() as office:
        project = await office.project("research")
        user, group = await office.user("ana@example.com"), await office.post("/groups", name="lawyers")
        await office.post(f"/groups/{group['id']}/users", user_id=user["id"])
        key = await office.key(project, user_id=user["id"])
        refused(await office.chat(key), 403, "missing_scope")
        await office.post(f"/projects/{project}/groups", group_id=group["id"], role="member")
        good(await office.chat(key))
        caller = office.app.keys.find(key)
        assert caller is not None
        assert caller.grant.groups == {group["id"]}
        await office.delete(f"/groups/{group['id']}/users/{user['id']}")
        refused(await office.chat(key), 403, "missing_scope")


async def test_an_owner_of_the_organization_is_at_home_in_every_project() -> None:
    async with Office.open() as office:
        user = await office.user("ana@example.com", "owner")
        key = await office.key(await office.project("research"), user_id=user["id"])
        good(await office.chat(key))
        refused(await office.ask("GET", "/users", key), 403, "missing_scope")
        await office.user("bo@example.com", "owner")
        await office.post(f"/users/{user['id']}", role="reader")
        refused(await office.chat(key), 403, "missing_scope")


async def test_an_admin_key_may_do_what_its_user_may(database: Database) -> None:
    async with Office.open(database=database) as office:
        user = await office.user("ana@example.com", "reader")
        made = Keys(office.app.database).create("ana's", scopes=("admin",), owner_id=user["id"])
        good(await office.ask("GET", "/projects", made.secret))
        refused(await office.ask("POST", "/projects", made.secret, json={"name": "x"}), 403, "missing_scope")
        role = await office.post(
            "/roles", role_name="clerk", permissions=["roles.write", "invites.write", "api_keys.write", "groups.write"]
        )
        await office.post(f"/users/{user['id']}/roles", role_id=role["id"])
        # a clerk cannot give to itself what it does not have
        owner = {"role_id": "role-organization-owner"}
        refused(await office.ask("POST", f"/users/{user['id']}/roles", made.secret, json=owner), 403, "missing_scope")
        more = {"role_name": "x", "permissions": ["api.users.write"]}
        refused(await office.ask("POST", "/roles", made.secret, json=more), 403, "missing_scope")
        refused(await office.ask("POST", f"/roles/{role['id']}", made.secret, json=more), 403, "missing_scope")
        invite = {"email": "bo@example.com", "role": "owner"}
        refused(await office.ask("POST", "/invites", made.secret, json=invite), 403, "missing_scope")
        group = await office.post("/groups", name="chiefs")
        await office.post(f"/groups/{group['id']}/roles", **owner)
        me = {"user_id": user["id"]}
        refused(await office.ask("POST", f"/groups/{group['id']}/users", made.secret, json=me), 403, "missing_scope")
        # and its new admin keys are its own
        again = good(await office.ask("POST", "/admin_api_keys", made.secret, json={"name": "second"}))
        assert again["owner"]["id"] == user["id"]
        refused(await office.ask("POST", "/projects", again["value"], json={"name": "x"}), 403, "missing_scope")


async def test_somebody_can_always_get_in(database: Database) -> None:
    async with Office.open(database=database) as office:
        [only] = (await office.get("/admin_api_keys"))["data"]
        assert "last admin key" in refused(await office.ask("DELETE", f"/admin_api_keys/{only['id']}"), 409)
        [default] = (await office.get("/projects"))["data"]
        refused(await office.ask("DELETE", f"/projects/{default['id']}/api_keys/{only['id']}"), 409)
        refused(await office.ask("POST", f"/projects/{default['id']}/archive"), 400)
        refused(await office.ask("POST", f"/projects/{default['id']}", json={"name": "x"}), 400)
        await office.post("/admin_api_keys", name="for an hour", expires_in_seconds=3600)
        refused(await office.ask("DELETE", f"/admin_api_keys/{only['id']}"), 409)
        await office.post("/admin_api_keys", name="ops")
        await office.delete(f"/admin_api_keys/{only['id']}")
        refused(await office.ask("GET", "/projects"), 401)


async def test_an_organization_keeps_an_owner(database: Database) -> None:
    async with Office.open(database=database) as office:
        ana = await office.user("ana@example.com", "owner")
        assert "last owner" in refused(await office.ask("DELETE", f"/users/{ana['id']}"), 409)
        refused(await office.ask("POST", f"/users/{ana['id']}", json={"role": "reader"}), 409)
        bo = await office.user("bo@example.com", "owner")
        await office.delete(f"/users/{ana['id']}")
        assert [user["id"] for user in (await office.get("/users"))["data"]] == [bo["id"]]


async def test_an_invitation_opens_one_thing_once(database: Database) -> None:
    async with Office.open(database=database) as office:
        invite = await office.post("/invites", email="ana@example.com", role="reader")
        token = invite["token"]
        assert [place["role"] for place in invite["projects"]] == ["member"]
        assert "token" not in await office.get(f"/invites/{invite['id']}")
        for method, path in (("GET", "/v1/models"), ("GET", "/invites"), ("POST", "/invites"), ("GET", "/metrics")):
            refused(await office.ask(method, path, token), 403, "missing_scope")
        refused(await office.ask("POST", "/invites/accept", json={}), 403, "missing_scope")
        refused(await office.ask("POST", "/invites/accept", token + "x", json={}), 401)
        refused(await office.ask("POST", "/invites", json={"email": "ana@example.com", "role": "owner"}), 409)
        user = good(await office.ask("POST", "/invites/accept", token, json={"name": "Ana"}))
        good(await office.chat(user["api_keys"][0]["value"]))
        assert "accepted" in refused(await office.ask("POST", "/invites/accept", token, json={}), 401)
        refused(await office.ask("DELETE", f"/invites/{invite['id']}"), 409)
        refused(await office.ask("POST", "/invites", json={"email": "ANA@example.com", "role": "owner"}), 409)


async def test_what_is_not_there_is_not_found() -> None:
    async with Office.open() as office:
        mine, other = await office.project("mine"), await office.project("other")
        account = await office.post(f"/projects/{other}/service_accounts", name="crawler")
        [key] = (await office.get(f"/projects/{other}/api_keys"))["data"]
        role = await office.post(f"/v1/projects/{other}/roles", role_name="asker", permissions=["model.request"])
        for method, path in (
            ("GET", "/projects/proj_nope"),
            ("GET", f"/projects/{mine}/api_keys/{key['id']}"),
            ("DELETE", f"/projects/{mine}/api_keys/{key['id']}"),
            ("GET", f"/projects/{mine}/service_accounts/{account['id']}"),
            ("DELETE", f"/projects/{mine}/service_accounts/{account['id']}"),
            ("GET", f"/v1/projects/{mine}/roles/{role['id']}"),
            ("DELETE", f"/v1/projects/{mine}/roles/{role['id']}"),
            ("GET", f"/projects/{mine}/users/user-nope"),
            ("GET", "/users/user-nope"),
            ("GET", "/groups/group_nope"),
            ("GET", f"/projects/{mine}/groups/group_nope"),
            ("GET", "/admin_api_keys/key_nope"),
            ("GET", f"/admin_api_keys/{key['id']}"),
            ("GET", "/invites/invite-nope"),
        ):
            assert "No such" in refused(await office.ask(method, path), 404), path
        assert (await office.get(f"/projects/{mine}/api_keys"))["data"] == []


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("/projects", {}, 400, "name"),
        ("/projects", {"name": "a\nb"}, 400, "printable"),
        ("/projects", {"name": "default"}, 409, "already named"),
        ("/projects", {"name": "x", "residency": "EU_STORAGE_PROCESSING"}, 400, "residency"),
        ("/projects", {"name": "x", "external_key_id": "k"}, 400, "external_key_id"),
        ("/admin_api_keys", {"name": "x", "expires_in_seconds": 0}, 400, "expires_in_seconds"),
        ("/invites", {"email": "nobody", "role": "owner"}, 400, "email"),
        ("/invites", {"email": "a@b", "role": "king"}, 400, "role"),
        (
            "/invites",
            {"email": "a@b", "role": "owner", "projects": [{"id": "proj_x", "role": "owner"}]},
            404,
            "Project",
        ),
        ("/roles", {"role_name": "owner", "permissions": []}, 409, "already named"),
        ("/roles", {"role_name": "x", "permissions": ["api.everything"]}, 400, "permissions"),
        ("/roles/role-organization-owner", {"role_name": "x"}, 400, "predefined"),
        ("/groups", {"name": ""}, 400, "name"),
        ("/data_retention", {"retention_type": "none"}, 400, "retention_type"),
    ],
)
async def test_mistakes_are_named(path: str, body: dict[str, object], status: int, word: str) -> None:
    async with Office.open() as office:
        assert word in refused(await office.ask("POST", path, json=body), status)
        assert (await office.get("/audit_logs"))["data"] == []
