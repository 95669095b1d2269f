"""What a generative model is to an evaluation: it goes on with prompts, and says how likely a continuation is.

Implementations: a model of this process (`cli/eval_local.py`) and any server that speaks the OpenAI API
(`cli/eval_remote.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from owngpt.errors import OwnGPTError
from owngpt.evals.task import Answer, Item, Task

Step = Callable[[], object]


class Unable(OwnGPTError):
    """This model, or the server that it is asked through, cannot do what a task needs; the message says what."""


class Completer(Protocol):
    """A generative model. Its methods are called for many items at once, `concurrency` at the most.

    They raise `Unable` for what can be done for no item.
    """

    @property
    def name(self) -> str: ...

    @property
    def concurrency(self) -> int: ...

    @property
    def about(self) -> Mapping[str, str]:
        """What its answers depend on beside the prompts, for reports."""
        ...

    async def generate(self, item: Item, max_tokens: int, stop: Sequence[str]) -> str:
        """Its greedy answer to the item's prompt, without the stop string that ended it."""
        ...

    async def loglikelihood(self, item: Item, continuation: str) -> float:
        """The natural-log probability of `continuation` behind the item's prompt."""
        ...


async def answer_all(
    completer: Completer, task: Task, items: Sequence[Item], step: Step = lambda: None
) -> list[Answer]:
    """One answer per item, in order; `step` is called when one is there."""
    free = asyncio.Semaphore(completer.concurrency)

    async def answer(item: Item) -> Answer:
        async with free:
            if item.choices:
                found = Answer(scores=tuple([await completer.loglikelihood(item, one) for one in item.choices]))
            else:
                found = Answer(await completer.generate(item, task.max_tokens, task.stop))
        step()
        return found

    return list(await asyncio.gather(*map(answer, items)))
