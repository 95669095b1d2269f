"""Which models are served, and under which names. No HTTP, no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from owngpt.engine.client import EmbedderClient, EngineClient
from owngpt.errors import ConfigError, InvalidRequest, ModelNotFound
from owngpt.retrieval.reading import RelevanceModel
from owngpt.service.fingerprint import Fingerprint
from owngpt.store.project_settings import ModelRule
from owngpt.trust.reading import ReadingModel
from owngpt.types import SamplingParams

if TYPE_CHECKING:
    from owngpt.text.chat import ChatRenderer
    from owngpt.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A generative model that is ready."""

    name: str
    engine: EngineClient
    tokenizer: Tokenizer
    chat: ChatRenderer
    created: int  # Unix seconds: when the checkpoint was written
    fingerprint: Fingerprint  # its short form is `system_fingerprint` on the wire
    sampling: SamplingParams = field(default_factory=SamplingParams)  # what holds where a request says nothing


class PairModel(RelevanceModel, ReadingModel, Protocol):
    """A reader, as search and answers see it. Safe to use from any thread."""


@dataclass(frozen=True, slots=True)
class ServedEmbedder:
    """An embedding model that is ready."""

    name: str
    embedder: EmbedderClient
    tokenizer: Tokenizer
    created: int
    bulk: EmbedderClient | None = None  # the same for work that nobody waits for; None: there is only one
    reader: PairModel | None = None  # what reads a question together with a passage, where the model can

    def close(self) -> None:
        """Answer what waits with an error, and stop."""
        for client in (self.embedder, self.bulk):
            if client is not None:
                client.close()


M = TypeVar("M", ServedModel, ServedEmbedder)


class Models:
    """The loaded models by name and alias. An omitted name means the only loaded model of the kind."""

    def __init__(
        self, models: Iterable[ServedModel | ServedEmbedder] = (), aliases: Mapping[str, str] | None = None
    ) -> None:
        """Raises `ConfigError` for two models of one name, and for an alias of a model that is not loaded."""
        self._models: dict[str, ServedModel | ServedEmbedder] = {}
        for model in models:
            if model.name in self._models:
                raise ConfigError(f"two models are named {model.name!r}; rename one of the folders")
            self._models[model.name] = model
        self._aliases = dict(aliases or {})
        for alias, name in self._aliases.items():
            if name not in self._models:
                loaded = ", ".join(self._models) or "none"
                raise ConfigError(f"alias {alias!r} stands for {name!r}, which is not loaded; loaded: {loaded}")

    @property
    def generative(self) -> list[ServedModel]:
        return [model for model in self._models.values() if isinstance(model, ServedModel)]

    @property
    def embedders(self) -> list[ServedEmbedder]:
        return [model for model in self._models.values() if isinstance(model, ServedEmbedder)]

    def listing(self) -> list[tuple[str, ServedModel | ServedEmbedder]]:
        """Every name on the wire with its model, aliases last."""
        return [*self._models.items(), *((alias, self._models[name]) for alias, name in self._aliases.items())]

    def get(self, name: str) -> ServedModel | ServedEmbedder:
        """The model of that name or alias; raises `ModelNotFound`."""
        model = self._models.get(self._aliases.get(name, name))
        if model is None:
            raise ModelNotFound(f"the model {name[:200]!r} does not exist; loaded: {self._loaded()}", param="model")
        return model

    def permitted(self, rule: ModelRule | None) -> Models:
        """Those that a project may use: the others do not exist for it."""
        if rule is None:
            return self
        kept = [model for name, model in self._models.items() if rule.permits(self._names(name))]
        names = {model.name for model in kept}
        return Models(kept, {alias: name for alias, name in self._aliases.items() if name in names})

    def check_permitted(self, name: str, rule: ModelRule | None) -> None:
        """Raise `ModelNotFound` unless a project with this rule may use the model of that name."""
        if rule is not None and not rule.permits(self._names(name)):
            raise ModelNotFound(
                f"the model {name[:200]!r} does not exist or this project may not use it", param="model"
            )

    def _names(self, name: str) -> set[str]:
        """All names by which the model of that name goes."""
        return {name, *(alias for alias, model in self._aliases.items() if model == name)}

    def generator(self, name: str | None) -> ServedModel:
        """The generative model to use. Raises `ModelNotFound`, and `InvalidRequest` for a model of another kind."""
        model = _only(self.generative, "generative") if name is None else self.get(name)
        if isinstance(model, ServedModel):
            return model
        raise InvalidRequest(f"{name!r} is an embedding model; send it to /v1/embeddings", param="model")

    def embedder(self, name: str | None) -> ServedEmbedder:
        """The embedding model to use; raises like `generator`."""
        model = _only(self.embedders, "embedding") if name is None else self.get(name)
        if isinstance(model, ServedEmbedder):
            return model
        raise InvalidRequest(f"{name!r} is a generative model; /v1/embeddings needs an embedding model", param="model")

    def _loaded(self) -> str:
        return ", ".join([*self._models, *self._aliases]) or "none"


def _only(models: Sequence[M], kind: str) -> M:
    if not models:
        raise ModelNotFound(f"no {kind} model is loaded", param="model")
    if len(models) > 1:
        names = ", ".join(model.name for model in models)
        raise InvalidRequest(f"several {kind} models are loaded; name one of {names}", param="model")
    return models[0]
