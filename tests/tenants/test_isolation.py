"""Whatever tenants do, in any order: nothing of one project can be read, listed, changed or counted from another, and
nothing that a file's readers keep to themselves by anybody else.

What may not be known answers exactly as what does not exist.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from owngpt.server.asgi import create_app
from tests.fakes.engine import engine_of, make_app
from tests.tenants.kinds import KINDS, Call, Kind, unknown_id

BY_NAME = {kind.name: kind for kind in KINDS}
PROJECTS = ("red", "green", "blue")


@dataclass(eq=False)
class Tenant:
    """A key, with what documents may name it by."""

    project: str
    key: str
    account: str  # its service account
    principals: set[str]


@dataclass(eq=False)
class Thing:
    """An object that was made. `readers`: who may know of it; None: its project."""

    kind: Kind
    id: str
    project: str
    readers: frozenset[str] | None
    parts: list[Thing] = field(default_factory=list)  # with which it goes
    document: dict[str, Any] = field(default_factory=dict)

    def is_known_to(self, tenant: Tenant) -> bool:
        is_reader = self.readers is None or not self.readers.isdisjoint(tenant.principals)
        return tenant.project == self.project and is_reader


class Tenants(RuleBasedStateMachine):
    """Three projects of two keys each; a group whose members come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.app = make_app("Hello!")
        transport = httpx.ASGITransport(create_app(self.app))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://owngpt.test")
        self.admin = self.app.keys.create("admin", scopes=("api", "admin")).secret
        self.group = str(self.manage("POST", "/groups", name="readers")["id"])
        self.tenants = [self.new_tenant(project) for project in PROJECTS for _ in range(2)]
        self.things: list[Thing] = []
        self.namespaces: dict[str, str] = {}  # of the prefix cache -> the project that used it

    def manage(self, method: str, path: str, **body: Any) -> Any:
        call = Call(method, f"/v1/organization{path}", {"json": body} if method == "POST" else {})
        response = self.send(call, self.admin)
        assert response.status_code == 200, response.text
        return response.json()

    def new_tenant(self, project: str) -> Tenant:
        known = {each["name"]: each["id"] for each in self.manage("GET", "/projects?limit=100")["data"]}
        project_id = known.get(project) or self.manage("POST", "/projects", name=project)["id"]
        account = self.manage("POST", f"/projects/{project_id}/service_accounts", name="account")
        key_id = account["api_key"]["id"]
        return Tenant(project, account["api_key"]["value"], account["id"], {f"user:{account['id']}", f"key:{key_id}"})

    def send(self, call: Call, key: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"}
        return self.runner.run(self.client.request(call.method, call.path, headers=headers, **call.options))

    @initialize(tenant=st.integers(0, 5))
    def begin(self, tenant: int) -> None:
        """One thing of each kind."""
        for kind in KINDS:
            self.make_one(self.tenants[tenant], kind)

    @rule(data=st.data(), kind=st.sampled_from(KINDS))
    def make(self, data: st.DataObject, kind: Kind) -> None:
        tenant = data.draw(st.sampled_from(self.tenants))
        named = [*sorted(tenant.principals), f"group:{self.group}"]
        self.make_one(tenant, kind, data.draw(st.none() | st.sampled_from(named)) if kind.has_readers else None)

    def make_one(self, tenant: Tenant, kind: Kind, readers: str | None = None) -> Thing:
        parts = [self.make_one(tenant, BY_NAME[part]) for part in kind.parts]
        call = kind.make(readers) if kind.has_readers else kind.make(*(part.id for part in parts))
        response = self.send(call, tenant.key)
        assert response.status_code == 200, response.text
        place = "/files/".join(part.id for part in parts) if kind.is_inside else response.json()["id"]
        inside = parts if kind.is_inside else []
        thing = Thing(kind, place, tenant.project, readers and frozenset({readers}), inside)
        self.things.append(thing)
        if kind.is_readable:
            thing.document = self.look(thing)
        self.note_namespace(tenant)
        return thing

    @rule(data=st.data(), kind=st.sampled_from(KINDS))
    def meddle(self, data: st.DataObject, kind: Kind) -> None:
        """Use what one may not know of, in every way there is."""
        things = [thing for thing in self.things if thing.kind is kind]
        pairs = [(thing, tenant) for thing in things for tenant in self.tenants if not thing.is_known_to(tenant)]
        if not pairs:
            return
        thing, tenant = data.draw(st.sampled_from(pairs))
        other = unknown_id(thing.id)
        for call, same in zip(kind.uses(thing.id), kind.uses(other), strict=True):
            found, missing = self.send(call, tenant.key), self.send(same, tenant.key)
            assert 400 <= found.status_code < 500, f"{call}: {found.status_code} {found.text}"
            assert found.status_code == missing.status_code, f"{call}: {found.text} {missing.text}"
            assert found.text.replace(thing.id, other) == missing.text, f"{call}"

    @rule(data=st.data(), kind=st.sampled_from([kind for kind in KINDS if kind.is_listed]), limit=st.integers(1, 4))
    def count(self, data: st.DataObject, kind: Kind, limit: int) -> None:
        """A list has all that the tenant may know of, page by page, and nothing else."""
        tenant, listed, after = data.draw(st.sampled_from(self.tenants)), list[str](), ""
        while True:
            response = self.send(Call("GET", f"{kind.path}?limit={limit}{after}"), tenant.key)
            assert response.status_code == 200, response.text
            page = response.json()
            listed += [each["id"] for each in page["data"]]
            if not page["has_more"]:
                break
            after = f"&after={page['last_id']}"
        known = [thing.id for thing in self.things if thing.kind is kind and thing.is_known_to(tenant)]
        assert sorted(listed) == sorted(known)

    @rule(data=st.data())
    @precondition(lambda self: any(thing.kind.is_deletable for thing in self.things))
    def delete(self, data: st.DataObject) -> None:
        thing = data.draw(st.sampled_from([thing for thing in self.things if thing.kind.is_deletable]))
        tenant = next((tenant for tenant in self.tenants if thing.is_known_to(tenant)), None)
        if tenant is not None:
            response = self.send(Call("DELETE", f"{thing.kind.path}/{thing.id}"), tenant.key)
            assert response.status_code == 200, response.text
            self.things = [other for other in self.things if thing is not other and thing not in other.parts]

    @rule(data=st.data())
    def join_or_leave(self, data: st.DataObject) -> None:
        """A tenant comes into the group, or goes."""
        tenant, principal = data.draw(st.sampled_from(self.tenants)), f"group:{self.group}"
        if principal in tenant.principals:
            self.manage("DELETE", f"/groups/{self.group}/users/{tenant.account}")
            tenant.principals.remove(principal)
        else:
            self.manage("POST", f"/groups/{self.group}/users", user_id=tenant.account)
            tenant.principals.add(principal)

    @rule(data=st.data())
    def chat(self, data: st.DataObject) -> None:
        """The same prompt of all: no prefix of it is shared between projects."""
        tenant = data.draw(st.sampled_from(self.tenants))
        body = {"messages": [{"role": "user", "content": "Hi"}], "prompt_cache_key": "the same"}
        assert self.send(Call("POST", "/v1/chat/completions", {"json": body}), tenant.key).status_code == 200
        self.note_namespace(tenant)

    @invariant()
    def nothing_was_changed(self) -> None:
        """By anybody but its owners, who change nothing here."""
        for thing in self.things[-3:]:
            if thing.document:
                assert self.look(thing) == thing.document

    def look(self, thing: Thing) -> dict[str, Any]:
        """The object as one of those sees it who may; empty where nobody may any more."""
        tenant = next((tenant for tenant in self.tenants if thing.is_known_to(tenant)), None)
        if tenant is None:
            return thing.document
        response = self.send(Call("GET", f"{thing.kind.path}/{thing.id}"), tenant.key)
        assert response.status_code == 200, response.text
        return {name: value for name, value in response.json().items() if name not in thing.kind.volatile}

    def note_namespace(self, tenant: Tenant) -> None:
        submissions = engine_of(self.app).submissions
        for submission in submissions:
            owner = self.namespaces.setdefault(submission.namespace, tenant.project)
            assert owner == tenant.project
        submissions.clear()

    def teardown(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()
        self.app.close()


TestTenants = Tenants.TestCase
TestTenants.settings = settings(
    max_examples=10,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
