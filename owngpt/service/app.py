"""App: the collaborators that a request needs. No HTTP types here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial

from owngpt.config import Settings
from owngpt.errors import ServiceUnavailable
from owngpt.retrieval.index import ChunkIndex
from owngpt.retrieval.search import Searcher
from owngpt.service.accounts import Accounts
from owngpt.service.background import Background, Repeated
from owngpt.service.budgets import Budgets
from owngpt.service.caller import Caller as Caller
from owngpt.service.files import HOUR, prune
from owngpt.service.ingest import Ingest
from owngpt.service.limits import Limits
from owngpt.service.metering import Meter
from owngpt.service.models import Models
from owngpt.service.privacy import Privacy
from owngpt.service.rate_limits import RateLimits
from owngpt.service.recording import ReceiptWriter
from owngpt.service.responses.mcp.access import Access
from owngpt.service.telemetry import Metrics, NoMetrics, NoTracer, Tracer
from owngpt.service.workers import Workers
from owngpt.store.batches import Batches
from owngpt.store.blobs import Blobs
from owngpt.store.db import Database
from owngpt.store.documents import Documents
from owngpt.store.file_batches import FileBatches
from owngpt.store.files import Files
from owngpt.store.keys import Keys
from owngpt.store.rate_limits import ProjectRateLimits
from owngpt.store.receipts import Receipts
from owngpt.store.uploads import Uploads
from owngpt.store.vector_store_files import VectorStoreFiles
from owngpt.store.vector_stores import VectorStores


@dataclass(slots=True)
class App:
    """Everything that outlives a request. `loaded` stays None while the models load."""

    settings: Settings
    database: Database
    keys: Keys
    limits: Limits
    loaded: Models | None = None
    metrics: Metrics = field(default_factory=NoMetrics)
    tracer: Tracer = field(default_factory=NoTracer)
    workers: Workers = field(default_factory=Workers)
    receipts: ReceiptWriter = field(init=False)
    files: Files = field(init=False)
    uploads: Uploads = field(init=False)
    batches: Batches = field(init=False)
    background: list[Background] = field(init=False)
    meter: Meter = field(init=False)
    rates: RateLimits = field(init=False)
    budgets: Budgets = field(init=False)
    chunks: ChunkIndex = field(init=False)
    privacy: Privacy = field(init=False)
    searcher: Searcher = field(init=False)
    vector_stores: VectorStores = field(init=False)
    vector_store_files: VectorStoreFiles = field(init=False)
    file_batches: FileBatches = field(init=False)
    documents: Documents = field(init=False)
    ingest: Ingest = field(init=False)
    mcp: Access = field(init=False)

    def __post_init__(self) -> None:
        self.files = Files(self.database, Blobs(self.settings.data_dir / "files"))
        self.files.blobs.collect(self.database)
        self.uploads = Uploads(self.database, self.files)
        self.batches = Batches(self.database)
        self.background = [Repeated(partial(prune, self.files, self.uploads), HOUR)]
        self.chunks = ChunkIndex(self.database)
        self.privacy = Privacy.of(self.database, self.settings)
        self.searcher = Searcher(self.database)
        self.vector_stores = VectorStores(self.database, self.chunks)
        self.vector_store_files = VectorStoreFiles(self.database, self.chunks)
        self.file_batches = FileBatches(self.database)
        self.documents = Documents(self.database)
        self.ingest = Ingest(self)
        self.files.on_removal(self.vector_store_files.file_removed)
        self.background += [self.ingest, Repeated(self.vector_stores.expire, HOUR)]
        self.receipts = ReceiptWriter(Receipts(self.database), self.settings.store_days)
        self.receipts.prune()
        self.meter = Meter(self.database, self.settings.data_dir / "metering", self.settings.prices)
        self.background.append(Repeated(self.meter.catch_up, HOUR))
        self.rates = RateLimits(ProjectRateLimits(self.database), self.settings.projects)
        self.budgets = Budgets(self.database)
        self.mcp = Access(self.settings.mcp.mcp_servers)
        self.limits.accounts = Accounts(self.meter, self.rates, self.budgets)

    @property
    def models(self) -> Models:
        """The models; raises `ServiceUnavailable` while they load."""
        if self.loaded is None:
            raise ServiceUnavailable("the models are still loading; try again in a moment")
        return self.loaded

    @property
    def obstacle(self) -> str | None:
        """Why requests cannot be answered now; None when they can."""
        if self.limits.is_draining:
            return "the server is about to stop"
        if self.loaded is None:
            return "the models are still loading"
        dead = [model.name for model in self.loaded.generative if not model.engine.is_alive]
        return f"the engine of {', '.join(dead)} has died; restart the server" if dead else None

    def wake(self) -> None:
        """Take up what a restart has interrupted, or what was just given to the background."""
        for work in self.background:
            work.wake()

    async def drain(self) -> None:
        """Admit nothing more; return when every running request has ended."""
        async with asyncio.TaskGroup() as group:
            for work in self.background:
                group.create_task(work.rest())
            await self.limits.drain()

    def close(self) -> None:
        """Stop the engines and close the database."""
        for model in self.loaded.generative if self.loaded else ():
            model.engine.close()
        for embedder in self.loaded.embedders if self.loaded else ():
            embedder.close()
        self.ingest.close()
        self.workers.close()
        self.tracer.close()
        self.receipts.close()
        self.meter.close()
        self.database.close()
