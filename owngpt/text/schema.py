"""JSON schemas from strangers: what can be enforced passes, anything else is refused by name before a token is made.

llguidance compiles the schema; it silently passes over keywords that it (or the draft named in `$schema`) does not
know, and a few combinations. So this module has its own list: a keyword is enforced, an annotation (and taken out), or
refused with its path. What is handed on has no annotations, hence nothing that could switch the enforcement off.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from owngpt.errors import InvalidRequest

MAX_CHARACTERS = 512 * 1024  # of a schema as JSON
MAX_DEPTH = 64  # subschemas inside each other
MAX_SUBSCHEMAS = 12_000
MAX_PROPERTIES = 5_000  # of one object
MAX_OPTIONAL = 300  # properties of one object that may be left out; each makes the parser consider all that follow
MAX_ALTERNATIVES = 300  # of one anyOf or oneOf, or of all those in one allOf, multiplied
MAX_PATTERNS = 32  # patternProperties of one object
MAX_MEETING = 8  # patterns and formats that one string must satisfy; the work grows exponentially with them
MAX_MULTIPLES = 100_000  # sum of all multipleOf, without their decimal points: states of the automata
MAX_COUNT = 1_000_000  # of minItems, maxLength and their like
MAX_NUMBER = 2**53  # beyond, numbers are not exact

_ONE = frozenset({"items", "additionalItems", "additionalProperties"})
_MANY = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_MEETING = ("allOf", "anyOf", "oneOf")
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_COUNTS = frozenset({"minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"})
_NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_ENFORCED = (
    _ONE | _MANY | _NAMED | _COUNTS | _NUMBERS | {"type", "const", "enum", "required", "pattern", "format", "$ref"}
)
_ANNOTATIONS = frozenset(
    {
        *("title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "$comment"),
        *("$schema", "contentMediaType", "contentEncoding", "externalDocs", "xml", "discriminator"),
    }
)
_FORMATS = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"),
)

# What llguidance's formats let through and validators do not: leap seconds, and names that are too long (RFC 5321)
_TIGHTER = {
    "time": r"^..:..:[0-5]",
    "date-time": r"^.{11}..:..:[0-5]",
    "email": r"^[^@]{1,64}@[^.]{1,63}(\.[^.]{1,63})*$",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A subschema and where it stands: on the wire (`path`) and as a JSON pointer from the root (`pointer`)."""

    schema: Any
    path: str
    pointer: str
    depth: int


def enforceable(schema: object, param: str) -> dict[str, Any]:
    """The schema without annotations, when every keyword in it can be enforced.

    `param` is the schema's wire path. Raises `InvalidRequest` that names the keyword and its path.
    """
    places = list(_walk(schema, param))
    refs = {place.pointer: place for place in places}
    for place in places:
        if isinstance(place.schema, Mapping):
            _check_subschema(place, refs)
    _check_endless(places, refs)
    _check_multiples(places)
    cleaned = _rebuild(schema, _clean)
    try:
        text = json.dumps(cleaned, allow_nan=False)
    except ValueError as error:
        raise InvalidRequest(f"the schema holds a number that JSON does not have: {error}", param=param) from error
    if len(text) > MAX_CHARACTERS:
        raise InvalidRequest(f"the schema has {len(text)} characters; at most {MAX_CHARACTERS}", param=param)
    return cleaned if isinstance(cleaned, dict) else _boolean(cleaned, param)


def subschemas(place: Place) -> Iterator[Place]:
    """The schemas directly inside one, in order."""
    if not isinstance(place.schema, Mapping):
        return
    for keyword, value in place.schema.items():
        at, pointer = f"{place.path}.{keyword}", f"{place.pointer}/{keyword}"
        if keyword in _NAMED and isinstance(value, Mapping):
            for name, child in value.items():
                yield Place(child, f"{at}.{name}", f"{pointer}/{name}", place.depth + 1)
        elif keyword in _ONE and not isinstance(value, list):
            yield Place(value, at, pointer, place.depth + 1)
        elif keyword in _MANY or keyword in _ONE:
            for index, child in enumerate(value if isinstance(value, list) else []):
                yield Place(child, f"{at}[{index}]", f"{pointer}/{index}", place.depth + 1)


def _walk(schema: object, param: str) -> Iterator[Place]:
    """The schema and all inside it; refuses what is too deep or too large before it costs anything."""
    stack, seen = [Place(schema, param, "#", 0)], 0
    while stack:
        place = stack.pop()
        seen += 1
        if place.depth > MAX_DEPTH:
            raise InvalidRequest(f"the schema is nested more than {MAX_DEPTH} levels deep", param=param)
        if seen + len(stack) > MAX_SUBSCHEMAS:
            raise InvalidRequest(f"the schema has more than {MAX_SUBSCHEMAS} subschemas", param=param)
        if not isinstance(place.schema, Mapping | bool):
            raise InvalidRequest(f"{place.path} is not a schema: expected an object", param=place.path)
        yield place
        stack.extend(subschemas(place))


