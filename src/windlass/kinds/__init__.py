"""Kinds: what to do for one kind of task. A handler reads, works and returns its effects.

One file per kind, one line here. Handlers never write to the database or to blobs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from windlass.blobs import Blobs
from windlass.extraction import Extractor
from windlass.model.task import Outcome, Task
from windlass.registry import Registry
from windlass.settings import Settings
from windlass.storage.accounts import Accounts
from windlass.storage.crawls import Crawls
from windlass.storage.robots import RobotsRules
from windlass.storage.tasks import Tasks
from windlass.storage.turns import Turns


@dataclass(frozen=True, kw_only=True)
class Context:
    """What handlers read from and work with; they take out what they need when they are made."""

    settings: Settings
    tasks: Tasks
    accounts: Accounts
    crawls: Crawls
    robots: RobotsRules
    turns: Turns
    blobs: Blobs
    extractor: Extractor


class Kind(Protocol):
    """Handles one kind of task; one instance per process, many calls at once."""

    def __init__(self, context: Context) -> None: ...

    async def handle(self, task: Task) -> Outcome:
        """The whole effect of one attempt. May raise WindlassError, which the worker files."""
        ...

    def give_up(self, task: Task, outcome: Outcome) -> Outcome:
        """Completes an outcome that the worker made itself (deadline, lost workers) with the
        result bytes that a reader of the task's results gets."""
        ...

    async def aclose(self) -> None:
        """Gives back what the handler has opened."""
        ...


KINDS: Registry[type[Kind]] = Registry(
    "kind",
    {
        "crawl_page": "windlass.kinds.crawl:FetchPage",
        "crawl_sitemaps": "windlass.kinds.crawl_sitemaps:ReadSitemaps",
        "extract": "windlass.kinds.extract:Extract",
        "map": "windlass.kinds.map:Map",
        "search": "windlass.kinds.search:Search",
        "upload": "windlass.kinds.upload:UploadResult",
        "webhook": "windlass.kinds.webhook:SendWebhook",
    },
)
