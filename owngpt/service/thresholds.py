"""From which support on an answer is given: what the request says, else the project's, else the bundled one."""

from __future__ import annotations

from anyio import to_thread

from owngpt.service.app import App, Caller
from owngpt.service.evidence import embedding
from owngpt.service.grounded import GroundingOptions
from owngpt.store.thresholds import Thresholds
from owngpt.trust.abstain import default_threshold
from owngpt.trust.language import language_of


async def threshold_for(app: App, caller: Caller, options: GroundingOptions, question: str) -> float:
    """For this question; those that are calibrated differ by language."""
    if options.threshold is not None:
        return options.threshold
    language = language_of(question)
    own = await to_thread.run_sync(Thresholds(app.database).get, caller.project_id, language)
    has_vectors = embedding(app, question) is not None
    return default_threshold(language, has_vectors=has_vectors) if own is None else own.threshold