def _check_subschema(place: Place, refs: Mapping[str, Place]) -> None:
    schema, path = place.schema, place.path
    for keyword, value in schema.items():
        at = f"{path}.{keyword}"
        if keyword in _ENFORCED:
            _check_value(keyword, value, at)
        elif not (keyword in _ANNOTATIONS or _is_harmless(keyword, place)):
            raise _refusal(keyword, at)
    _check_sizes(schema, path)
    if "$ref" in schema and schema["$ref"] not in refs:
        raise InvalidRequest(f"{path}.$ref does not point at a schema inside this one", param=f"{path}.$ref")
    if ("allOf" in schema or "$ref" in schema) and _num_meeting(schema, refs) > MAX_MEETING:
        message = f"more than {MAX_MEETING} patterns meet at {path}; they cannot be enforced together"
        raise InvalidRequest(message, param=path)
    if "additionalItems" in schema and "prefixItems" in schema:
        raise _refusal("additionalItems", f"{path}.additionalItems", "together with prefixItems")
    required = schema.get("required") or []
    if isinstance(schema.get("minProperties"), int) and schema["minProperties"] > max(1, len(required)):
        raise _refusal("minProperties", f"{path}.minProperties", "above 1 and the number of required properties")
    types = schema.get("type")
    if "format" in schema and types is not None and "string" not in (types if isinstance(types, list) else [types]):
        raise _refusal("format", f"{path}.format", "on what is not a string")


def _check_sizes(schema: Mapping[str, Any], path: str) -> None:
    """Sizes that llguidance would take long for, or give up on in the middle of an answer."""
    properties = schema.get("properties") or {}
    optional = len(properties.keys() - {name for name in schema.get("required") or [] if isinstance(name, str)})
    alternatives = [len(schema.get(keyword) or []) for keyword in ("anyOf", "oneOf")]
    members = [member for member in schema.get("allOf") or [] if isinstance(member, Mapping)]
    inside = [len(m[keyword]) for m in members for keyword in ("anyOf", "oneOf") if isinstance(m.get(keyword), list)]
    for keyword, size, limit, what in (
        ("properties", len(properties), MAX_PROPERTIES, "properties"),
        ("properties", optional, MAX_OPTIONAL, "optional properties"),
        ("patternProperties", len(schema.get("patternProperties") or {}), MAX_PATTERNS, "patterns"),
        ("anyOf" if alternatives[0] else "oneOf", max(alternatives), MAX_ALTERNATIVES, "alternatives"),
        ("allOf", math.prod(max(size, 1) for size in inside), MAX_ALTERNATIVES, "combinations of alternatives"),
    ):
        if size > limit:
            at = f"{path}.{keyword}"
            raise InvalidRequest(f"{at} has {_short(size)} {what}; at most {limit} can be enforced", param=at)


def _check_multiples(places: list[Place]) -> None:
    """Division by n is an automaton of n states."""
    total = 0
    for place in places:
        if isinstance(place.schema, Mapping) and "multipleOf" in place.schema:
            divisor = Decimal(str(place.schema["multipleOf"])).normalize()
            decimals = max(0, -int(divisor.as_tuple().exponent))
            total += abs(int(divisor.scaleb(decimals)))
            if total > MAX_MULTIPLES:
                at = f"{place.path}.multipleOf"
                message = f"{at}: all multipleOf together are over {MAX_MULTIPLES}, too much to be enforced"
                raise InvalidRequest(message, param=at)


def _num_meeting(schema: Mapping[str, Any], refs: Mapping[str, Place]) -> int:
    """How many patterns and formats may have to hold for one string; counted until there are too many."""
    stack, seen, count = [schema], {id(schema)}, 0
    while stack and count <= MAX_MEETING:
        item = stack.pop()
        count += ("pattern" in item) + ("format" in item)
        lists = [item[keyword] for keyword in _MEETING if isinstance(item.get(keyword), list)]
        inside = [member for members in lists for member in members]
        if isinstance(item.get("$ref"), str) and item["$ref"] in refs:
            inside.append(refs[item["$ref"]].schema)
        new = [part for part in inside if isinstance(part, Mapping) and id(part) not in seen]
        seen.update(map(id, new))
        stack += new
    return count


def _is_harmless(keyword: str, place: Place) -> bool:
    """Vendors' annotations, and a name for the whole."""
    if keyword in ("$id", "id"):
        return place.depth == 0
    return keyword.startswith("x-") and keyword != "x-guidance"


