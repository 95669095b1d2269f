"""One run of `owngpt eval run`: what is at hand, who answers which task, and how far it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import click

from owngpt import __version__
from owngpt.cli.eval import bar, loaded_embedder
from owngpt.cli.eval_product import searches, supporter
from owngpt.evals.completer import Completer, Unable, answer_all
from owngpt.evals.report import Report
from owngpt.evals.run import Contestant, Result, run_task
from owngpt.evals.task import Answer, Item, Task
from owngpt.evals.tasks.frozen import items_of, pool_of
from owngpt.evals.tasks.materials import Materials
from owngpt.service.models import ServedEmbedder

NGRAM = "5-gram"


@dataclass(slots=True)
class Session:
    """`baseline` weighs plain text as the model's tokens have it; None where no tokens were given to learn from."""

    completer: Completer
    materials: Materials
    frozen: Path | None = None
    limit: int | None = None
    embedder: str | None = None
    baseline: Callable[[Sequence[Item]], Sequence[Answer]] | None = None
    _open: ExitStack = field(default_factory=ExitStack)
    _embedder: ServedEmbedder | None = None

    def run(self, tasks: Sequence[Task]) -> Report:
        """Run what can be run, and say why the rest is left out."""
        start, results, left_out = monotonic(), list[Result](), dict[str, str]()
        with self._open:
            for number, task in enumerate(tasks, start=1):
                try:
                    results.append(self._measure(task))
                except Unable as error:
                    left_out[task.name] = str(error)
                else:
                    _say(results[-1], number, len(tasks), monotonic() - start)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        settings = {**self.completer.about, **({} if self.limit is None else {"limit": str(self.limit)})}
        return Report(self.completer.name, made, f"owngpt {__version__}", results, left_out, settings)

    def _measure(self, task: Task) -> Result:
        """Raises `Unable` for what cannot be asked here."""
        items = items_of(task, self.materials, self.frozen)
        if items is None:
            raise Unable(f"needs --{task.needs}")
        if not items:
            raise Unable("nothing to ask: what is held out there is too little")
        asked = items[: self.limit]
        with self._contestants(task, asked) as contestants:
            return run_task(task, asked, contestants)

    @contextmanager
    def _contestants(self, task: Task, items: Sequence[Item]) -> Iterator[list[Contestant]]:
        if task.name.startswith("search."):
            with searches(task.name, pool_of(task, self.materials, self.frozen), self._loaded()) as found:
                yield found
            return
        found = [Contestant(self.completer.name, "model", lambda asked: self._asked(task, asked))]
        if task.name.startswith("support."):
            found.append(supporter(self._loaded()))
        if self.baseline is not None and all(item.choices and not item.messages for item in items):
            found.append(Contestant(NGRAM, "baseline", self.baseline))
        yield found

    def _asked(self, task: Task, items: Sequence[Item]) -> Sequence[Answer]:
        with bar(task.name, len(items)) as step:
            return asyncio.run(answer_all(self.completer, task, items, lambda: step(1)))

    def _loaded(self) -> ServedEmbedder:
        if self._embedder is None:
            self._embedder = self._open.enter_context(loaded_embedder(self.embedder))
        return self._embedder


def _say(result: Result, number: int, total: int, seconds: float) -> None:
    """How long a task took, and about how long the others will."""
    left = seconds / number * (total - number)
    said = f"{number}/{total} {result.task}: {result.num_items} items in {result.seconds:.1f} s"
    click.echo(f"{said}; about {left:.0f} s left" if number < total else said, err=True)
