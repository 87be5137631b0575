"""Kinds: what to do for one kind of task. A handler reads, works and returns its effects.

One file per kind, one line here. Handlers never write to the database or to blobs.
"""

from __future__ import annotations

from typing import Protocol

from windlass.extraction import Extractor
from windlass.model.task import Outcome, Task
from windlass.registry import Registry
from windlass.settings import Settings
from windlass.storage.tasks import Tasks


class Kind(Protocol):
    """Handles one kind of task; one instance per process, many calls at once."""

    def __init__(self, settings: Settings, tasks: Tasks, extractor: Extractor) -> None: ...

    async def handle(self, task: Task) -> Outcome:
        """The whole effect of one attempt. May raise WindlassError, which the worker files."""
        ...

    def give_up(self, task: Task, outcome: Outcome) -> Outcome:
        """Completes an outcome that the worker made itself (deadline, lost workers) with the
        result bytes that a reader of the task's results gets."""
        ...


KINDS: Registry[type[Kind]] = Registry("kind", {"extract": "windlass.kinds.extract:Extract"})
