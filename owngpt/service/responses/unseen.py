"""Images that were sent to models that read text only: what the model is told, and what its reader is.

An answer that says nothing of it would pass for one from the picture. So where the newest message has one, the answer
begins with a message of the server's own; an answer that has to be JSON has its warning only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from owngpt.service.responses.items import Item, is_user_message, text_of
from owngpt.trust.language import is_japanese

NOTE = "[An image was sent here. You read text only and cannot see it.]"  # to the model, in the place of the image
_PREFACE = "No image was seen: this model reads text only. What follows rests on the text alone.\n\n"
_PREFACE_JA = "画像は見ていません。このモデルは文字だけを読みます。以下は文字だけによる答えです。\n\n"


def warnings(paths: Iterable[str]) -> list[dict[str, Any]]:
    """One for each image, by its wire path."""
    told = "The model reads text only; it was told that there was an image, and has not seen it."
    return [{"type": "image_not_seen", "param": path, "message": told} for path in paths]


def preface(items: Sequence[Item]) -> str:
    """What is said before the model speaks, in the language of the question; empty where no image is new. In a
    conversation that a client sends whole, those before the last answer are not.
    """
    for item in reversed(items):
        if not is_user_message(item):
            return ""
        if any(part.get("text") == NOTE for part in item["content"]):
            return _PREFACE_JA if is_japanese(text_of(item["content"]).replace(NOTE, "")) else _PREFACE
    return ""
