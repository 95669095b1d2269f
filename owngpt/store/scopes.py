"""What a key may do, by name: `api.files.read`, `api.model.request`, `api.users.write`.

A key or role is granted names; `expand` turns them into the set of all scopes that they mean:

    all, api                every scope of a project's own objects
    read_only, api.read     those of them that only read
    admin                   every scope of the organization: people, rights, usage
    api.files.write         that one, and api.files.read with it (`api.` may be left out)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from owngpt.errors import InvalidRequest

OWN = (
    "batches",
    "completions",
    "conversations",
    "evals",
    "files",
    "fine_tuning",
    "responses",
    "vector_stores",
)
MANAGED = (
    "api_keys",
    "audit_logs",
    "data_retention",
    "groups",
    "invites",
    "metrics",  # totals of all projects
    "projects",
    "rate_limits",
    "roles",
    "service_accounts",
    "spend",
    "usage",
    "users",
)
_VERBS = ("read", "write")
API = frozenset({"api.model.read", "api.model.request", *(f"api.{name}.{verb}" for name in OWN for verb in _VERBS)})
MANAGEMENT = frozenset(f"api.{name}.{verb}" for name in MANAGED for verb in _VERBS)
ACCEPT_INVITE = "invite.accept"  # what the token of an invite is for, and no key is
_NAMED = {
    "api": API,
    "api.read": frozenset(scope for scope in API if scope.endswith(".read")),
    "admin": MANAGEMENT,
}
_SYNONYMS = {"all": "api", "read_only": "api.read"}


def check_scopes(names: Sequence[str], param: str) -> tuple[str, ...]:
    """The names in their stored form. Raises `InvalidRequest` for one that is not known."""
    found = dict.fromkeys(_stored(name) for name in names)
    for name in found:
        if name not in _NAMED and name not in API | MANAGEMENT:
            known = ", ".join(sorted(API | MANAGEMENT))
            raise InvalidRequest(
                f"Invalid value for {param!r}: {name[:80]!r}. Supported values are: all, read_only, admin, {known}.",
                param=param,
                code="invalid_value",
            )
    return tuple(found)


def expand(names: Iterable[str]) -> frozenset[str]:
    """Every scope that the stored names mean. Who may write may read."""
    scopes: set[str] = set()
    for name in names:
        scopes |= _NAMED.get(name) or {name}
        if name.endswith(".write"):
            scopes.add(name.removesuffix("write") + "read")
    return frozenset(scopes)


def _stored(name: str) -> str:
    name = _SYNONYMS.get(name, name)
    return name if name in _NAMED or name.startswith("api.") else f"api.{name}"
