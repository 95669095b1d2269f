"""The audit log tells what was changed, by whom, from where; and holds no secret."""

from __future__ import annotations

from typing import Any

import pytest

from owngpt.store.db import Database
from tests.fakes.engine import KEY
from tests.server.organization.office import Office, refused

pytestmark = pytest.mark.anyio


async def entries(office: Office, **params: Any) -> list[dict[str, Any]]:
    return list((await office.get("/audit_logs", **params))["data"])


async def test_an_entry_tells_who_what_and_where(database: Database) -> None:
    async with Office.open(database=database) as office:
        user = await office.user("ana@example.com", "owner")
        made = await office.post("/admin_api_keys", name="ops")
        with office.app.database.write() as transaction:
            transaction.execute("UPDATE keys SET owner_id = ? WHERE id = ?", (user["id"], made["id"]))
        project = (await office.ask("POST", "/projects", made["value"], json={"name": "research"})).json()
        [entry] = await entries(office, **{"actor_ids[]": made["id"]})
        assert entry["type"] == "project.created"
        assert entry["project"] == {"id": project["id"], "name": "research"}
        data = {"name": "research", "title": "research"}
        assert entry["project.created"] == {"id": project["id"], "data": data}
        actor = entry["actor"]
        assert actor["type"] == "api_key"
        assert actor["api_key"]["user"] == {"id": user["id"], "email": "ana@example.com"}
        assert actor["ip_address"] == "127.0.0.1"
        for params in (
            {"actor_ids[]": user["id"]},
            {"actor_emails[]": "ana@example.com", "event_types[]": "project.created"},
            {"project_ids[]": project["id"]},
            {"resource_ids[]": [project["id"], "other"]},
            {"event_types[]": "project.created", "effective_at[gte]": entry["effective_at"]},
            {"event_types[]": "project.created", "effective_at[lte]": entry["effective_at"]},
        ):
            assert await entries(office, **params) == [entry], params
        for params in (
            {"project_ids[]": "proj_other"},
            {"effective_at[gt]": entry["effective_at"]},
            {"effective_at[lt]": entry["effective_at"] - 60},
        ):
            assert entry not in await entries(office, **params), params


async def test_who_accepts_an_invitation_has_no_key_yet() -> None:
    async with Office.open() as office:
        await office.user("ana@example.com")
        [entry] = await entries(office, **{"event_types[]": "invite.accepted"})
        session = {"user": {"email": "ana@example.com"}, "ip_address": "127.0.0.1"}
        assert entry["actor"] == {"type": "session", "session": session}


async def test_what_fails_leaves_no_entry_and_what_succeeds_always_does(database: Database) -> None:
    async with Office.open(database=database) as office:
        await office.project("research")
        refused(await office.ask("POST", "/projects", json={"name": "research"}), 409)
        assert [entry["type"] for entry in await entries(office)] == ["project.created"]


async def test_refused_keys_are_written_down_but_not_without_bound(database: Database) -> None:
    async with Office.open(database=database) as office:
        project = await office.project("research")
        key = await office.key(project)
        [row] = (await office.get(f"/projects/{project}/api_keys"))["data"]
        await office.delete(f"/projects/{project}/api_keys/{row['id']}")
        for _ in range(3):
            refused(await office.chat(key), 401)
            refused(await office.chat("sk-own-" + "x" * 43), 401)
        unknown, revoked = await entries(office, **{"event_types[]": "login.failed"})
        assert revoked["login.failed"]["error_code"] == "invalid_api_key"
        assert "revoked" in revoked["login.failed"]["error_message"]
        assert revoked["actor"]["api_key"]["id"] == row["id"]
        assert unknown["actor"]["ip_address"] == "127.0.0.1"
        assert "project" not in unknown


async def test_no_secret_is_anywhere_in_the_database() -> None:
    async with Office.open() as office:
        project = await office.project("research")
        secrets = [KEY, await office.key(project), (await office.post("/admin_api_keys", name="ops"))["value"]]
        account = await office.post(f"/projects/{project}/service_accounts", name="crawler")
        invite = await office.post("/invites", email="ana@example.com", role="owner")
        secrets += [account["api_key"]["value"], invite["token"]]
        for secret in secrets:
            refused(await office.chat(secret[:-1] + "~"), 401)
        stored = b"".join(file.read_bytes() for file in office.app.settings.data_dir.glob("owngpt.db*"))
        for secret in secrets:
            assert secret.encode() not in stored
            assert secret[:-1].encode() not in stored


@pytest.mark.parametrize(
    ("name", "value"), [("effective_at[gt]", "yesterday"), ("limit", "0"), ("after", "audit_log-nope")]
)
async def test_filters_that_cannot_be_read_are_named(name: str, value: str) -> None:
    async with Office.open() as office:
        assert name in refused(await office.ask("GET", "/audit_logs", params={name: value}), 400)


async def test_pages_of_the_log_are_stable(database: Database) -> None:
    async with Office.open(database=database) as office:
        for n in range(7):
            await office.project(f"project {n}")
        first = await office.get("/audit_logs", limit=3)
        assert first["has_more"]
        await office.project("in between")
        rest = await entries(office, after=first["last_id"])
        seen = [entry["project"]["name"] for entry in [*first["data"], *rest]]
        assert seen == [f"project {n}" for n in reversed(range(7))]
