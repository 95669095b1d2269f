"""From a search to an answer: what a caller may not read is neither seen by the model nor cited, whatever it says."""

from __future__ import annotations

import pytest

from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatPrompt
from owngpt.service.generate import GenerationRequest
from owngpt.service.grounding import GroundingOptions, given, ground
from owngpt.service.search import search
from owngpt.types import Citation, Message, SamplingParams
from tests.fakes.engine import engine_of, make_app
from tests.retrieval.library import Library

SECRET = "The board takes leave in August, all of it."


@pytest.mark.anyio
@pytest.mark.parametrize(("user", "may_read"), [("chair", True), ("clerk", False), (None, False)])
async def test_only_who_may_read_a_document_gets_it_cited(user: str | None, may_read: bool) -> None:
    """The model has seen the sentence before, and tries to quote it from every source."""
    app = make_app(" ".join(f'"[{number}] {SECRET}"' for number in range(1, 4)), embedder=False)
    caller, store = opened(app, user)
    found = await search(app, caller, [store], ["When does the board take leave?"])
    request = GenerationRequest(
        app.models.generative[0], ChatPrompt([Message("user", "When does the board take leave?")]), SamplingParams()
    )
    async with ground(app, caller, request, given(found.passages), GroundingOptions(abstain=False)) as generation:
        events = [event async for event in generation]
    cited = {event.file_id for event in events if isinstance(event, Citation) and event.quote == SECRET}
    prompt = engine_of(app).tokenizer.decode(engine_of(app).submissions[0].prompt)
    assert cited == ({"file-board"} if may_read else set())
    assert (SECRET in prompt) == may_read


def opened(app: App, user: str | None) -> tuple[Caller, str]:
    """A store with a document of the chair's, and who asks."""
    library = Library(app.database)
    store = app.vector_stores.add(library.project_id, "policies", "", {}, None).id
    library.put("file-leave", ["Annual leave of all who work here is 20 days."], store=store)
    library.put("file-board", [SECRET], store=store, readers=frozenset({"user:chair"}))
    caller = Caller(library.project_id, "default", "org", f"key-{user}", is_admin=False, user_id=user)
    return caller, store
