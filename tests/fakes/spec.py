"""Holds a document of ours against the schema that OpenAI's spec gives it, where the spec lies beside the checkout.

fits_spec(response.json(), "Project")
misfit(response.json(), "GET /organization/projects/{project_id}")  # what is wrong, or None
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

SPEC = Path(__file__).parents[3] / "shared" / "spec" / "openai-openapi.yaml"
_KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def fits_spec(document: Any, schema: str) -> None:
    """Fail with the path of the first thing that does not fit; skip the test without the spec."""
    problem = _problem(document, {"$ref": f"#/components/schemas/{schema}"}, "")
    assert problem is None, f"{schema}{problem}\n{json.dumps(document, indent=2)[:2000]}"


def misfit(document: Any, operation: str) -> str | None:
    """What in the answer 200 of an operation (method and path) is not as the spec says, None if all is."""
    content = operations()[operation]["responses"]["200"].get("content", {})
    if "application/json" not in content:
        return None
    problem = _problem(document, content["application/json"]["schema"], "")
    return None if problem is None else f"{operation}: answer{problem}"


def operations() -> dict[str, dict[str, Any]]:
    """Every operation of the spec, by method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in _spec()["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
    }


def component(reference: str) -> dict[str, Any]:
    """The schema that a `$ref` names."""
    schema: dict[str, Any] = _spec()["components"]["schemas"][reference.rpartition("/")[2]]
    return schema


@cache
def _spec() -> dict[str, Any]:
    if not SPEC.exists():
        pytest.skip("OpenAI's spec is not on this machine")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    spec: dict[str, Any] = yaml.load(SPEC.read_text(encoding="utf-8"), loader)
    return spec


def _problem(value: Any, schema: dict[str, Any], path: str) -> str | None:
    """What is wrong, None if nothing is. Enough of JSON Schema for this spec."""
    if "$ref" in schema:
        return _problem(value, component(schema["$ref"]), path)
    if value is None and (schema.get("nullable") or schema.get("type") == "null"):
        return None
    for part in schema.get("allOf", ()):
        if problem := _problem(value, part, path):
            return problem
    for union in ("anyOf", "oneOf"):
        if union in schema:
            problems = [_problem(value, part, path) for part in schema[union]]
            if None not in problems:
                return " or ".join(filter(None, problems))
    return _type_problem(value, schema, path) or _part_problem(value, schema, path)


def _type_problem(value: Any, schema: dict[str, Any], path: str) -> str | None:
    kind = _KINDS.get(schema.get("type", ""))
    if kind is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
        return f"{path}: {value!r} is no {schema['type']}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{path}: {value!r} is none of {schema['enum']}"
    return None


def _part_problem(value: Any, schema: dict[str, Any], path: str) -> str | None:
    if isinstance(value, list) and "items" in schema:
        items = [_problem(item, schema["items"], f"{path}[{i}]") for i, item in enumerate(value)]
        return next(filter(None, items), None)
    if not isinstance(value, dict):
        return None
    missing = [name for name in _required(schema) if name not in value]
    if missing:
        return f"{path}: lacks {missing}"
    parts = schema.get("properties", {})
    given = [name for name in parts if name in value and not (value[name] is None and name not in _required(schema))]
    found = [_problem(value[name], parts[name], f"{path}.{name}") for name in given]
    return next(filter(None, found), None)


def _required(schema: dict[str, Any]) -> Sequence[str]:
    """What may neither be left out nor be null. Null elsewhere is as good as left out: the spec's examples say so."""
    required: Sequence[str] = schema.get("required", ())
    return required
