"""What messages and outputs of tools are made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import WireModel, invalid, missing
from owngpt.service.responses.unseen import NOTE

MAX_PARTS = 4096


class Part(WireModel):
    """A piece of content. Images and audio are known so that they can be refused by name."""

    type: Literal[
        "input_text",
        "output_text",
        "text",
        "refusal",
        "summary_text",
        "reasoning_text",
        "input_image",
        "input_file",
        "input_audio",
        "computer_screenshot",
    ]
    text: str | None = None
    refusal: str | None = None
    annotations: list[dict[str, Any]] | None = None
    logprobs: list[dict[str, Any]] | None = None
    prompt_cache_breakpoint: Any = None
    detail: str | None = None
    image_url: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


Parts = Annotated[list[Part], Field(max_length=MAX_PARTS, fail_fast=True)]


def _content(value: Any) -> Any:
    if isinstance(value, str | list):
        return value
    raise invalid("invalid_type", "expected a string or an array of content parts.")


def _parts(value: Any) -> Any:
    value = _content(value)
    return [Part.model_construct(type="text", text=value)] if isinstance(value, str) else value


Content = Annotated[Parts, BeforeValidator(_parts)]  # a string is one part of text


def content_json(parts: list[Part], role: str, where: str) -> list[dict[str, Any]]:
    """Parts of a message, as they are stored. Raises `InvalidRequest` for what no model here can read."""
    said = role == "assistant"
    return [_part_json(part, said, f"{where}[{i}]") for i, part in enumerate(parts)]


def note_images(parts: Any, where: str, noted: list[str]) -> Any:
    """Content of which images are replaced by a note to the model; their paths are added to `noted`."""
    if not isinstance(parts, list):
        return parts
    is_image = [isinstance(part, dict) and part.get("type") == "input_image" for part in parts]
    noted += [f"{where}[{i}]" for i, image in enumerate(is_image) if image]
    note = {"type": "input_text", "text": NOTE}
    return [note if image else part for image, part in zip(is_image, parts, strict=True)]


def output_json(parts: list[Part], where: str) -> str | list[dict[str, Any]]:
    """What a tool gave: the text that it was, or its parts."""
    if len(parts) == 1 and parts[0].type == "text":
        return parts[0].text or ""
    return content_json(parts, "tool", where)


def _part_json(part: Part, is_said: bool, where: str) -> dict[str, Any]:
    match part.type:
        case "refusal":
            return {"type": "refusal", "refusal": _given(part.refusal, f"{where}.refusal")}
        case "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text":
            text = _given(part.text, f"{where}.text")
            if not is_said:
                return {"type": "input_text", "text": text}
            kept = {"annotations": part.annotations or [], "logprobs": part.logprobs or []}
            return {"type": "output_text", "text": text, **kept}
        case "input_file" if not is_said:
            return _file_json(part, where)
        case _:
            raise InvalidRequest(
                f"Invalid value for '{where}.type': {part.type!r}. The models of this server read text only.",
                param=f"{where}.type",
                code="unsupported_value",
            )


def _file_json(part: Part, where: str) -> dict[str, Any]:
    """A file by its id, by its bytes, or as it has been read here before."""
    if part.file_url is not None:
        raise InvalidRequest(
            f"'{where}.file_url' cannot be honoured: this server fetches nothing. Send 'file_data' or upload it.",
            param=f"{where}.file_url",
            code="unsupported_parameter",
        )
    if part.file_id is None and part.file_data is None and part.text is None:
        raise missing(f"{where}.file_id")
    fields = {"filename": part.filename, "file_id": part.file_id, "file_data": part.file_data, "text": part.text}
    known = {name: value for name, value in fields.items() if value is not None}
    return {"type": "input_file", **({"filename": "document"} if "text" in known else {}), **known}


def _given(text: str | None, where: str) -> str:
    if text is None:
        raise missing(where)
    return text
