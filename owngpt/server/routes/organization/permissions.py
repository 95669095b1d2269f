"""What a project may use: .../model_permissions and .../hosted_tool_permissions."""

from __future__ import annotations

from starlette.routing import Route

from owngpt.server.routes.organization.desk import Change, Desk, Document, deleting, reading, writing
from owngpt.server.schemas.organization.requests import UpdateHostedTools, UpdateModelPermissions
from owngpt.store.project_settings import (
    HOSTED_TOOLS,
    ModelRule,
    disabled_tools,
    model_rule,
    set_disabled_tools,
    set_model_rule,
)


def retrieve_models(desk: Desk) -> Document:
    """Where nothing was set: a deny list of nothing."""
    rule = model_rule(desk.project_row) or ModelRule("deny_list", ())
    return {"object": "project.model_permissions", "mode": rule.mode, "model_ids": list(rule.names)}


def update_models(change: Change, body: UpdateModelPermissions) -> Document:
    """Names and aliases mean the model; names of models that are not loaded (yet) may be listed."""
    project = change.project
    set_model_rule(change.transaction, project.id, ModelRule(body.mode, tuple(dict.fromkeys(body.model_ids))))
    requested = {"model_permissions": {"mode": body.mode, "model_ids": body.model_ids}}
    change.log("project.updated", project.id, project, changes_requested=requested)
    return retrieve_models(change)


def delete_models(change: Change) -> Document:
    """Every model may be used again."""
    project = change.project
    set_model_rule(change.transaction, project.id, None)
    change.log("project.updated", project.id, project, changes_requested={"model_permissions": None})
    return {"object": "project.model_permissions.deleted", "deleted": True}


def retrieve_tools(desk: Desk) -> Document:
    """Each tool; whether this server has it is another matter."""
    disabled = disabled_tools(desk.project_row)
    return {tool: {"enabled": tool not in disabled} for tool in HOSTED_TOOLS}


def update_tools(change: Change, body: UpdateHostedTools) -> Document:
    """What is left out stays."""
    project = change.project
    asked = {tool: setting.enabled for tool in HOSTED_TOOLS if (setting := getattr(body, tool)) is not None}
    disabled = {tool for tool in disabled_tools(change.project_row) if tool not in asked}
    set_disabled_tools(change.transaction, project.id, disabled | {tool for tool, on in asked.items() if not on})
    change.log("project.updated", project.id, project, changes_requested={"hosted_tool_permissions": asked})
    return retrieve_tools(change)


MODELS = "/v1/organization/projects/{project_id}/model_permissions"
TOOLS = "/v1/organization/projects/{project_id}/hosted_tool_permissions"
ROUTES = (
    Route(MODELS, reading(retrieve_models), methods=["GET"]),
    Route(MODELS, writing(UpdateModelPermissions, update_models), methods=["POST"]),
    Route(MODELS, deleting(delete_models), methods=["DELETE"]),
    Route(TOOLS, reading(retrieve_tools), methods=["GET"]),
    Route(TOOLS, writing(UpdateHostedTools, update_tools), methods=["POST"]),
)
