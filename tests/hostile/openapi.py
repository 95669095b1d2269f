"""Descriptions of our routes, to draw requests from: OpenAI's own, cut down, and one made of our wire types."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from owngpt.server.schemas.base import WireModel
from owngpt.server.schemas.chat import ChatCompletionRequest
from owngpt.server.schemas.completions import CompletionRequest
from owngpt.server.schemas.embeddings import EmbeddingRequest

OPENAI = Path(__file__).parents[3] / "shared" / "spec" / "openai-openapi.yaml"
REQUESTS: dict[str, type[WireModel]] = {
    "/chat/completions": ChatCompletionRequest,
    "/completions": CompletionRequest,
    "/embeddings": EmbeddingRequest,
}
MODEL = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}


def our_description() -> dict[str, Any]:
    """OpenAPI of our routes, requests only."""
    paths: dict[str, Any] = {"/models": {"get": {"responses": _ANY}}}
    paths["/models/{model}"] = {"get": {"parameters": [MODEL], "responses": _ANY}}
    schemas: dict[str, Any] = {}
    for path, shape in REQUESTS.items():
        schema = shape.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        content = {"application/json": {"schema": schema}}
        paths[path] = {"post": {"requestBody": {"required": True, "content": content}, "responses": _ANY}}
    return _document(paths, schemas)


def openai_description() -> dict[str, Any]:
    """The same routes of OpenAI's description. Only their parts of the file are parsed: all of it takes a minute."""
    text = OPENAI.read_text(encoding="utf-8")
    chunks = _chunks(text[: text.index("\ncomponents:\n")], 2)
    paths = {path: _without_examples(chunks[path][path]) for path in ("/models", "/models/{model}", *REQUESTS)}
    paths["/models/{model}"].pop("delete", None)
    for operation in (operation for methods in paths.values() for operation in methods.values()):
        operation["responses"] = {"200": operation["responses"]["200"]}
    return _document(paths, _schemas(text, _references(paths)))


def openai_schema(name: str) -> dict[str, Any]:
    """A JSON schema: the component of that name of OpenAI's description, with all that it refers to."""
    schemas = _schemas(OPENAI.read_text(encoding="utf-8"), {name})
    return {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}


def _schemas(text: str, missing: set[str]) -> dict[str, Any]:
    """These components, and those that they refer to."""
    components = _chunks(text[text.index("\ncomponents:\n") :], 4)
    schemas: dict[str, Any] = {}
    while missing:
        schemas |= {name: components[name][name] for name in missing}
        missing = _references(schemas) - schemas.keys()
    return schemas


_ANY: dict[str, Any] = {"default": {"description": "anything"}}


def _document(paths: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    info = {"title": "routes", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


class _Chunks(dict[str, Any]):
    """Parts of a YAML mapping as text; each is parsed when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        return yaml.load(super().__getitem__(name), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _chunks(text: str, indent: int) -> _Chunks:
    parts = re.split(rf"^(?= {{{indent}}}['\"\w/])", text, flags=re.MULTILINE)
    return _Chunks({part.split(":", 1)[0].strip().strip("'\""): part for part in parts if ":" in part})


def _without_examples(document: Any) -> Any:
    if isinstance(document, dict):
        return {key: _without_examples(value) for key, value in document.items() if key not in _NOISE}
    return [_without_examples(item) for item in document] if isinstance(document, list) else document


_NOISE = {"examples", "x-oaiMeta", "security"}


def _references(document: Any) -> set[str]:
    return set(re.findall(r"#/components/schemas/([\w.-]+)", str(document)))
