"""instructor: pydantic models by tools and by JSON schema, from a random model that its grammar holds to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import pytest

pytest.importorskip("instructor")

import instructor
from openai import OpenAI
from pydantic import BaseModel, Field

from tests.clients.serving import Running


class Review(BaseModel):
    """What a user might extract."""

    stars: Annotated[int, Field(ge=1, le=5)]
    mood: Literal["good", "bad"]
    words: Annotated[list[Annotated[str, Field(max_length=6)]], Field(max_length=3)]


@pytest.fixture
def client(tiny: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=tiny.url, api_key=tiny.key, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA])
def test_extracts_at_the_first_attempt(client: OpenAI, mode: instructor.Mode) -> None:
    review = instructor.from_openai(client, mode=mode).chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "Lovely."}],
        response_model=Review,
        max_retries=1,
        seed=1,
        reasoning_effort="none",
    )
    assert isinstance(review, Review)
