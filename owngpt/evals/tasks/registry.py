"""All tasks, in the order of reports."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from owngpt.errors import ConfigError
from owngpt.evals.task import Task
from owngpt.evals.tasks import (
    answers,
    arithmetic,
    bits,
    code,
    grammar,
    intents,
    search,
    summaries,
    support,
    translation,
)

_MODULES = (bits, grammar, code, translation, answers, intents, summaries, arithmetic, support, search)
ALL: dict[str, Task] = {task.name: task for module in _MODULES for task in module.TASKS}


def chosen(names: Sequence[str]) -> list[Task]:
    """The tasks of these names or patterns (`qa.*`); all without any. `ConfigError` for a name that fits none."""
    for name in names:
        if not fnmatch.filter(ALL, name):
            raise ConfigError(f"there is no task {name!r}; there are {', '.join(ALL)}")
    return [task for task in ALL.values() if not names or any(fnmatch.fnmatch(task.name, name) for name in names)]
