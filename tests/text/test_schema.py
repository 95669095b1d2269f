"""What cannot be enforced is refused by name; what is left out changes nothing."""

from typing import Any

import pytest

from owngpt.errors import InvalidRequest
from owngpt.text.schema import enforceable

PARAM = "response_format.json_schema.schema"


def refused(schema: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        enforceable(schema, PARAM)
    assert caught.value.param is not None
    assert caught.value.param.startswith(PARAM)
    return caught.value.param[len(PARAM) :]


@pytest.mark.parametrize(
    "keyword",
    [
        *("uniqueItems", "not", "if", "then", "else", "contains", "minContains", "maxContains", "propertyNames"),
        *("dependentRequired", "dependentSchemas", "dependencies", "unevaluatedProperties", "unevaluatedItems"),
        *("$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$anchor", "$vocabulary", "contentSchema"),
        *("nullable", "divisibleBy", "extends", "maximun", "x-guidance", "lenient"),
    ],
)
def test_a_keyword_that_cannot_be_enforced_is_named_with_its_path(keyword: str) -> None:
    schema = {"type": "object", "properties": {"tags": {"anyOf": [{"type": "array", keyword: True}]}}}
    assert refused(schema) == f".properties.tags.anyOf[0].{keyword}"
    assert refused({"$defs": {"a": {keyword: {}}}, "$ref": "#/$defs/a"}) == f".$defs.a.{keyword}"


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "string", "format": "ipv5"}, ".format"),
        ({"type": "integer", "format": "int32"}, ".format"),
        ({"prefixItems": [{}], "additionalItems": False}, ".additionalItems"),
        ({"type": "object", "minProperties": 3}, ".minProperties"),
        ({"type": "integer", "minimum": 2**60}, ".minimum"),
        ({"exclusiveMinimum": True}, ".exclusiveMinimum"),
        ({"const": {"a": [9007199254740993]}}, ".const"),
        ({"enum": [1e300]}, ".enum"),
        ({"maxLength": -1}, ".maxLength"),
        ({"maxLength": 10**9}, ".maxLength"),
        ({"minItems": 1.5}, ".minItems"),
        ({"minItems": True}, ".minItems"),
        ({"items": {"$ref": "http://example.com/a.json"}}, ".items.$ref"),
        ({"items": {"$ref": "other.json#/a"}}, ".items.$ref"),
        ({"items": {"$ref": "#/$defs/missing"}}, ".items.$ref"),
        ({"enum": [{"not": {}}], "items": {"$ref": "#/enum/0"}}, ".items.$ref"),
        ({"default": {"not": {}}, "items": {"$ref": "#/default"}}, ".items.$ref"),
        ({"properties": {"a": {"$id": "http://x/y"}}}, ".properties.a.$id"),
        ({"properties": [1]}, ".properties"),
        ({"properties": {"a": 3}}, ".properties.a"),
        ({"anyOf": {}}, ".anyOf"),
        ({"enum": "a"}, ".enum"),
        ({"items": 7}, ".items"),
        ([], ""),
        (None, ""),
        (False, ""),
        ({"const": float("nan")}, ".const"),
    ],
)
def test_other_refusals(schema: Any, path: str) -> None:
    assert refused(schema) == path


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


def deep_value(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        (nested(10_000), "levels deep"),
        ({"const": deep_value(10_000)}, "levels deep"),
        ({"enum": ["x" * 10_000_000]}, "characters"),
        ({"anyOf": [{"anyOf": [{}] * 200}] * 200}, "subschemas"),
        ({"anyOf": [{}] * 1000}, "alternatives"),
        ({"allOf": [{"anyOf": [{}, {}]}] * 40}, "combinations"),
        ({"properties": {f"p{i}": {} for i in range(1000)}}, "optional properties"),
        ({"patternProperties": {f"p{i}": {} for i in range(1000)}}, "patterns"),
        ({"$ref": "#"}, "without end"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "without end"),
        ({"type": "array", "items": {"$ref": "#"}, "minItems": 1}, "without end"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}}, "without end"),
    ],
)
def test_hostile_schemas(schema: Any, complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        enforceable(schema, PARAM)


def test_annotations_are_left_out() -> None:
    """`$schema` of draft 4 would make llguidance pass over `const`, so it does not get to see it."""
    schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "$id": "https://example.com/a",
        "title": "T",
        "properties": {"title": {"const": 5, "description": "d", "default": 3, "x-order": 1}},
        "$defs": {"description": {"type": "string", "deprecated": True}},
    }
    assert enforceable(schema, PARAM) == {
        "properties": {"title": {"const": 5}},
        "$defs": {"description": {"type": "string"}},
    }


def test_recursion_that_can_end_is_fine() -> None:
    tree = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}, "required": ["kids"]}
    assert enforceable(tree, PARAM) == tree
    optional = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert enforceable(optional, PARAM) == optional
    assert enforceable(True, PARAM) == {}
