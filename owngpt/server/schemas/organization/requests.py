"""The bodies of the operations on people and rights."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from owngpt.server.schemas.base import WireModel
from owngpt.store.retention import OrganizationRetention, ProjectRetention

YEAR = 31_536_000  # seconds: how long a key may last that is to end
OrganizationRole = Literal["owner", "reader"]
Seconds = Annotated[int, Field(ge=1, le=YEAR)]
Scopes = Annotated[list[str], Field(min_length=1, max_length=64)]
ModelIds = Annotated[list[Annotated[str, Field(min_length=1, max_length=300)]], Field(max_length=500)]


class CreateProject(WireModel):
    """Also with where data is to lie, which is here, and nowhere else."""

    name: str
    residency: str | None = None
    external_key_id: str | None = None


class UpdateProject(WireModel):
    """What is left out stays."""

    name: str | None = None
    external_key_id: str | None = None


class CreateAdminKey(WireModel):
    """A key that manages the organization."""

    name: str
    expires_in_seconds: Seconds | None = None


class CreateProjectKey(WireModel):
    """Beyond OpenAI: a key of a project, or of a user who is a member of it."""

    name: str
    user_id: str | None = None
    scopes: Scopes | None = None
    expires_in_seconds: Seconds | None = None


class RotateKey(WireModel):
    """Beyond OpenAI: a new key in the place of another, which goes on for a while."""

    grace_seconds: Annotated[int, Field(ge=0, le=YEAR)] = 0


class CreateServiceAccount(WireModel):
    """With a key, unless the account alone is wanted."""

    name: str
    create_service_account_only: bool | None = None


class UpdateServiceAccount(WireModel):
    """What is left out stays."""

    name: str | None = None
    role: Literal["member", "owner"] | None = None


class CreateServiceAccountKey(WireModel):
    """Another key for a service account."""

    name: str | None = None
    scopes: Scopes | None = None


class UpdateUser(WireModel):
    """What is left out stays."""

    role: OrganizationRole | None = None
    role_id: str | None = None
    technical_level: str | None = None
    developer_persona: str | None = None


class ProjectOfInvite(WireModel):
    """A project that the invited become members of."""

    id: str
    role: Literal["member", "owner"]


class CreateInvite(WireModel):
    """Left out, `projects` is the default project."""

    email: str
    role: OrganizationRole
    projects: Annotated[list[ProjectOfInvite], Field(max_length=100)] | None = None


class AcceptInvite(WireModel):
    """Beyond OpenAI: how the invited want to be called."""

    name: str | None = None


class AddProjectUser(WireModel):
    """By id or by address."""

    role: str
    user_id: str | None = None
    email: str | None = None


class UpdateProjectUser(WireModel):
    """What is left out stays."""

    role: str | None = None


class NameGroup(WireModel):
    """To make a group, or to rename one."""

    name: str


class AddGroupUser(WireModel):
    """A user or a service account."""

    user_id: str


class AddProjectGroup(WireModel):
    """`role`: the id of a role of the project, or the name of a predefined one."""

    group_id: str
    role: str


class CreateRole(WireModel):
    """`permissions` are scopes."""

    role_name: str
    permissions: Annotated[list[str], Field(max_length=100)]
    description: str | None = None


class UpdateRole(WireModel):
    """What is left out stays."""

    role_name: str | None = None
    permissions: Annotated[list[str], Field(max_length=100)] | None = None
    description: str | None = None


class AssignRole(WireModel):
    """Which role to give."""

    role_id: str


class UpdateOrganizationRetention(WireModel):
    """What is kept, where a project says nothing."""

    retention_type: OrganizationRetention


class UpdateProjectRetention(WireModel):
    """What is kept in a project."""

    retention_type: ProjectRetention


class UpdateModelPermissions(WireModel):
    """The models that a project may use, or may not."""

    mode: Literal["allow_list", "deny_list"]
    model_ids: ModelIds


class HostedTool(WireModel):
    """Whether a tool may be used."""

    enabled: bool


class UpdateHostedTools(WireModel):
    """What is left out stays."""

    file_search: HostedTool | None = None
    web_search: HostedTool | None = None
    image_generation: HostedTool | None = None
    mcp: HostedTool | None = None
    code_interpreter: HostedTool | None = None