def _check_value(keyword: str, value: Any, at: str) -> None:
    if keyword in _COUNTS and not (_is_integer(value) and 0 <= value <= MAX_COUNT):
        raise InvalidRequest(f"{at} is {_short(value)}; expected an integer from 0 to {MAX_COUNT}", param=at)
    if keyword in _NUMBERS and not (_is_number(value) and abs(value) <= MAX_NUMBER):
        raise InvalidRequest(f"{at} is {_short(value)}; expected a number within ±2**53", param=at)
    if keyword == "format" and (not isinstance(value, str) or value not in _FORMATS):
        known = ", ".join(sorted(_FORMATS))
        raise InvalidRequest(f"{at}: format {_short(value)} cannot be enforced; known: {known}", param=at)
    if keyword in _NAMED and not isinstance(value, Mapping):
        raise InvalidRequest(f"{at} must be an object", param=at)
    if keyword in _MANY | {"enum", "required"} and not isinstance(value, list):
        raise InvalidRequest(f"{at} must be an array", param=at)
    if keyword in ("const", "enum"):
        _check_instance(value, at)


def _check_instance(value: Any, at: str) -> None:
    """A literal value: only numbers that are exact, and not too deep."""
    stack = [(value, 0)]
    while stack:
        item, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise InvalidRequest(f"{at} is nested more than {MAX_DEPTH} levels deep", param=at)
        if _is_number(item) and not abs(item) <= MAX_NUMBER:
            raise InvalidRequest(f"{at} holds {_short(item)}; numbers beyond ±2**53 are not exact", param=at)
        inside = item.values() if isinstance(item, Mapping) else item if isinstance(item, list) else ()
        stack.extend((child, depth + 1) for child in inside)


def _check_endless(places: list[Place], refs: Mapping[str, Place]) -> None:
    """Refuse a schema that has to contain itself: no finite text satisfies it. A depth-first search for a cycle."""
    finished: set[str] = set()
    for start in places:
        path: dict[str, Iterator[str]] = {}
        step: str | None = start.pointer
        while step is not None:
            if step in path:
                raise InvalidRequest(f"{refs[step].path} has to contain itself without end", param=refs[step].path)
            if step not in finished:
                path[step] = _must_contain(refs[step], refs)
            step = _next_step(path, finished)


def _next_step(path: dict[str, Iterator[str]], finished: set[str]) -> str | None:
    while path:
        pointer, rest = next(reversed(path.items()))
        following = next(rest, None)
        if following is not None:
            return following
        finished.add(pointer)
        path.popitem()
    return None


def _must_contain(place: Place, refs: Mapping[str, Place]) -> Iterator[str]:
    """Pointers of the schemas that any value of this one needs a value of."""
    schema = place.schema
    if not isinstance(schema, Mapping):
        return
    if "$ref" in schema:
        yield schema["$ref"]
    yield from (f"{place.pointer}/allOf/{i}" for i in range(len(schema.get("allOf", []))))
    if schema.get("type") == "object":
        for name in schema.get("required", []):
            if f"{place.pointer}/properties/{name}" in refs:
                yield f"{place.pointer}/properties/{name}"
    is_filled = schema.get("type") == "array" and schema.get("minItems", 0) > len(schema.get("prefixItems", []))
    if is_filled and isinstance(schema.get("items"), Mapping):
        yield f"{place.pointer}/items"
    for keyword in ("anyOf", "oneOf"):
        if len(schema.get(keyword, [])) == 1:
            yield f"{place.pointer}/{keyword}/0"


def moved(schema: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The schema with its references rewritten for a new place (a pointer such as `#/properties/a`) in a larger one."""
    rebuilt: dict[str, Any] = _rebuild(schema, lambda s: {k: place + v[1:] if k == "$ref" else v for k, v in s.items()})
    return rebuilt


def _rebuild(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """The schema with `change` made to every subschema, innermost first."""
    if not isinstance(schema, Mapping):
        return schema
    rebuilt: dict[str, Any] = dict(schema)
    for keyword, value in schema.items():
        if keyword in _NAMED:
            rebuilt[keyword] = {name: _rebuild(child, change) for name, child in value.items()}
        elif keyword in _ONE | _MANY:
            is_list = isinstance(value, list)
            rebuilt[keyword] = [_rebuild(child, change) for child in value] if is_list else _rebuild(value, change)
    return change(rebuilt)


def _clean(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema, annotations left out."""
    cleaned = {keyword: value for keyword, value in schema.items() if keyword in _ENFORCED}
    if tighter := _TIGHTER.get(cleaned.get("format", "")):
        cleaned["allOf"] = [*cleaned.get("allOf", []), {"pattern": tighter}]
    return cleaned


def _boolean(schema: object, param: str) -> dict[str, Any]:
    if schema is True:
        return {}
    raise InvalidRequest(f"{param} is false: no value satisfies it", param=param)


def _refusal(keyword: str, at: str, when: str = "") -> InvalidRequest:
    message = f"schema keyword {keyword!r} cannot be enforced{' ' + when if when else ''} (at {at}); leave it out"
    return InvalidRequest(message, param=at)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**20 else "a very large number"
    return text if len(text) <= 40 else f"{text[:40]}..."
