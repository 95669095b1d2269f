"""Where the embedding model comes with a reader, that looks at the best passages again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest

from owngpt.service.app import App, Caller
from owngpt.service.models import Models
from owngpt.service.search import search
from tests.fakes.engine import make_app
from tests.retrieval.library import Library

pytestmark = pytest.mark.anyio


class Spot(NamedTuple):
    text: int
    start: int
    end: int
    logit: float


class LikesShips:
    """A reader to which only passages with ships are relevant."""

    def relevance(self, question: str, texts: Sequence[str]) -> list[float]:
        return [float("ships" in text) for text in texts]

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [0.0 for _ in pairs]

    def answer(self, question: str, texts: Sequence[str]) -> Spot | None:
        return None


async def first(app: App, *, ranker: str = "auto") -> str:
    library = Library(app.database)
    store = app.vector_stores.add(library.project_id, "port", "", {}, None).id
    library.put("file-port", ["The port, the port.", "ships of the port and much else that is there"], store=store)
    caller = Caller(library.project_id, "default", "org_1", "key_1", is_admin=False)
    result = await search(app, caller, [store], ["port"], ranker=ranker)
    return result.passages[0].text


def app_with_reader() -> App:
    app = make_app()
    (embedder,) = app.models.embedders
    app.loaded = Models([*app.models.generative, replace(embedder, reader=LikesShips())])
    return app


async def test_the_reader_looks_again() -> None:
    assert (await first(make_app())).startswith("The port")
    assert (await first(app_with_reader())).startswith("ships")


async def test_a_search_may_do_without() -> None:
    assert (await first(app_with_reader(), ranker="none")).startswith("The port")
