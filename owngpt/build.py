"""Settings -> App: opens the database, loads the models, starts the engines. The one place that knows every part."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from owngpt import __version__
from owngpt.config import EngineConfig, Settings
from owngpt.engine.kv_store import KVStore
from owngpt.errors import ConfigError
from owngpt.model.digests import Digests
from owngpt.server.metrics import PrometheusMetrics
from owngpt.server.tracing import OpenTelemetryTracer
from owngpt.service.app import App
from owngpt.service.fingerprint import Fingerprint, digest_of
from owngpt.service.limits import Limits
from owngpt.service.models import Models, ServedEmbedder, ServedModel
from owngpt.service.responses.seal import FILE as CONTENT_KEY
from owngpt.service.responses.seal import content_key
from owngpt.service.telemetry import NoTracer
from owngpt.store.db import Database
from owngpt.store.fingerprints import check_shared_secret
from owngpt.store.keys import Keys
from owngpt.store.opening import open_database, shown_database
from owngpt.text.chat import ChatRenderer
from owngpt.text.generation_config import recommended_sampling
from owngpt.text.tokenizer import Tokenizer

logger = logging.getLogger(__name__)
BULK_NICENESS = 10  # of the thread that embeds documents
Progress = Callable[[str, int, int], None]  # name of the model, bytes done, bytes in all


class Source(NamedTuple):
    """A model to load: where it lies, and what it is called."""

    name: str
    folder: Path
    other_name: str | None = None  # ORG/NAME, which works as well


class Opened(NamedTuple):
    """An App whose models are not loaded yet; `new_key` is the first admin key if it was made just now."""

    app: App
    new_key: str | None


def open_app(settings: Settings) -> Opened:
    """What is quick: the database, the first key, the metrics. Raises `SetupError`s."""
    tracer = OpenTelemetryTracer(settings.otel_endpoint) if settings.otel_endpoint else NoTracer()
    database = _database(settings)
    keys, metrics = Keys(database), PrometheusMetrics()
    app = App(settings, database, keys, _limits(settings, metrics), metrics=metrics, tracer=tracer)
    metrics.watch_usage(app.meter)
    return Opened(app, keys.ensure_admin(settings.api_key))


def _database(settings: Settings) -> Database:
    """The database; where several servers may share it, they have the same key for what they seal."""
    database = open_database(settings.data_dir, settings.database)
    if settings.database is not None:
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            key, where = content_key(settings.data_dir), shown_database(settings.database)
            check_shared_secret(database, settings.data_dir / CONTENT_KEY, key, where)
        except BaseException:
            database.close()
            raise
    return database


def load(app: App, progress: Progress | None = None) -> None:
    """What takes long, for any thread: fetch, load and start the models; from then on the App is ready."""
    models = load_models(app.settings, progress)
    if isinstance(app.metrics, PrometheusMetrics):
        app.metrics.watch(models)
    app.loaded = models
    gc.collect()
    gc.freeze()  # what is loaded stays: later collections need not walk it, which would stop all streams for a while


def load_models(settings: Settings, progress: Progress | None = None) -> Models:
    """All models of the settings. Raises `SetupError`s; then none is left running."""
    with ExitStack() as undo, _kv_store(settings) as store:
        loaded: list[ServedModel | ServedEmbedder] = []
        aliases = dict(settings.aliases)
        for source in _sources(settings, progress):
            model = load_model(source, settings, progress, store)
            undo.callback(model.engine.close if isinstance(model, ServedModel) else model.close)
            loaded.append(model)
            if source.other_name is not None:
                aliases.setdefault(source.other_name, source.name)
        models = Models(loaded, aliases)
        undo.pop_all()
    return models


def load_generator(settings: Settings, name: str | None, progress: Progress | None = None) -> ServedModel:
    """One generative model alone: that of this name among those of the settings, or (None) the first.

    Raises `SetupError`s, and `RequestError`s for a model that is not generative.
    """
    from owngpt.model.bundled import garlic_folder

    named = {_name(text): text for text in settings.models or (str(garlic_folder()),)}
    if name is not None and name not in named:
        raise ConfigError(f"the model {name!r} is not among those of the settings: {', '.join(named)}")
    chosen = next(iter(named.values())) if name is None else named[name]
    alone = replace(settings, models=(chosen,), aliases={}, engine=replace(settings.engine, kv_cache_dir=None))
    return load_models(alone, progress).generator(None)


def load_model(
    source: Source, settings: Settings, progress: Progress | None, store: KVStore | None = None
) -> ServedModel | ServedEmbedder:
    """A decoder with its engine or an encoder with its thread, as config.json says."""
    from owngpt.model.encoder import is_encoder  # here: `owngpt keys` and the like need no torch

    tokenizer = Tokenizer.load(source.folder)
    created = int((source.folder / "config.json").stat().st_mtime)
    if is_encoder(source.folder):
        return _embedder(source, tokenizer, created)
    return _generator(source, tokenizer, created, settings, progress, store)


def _generator(
    source: Source,
    tokenizer: Tokenizer,
    created: int,
    settings: Settings,
    progress: Progress | None,
    store: KVStore | None,
) -> ServedModel:
    from owngpt.engine.core import ThreadEngine
    from owngpt.engine.device import check_device
    from owngpt.engine.precision import dtype_here
    from owngpt.model.load import load_decoder
    from owngpt.model.sources import weights_digest

    chat, sampling = ChatRenderer.load(source.folder, tokenizer), recommended_sampling(source.folder)
    report = partial(progress, source.name) if progress else None
    digests, background = Digests(settings.data_dir / "digests.json"), ThreadPoolExecutor(1)
    digest = background.submit(weights_digest, source.folder, digests)
    background.shutdown(wait=False)
    device = settings.engine.device
    check_device(device, settings.engine.dtype)
    dtype, reason = dtype_here(source.folder, settings.engine.dtype, device)
    logger.info("%s: weights are %s, %s", source.name, dtype, reason)
    cache_dir = settings.data_dir / "cache" / "weights"
    weights = load_decoder(
        source.folder, dtype, device=device, cache_dir=cache_dir, content=digest.result, progress=report
    )
    files = SourceDigests(digest.result(), *digests.of([source.folder / "tokenizer.json"]))
    engine = ThreadEngine(
        weights,
        tokenizer,
        engine_config(settings, device),
        keep=chat.family.keep,
        store=store,
        identity=f"owngpt {__version__} {files.weights} {dtype} {settings.engine.draft_model}",
        draft=_draft(source, tokenizer, settings, device, progress),
    )
    identity = fingerprint(files, tokenizer, chat, dtype, engine.numerics)
    return ServedModel(source.name, engine, tokenizer, chat, created, identity, sampling)


def _draft(source: Source, tokenizer: Tokenizer, settings: Settings, device: str, progress: Progress | None) -> Any:
    """The decoder that guesses for the one of `source`, or None. Raises `ConfigError` if its tokens are others."""
    from owngpt.engine.checkpoint import locate
    from owngpt.engine.precision import dtype_here
    from owngpt.model.config import ModelConfig
    from owngpt.model.load import load_decoder
    from owngpt.model.sources import weights_digest

    name = settings.engine.draft_model
    if name is None or settings.engine.speculation == "off":
        return None
    report = partial(progress, name) if progress else None
    folder = locate(name, settings.data_dir, report)
    if not Tokenizer.load(folder).has_tokens_of(tokenizer):
        raise ConfigError(f"draft_model {name} has other tokens than {source.name}; take a smaller one of its family")
    needed, found = (ModelConfig.from_folder(place).vocab_size for place in (source.folder, folder))
    if found < min(needed, tokenizer.vocab_size):
        raise ConfigError(f"draft_model {name} has embeddings for {found} tokens only, not for all of {source.name}")
    dtype, _ = dtype_here(folder, settings.engine.dtype, device)
    content = partial(weights_digest, folder, Digests(settings.data_dir / "digests.json"))
    cache_dir = settings.data_dir / "cache" / "weights"
    return load_decoder(folder, dtype, device=device, cache_dir=cache_dir, content=content, progress=report)


def engine_config(settings: Settings, device: str = "cpu") -> EngineConfig:
    """What one engine on `device` gets. Where no `kv_memory` is given, several models divide the share between them."""
    from owngpt.engine.memory import default_kv_memory

    if settings.engine.kv_memory is not None or len(settings.models) < 2:
        return settings.engine
    return replace(settings.engine, kv_memory=default_kv_memory(len(settings.models), device=device))


@contextmanager
def _kv_store(settings: Settings) -> Iterator[KVStore | None]:
    """Where prefixes are kept on disk, if they are; the engines that were made with it keep it open."""
    if settings.engine.kv_cache_dir is None:
        yield None
        return
    with closing(KVStore(settings.engine.kv_cache_dir, settings.engine.kv_cache_size).retain()) as store:
        yield store


def _embedder(source: Source, tokenizer: Tokenizer, created: int) -> ServedEmbedder:
    import torch

    from owngpt.engine.embedder import ThreadEmbedder
    from owngpt.engine.precision import has_fast_bf16
    from owngpt.engine.reading import PairReader
    from owngpt.model.encoder import Encoder
    from owngpt.model.reader import is_reader

    encoder = Encoder.load(source.folder)
    rough = Encoder.load(source.folder).to(torch.bfloat16) if has_fast_bf16() else encoder
    bulk = ThreadEmbedder(rough, niceness=BULK_NICENESS)
    reader = PairReader.load(source.folder) if is_reader(source.folder) else None
    return ServedEmbedder(source.name, ThreadEmbedder(encoder), tokenizer, created, bulk, reader)


def _sources(settings: Settings, progress: Progress | None) -> Iterator[Source]:
    """The named models, or the bundled ones."""
    from owngpt.engine.checkpoint import is_local, locate
    from owngpt.model.bundled import garlic_folder, minilm_folder

    if not settings.models:
        yield Source("garlic", garlic_folder())
        yield Source("all-MiniLM-L6-v2", minilm_folder())
    for text in settings.models:
        folder = locate(text, settings.data_dir, partial(progress, text) if progress else None)
        yield Source(_name(text), folder, None if is_local(text) else text.partition("@")[0])


def _name(text: str) -> str:
    """What the model of a folder, of a GGUF file, or of ORG/NAME@REVISION is called."""
    path = Path(text).expanduser()
    if path.is_dir():
        return path.absolute().name
    return path.stem if path.suffix == ".gguf" else text.partition("@")[0].rpartition("/")[2]


class SourceDigests(NamedTuple):
    """SHA-256 of what the files of a model hold."""

    weights: str  # config.json and weight files
    tokenizer: str  # tokenizer.json


def fingerprint(
    files: SourceDigests, tokenizer: Tokenizer, chat: ChatRenderer, dtype: str, numerics: str
) -> Fingerprint:
    """What answers of a model depend on; `numerics` are its engine's."""
    ids = [tokenizer.bos_token_id, *tokenizer.eos_token_ids, *sorted(tokenizer.special_ids)]
    libraries = [f"{name} {version(name)}" for name in ("torch", "tokenizers", "llguidance")]
    return Fingerprint(
        weights=files.weights,
        dtype=dtype,
        tokenizer=digest_of([files.tokenizer, ids]),
        template=chat.digest,
        numerics=numerics,
        software=", ".join([f"owngpt {__version__}", *libraries]),
    )


def _limits(settings: Settings, metrics: PrometheusMetrics) -> Limits:
    """As much room as each engine has."""
    return Limits(settings.engine.capacity, metrics, settings.engine.reserve)
