"""What all wire shapes share: strict types, unknown fields noticed, and pydantic's errors said in OpenAI's words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError, from_json

from owngpt.errors import InvalidRequest


class WireModel(BaseModel):
    """A JSON object of a request. Types are not coerced; unknown fields are kept, to be named in a header."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False, protected_namespaces=())


MAX_FIELDS = 4096  # of one object whose keys the caller chooses
M = TypeVar("M", bound=WireModel)
T = TypeVar("T")


def parse(shape: type[M], body: bytes) -> M:
    """Body -> request. Raises `InvalidRequest` in OpenAI's words: what, where, the value, what is expected."""
    document = load(body)
    if not isinstance(document, dict):
        raise InvalidRequest(f"The body must be a JSON object, but is {_kind(document)}")
    if len(document) > MAX_FIELDS:
        raise InvalidRequest(f"The body has {len(document)} fields; this server takes at most {MAX_FIELDS}")
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        raise translate(error.errors(include_url=False)[0]) from None


def load(body: bytes) -> Any:
    """Body -> JSON values. Raises `InvalidRequest`, which quotes nothing of the body."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest(f"We could not parse the JSON body of your request: {error}") from None


def dump(document: Any) -> bytes:
    """JSON values -> a body that `load` reads as the same values."""
    return json.dumps(document).encode()


def unknown_fields(request: WireModel) -> list[str]:
    """Paths of the fields that no shape knows, such as `client_metadata` and `messages[0].cache_control`."""
    return list(islice(_unknown(request, ""), MAX_FIELDS))


def _unknown(model: WireModel, prefix: str) -> Iterator[str]:
    for name in model.model_extra or ():
        yield prefix + name
    for name in model.model_fields_set:
        value = getattr(model, name, None)
        if isinstance(value, WireModel):
            yield from _unknown(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            for i, item in enumerate(value):
                if not isinstance(item, WireModel):
                    break
                yield from _unknown(item, f"{prefix}{name}[{i}].")


def header_value(names: Sequence[str], limit: int = 32) -> str:
    """Names as one safe header: ASCII, bounded in number and length."""
    shown = [re.sub(r"[^A-Za-z0-9_.\[\]-]", "?", name[:64]) for name in names[:limit]]
    return ", ".join([*shown, f"and {len(names) - limit} more"] if len(names) > limit else shown)


def _few(value: Any) -> Any:
    """Before the entries are looked at: an error for each of a million would take minutes to write."""
    if isinstance(value, dict) and len(value) > MAX_FIELDS:
        raise invalid("invalid_value", f"{len(value)} entries; this server takes at most {MAX_FIELDS}.")
    return value


Few = BeforeValidator(_few)


def path(location: Sequence[int | str]) -> str:
    """`("messages", 0, "role")` -> `messages[0].role`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")[:200]


def invalid(code: str, message: str) -> PydanticCustomError:
    """An error that a validator raises; the path is filled in by `translate`."""
    return PydanticCustomError(code, "{message}", {"message": message})


def missing(param: str) -> InvalidRequest:
    """A field that another one makes necessary."""
    return InvalidRequest(f"Missing required parameter: {param!r}.", param=param, code="missing_required_parameter")


def required(value: T | None, param: str) -> T:
    """The value; raises `InvalidRequest` if it is missing."""
    if value is None:
        raise missing(param)
    return value


def shown(value: Any, limit: int = 60) -> str:
    """A value in a message: short, on one line."""
    text = repr(value) if not isinstance(value, (dict, list)) else _kind(value)
    return text if len(text) <= limit else text[:limit] + "..."


def translate(error: ErrorDetails) -> InvalidRequest:
    """One pydantic error -> OpenAI's message, param and code."""
    param = path(error["loc"])
    say, code = _WORDS.get(error["type"], (_custom, None))
    message = say(param, error["input"], error.get("ctx", {}))
    return InvalidRequest(message or f"Invalid {param!r}: {error['msg']}", param=param, code=code or error["type"])


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case list():
            return "an array" if value else "an empty array"
        case _:
            return "an object"


_Say = Callable[[str, Any, dict[str, Any]], str]


def _wrong_type(expected: str) -> tuple[_Say, str]:
    def say(param: str, value: Any, ctx: dict[str, Any]) -> str:
        return f"Invalid type for {param!r}: expected {expected}, but got {_kind(value)} instead."

    return say, "invalid_type"


def _bound(words: str, sign: str, key: str, code: str) -> tuple[_Say, str]:
    def say(param: str, value: Any, ctx: dict[str, Any]) -> str:
        return f"Invalid {param!r}: {words}. Expected a value {sign} {ctx[key]}, but got {shown(value)} instead."

    return say, code


def _length(words: str, key: str, code: str) -> tuple[_Say, str]:
    def say(param: str, value: Any, ctx: dict[str, Any]) -> str:
        return f"Invalid {param!r}: {words} {ctx[key]}, but got length {len(value)} instead."

    return say, code


def _missing(param: str, value: Any, ctx: dict[str, Any]) -> str:
    return missing(param).message


def _literal(param: str, value: Any, ctx: dict[str, Any]) -> str:
    return f"Invalid value for {param!r}: {shown(value)}. Supported values are: {ctx['expected']}."


def _pattern(param: str, value: Any, ctx: dict[str, Any]) -> str:
    return f"Invalid {param!r}: {shown(value)} does not match the pattern {ctx['pattern']}."


def _custom(param: str, value: Any, ctx: dict[str, Any]) -> str:
    return f"Invalid {param!r}: {ctx['message']}" if "message" in ctx else ""


_WORDS: dict[str, tuple[_Say, str]] = {
    "missing": (_missing, "missing_required_parameter"),
    "string_pattern_mismatch": (_pattern, "invalid_value"),
    "literal_error": (_literal, "invalid_value"),
    "string_type": _wrong_type("a string"),
    "int_type": _wrong_type("an integer"),
    "int_from_float": _wrong_type("an integer"),
    "float_type": _wrong_type("a decimal"),
    "bool_type": _wrong_type("a boolean"),
    "list_type": _wrong_type("an array"),
    "dict_type": _wrong_type("an object"),
    "model_type": _wrong_type("an object"),
    "model_attributes_type": _wrong_type("an object"),
    "greater_than": _bound("value too low", ">", "gt", "decimal_below_min_value"),
    "greater_than_equal": _bound("value below minimum", ">=", "ge", "decimal_below_min_value"),
    "less_than": _bound("value too high", "<", "lt", "decimal_above_max_value"),
    "less_than_equal": _bound("value above maximum", "<=", "le", "decimal_above_max_value"),
    "too_short": _length("array too short. Expected a minimum length of", "min_length", "array_below_min_length"),
    "too_long": _length("array too long. Expected a maximum length of", "max_length", "array_above_max_length"),
    "string_too_short": _length(
        "string too short. Expected a minimum length of", "min_length", "string_below_min_length"
    ),
    "string_too_long": _length(
        "string too long. Expected a maximum length of", "max_length", "string_above_max_length"
    ),
}
