"""What a worker does with the database, one step at a time, without any server around it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

from pgqueuer.domain.models import Job

from windlass.model.account import Account
from windlass.model.task import NewTask, Outcome, State, Task
from windlass.settings import Settings
from windlass.storage.accounts import Accounts
from windlass.storage.admission import Admission
from windlass.storage.database import Database
from windlass.storage.lanes import patience_of
from windlass.storage.maintenance import Maintenance
from windlass.storage.outcomes import Finished, Outcomes
from windlass.storage.tasks import Tasks

SETTINGS = Settings()


class Engine:
    """What a worker does with the database, one step at a time."""

    def __init__(self, database: Database, settings: Settings = SETTINGS) -> None:
        self.database = database
        self.tasks = Tasks(database, "worker-1")
        self.outcomes = Outcomes(database, patience_of(settings))
        self.admission = Admission(database, settings)
        self.maintenance = Maintenance(database, settings)
        self.account: Account

    async def open(self, slots: int = 50) -> Engine:
        accounts = Accounts(self.database)
        _, key = await accounts.create_key("main")
        self.account = await accounts.find(key)
        await self.database.execute("beat", "worker-1", slots, slots)
        return self

    async def accept(self, count: int = 1, **changes: Any) -> list[UUID]:
        tasks = [self.new_task(**changes) for _ in range(count)]
        await asyncio.gather(*(self.tasks.accept(task) for task in tasks))
        await self.admission.arm([task.lane for task in tasks])
        return [task.id for task in tasks]

    def new_task(self, **changes: Any) -> NewTask:
        fields: dict[str, Any] = {
            "id": uuid4(),
            "account_id": self.account.id,
            "kind": "extract",
            "api": "extract",
            "lane": "web:site.test:80",
            "input": '{"b": 1, "a": 2}',
            "request": '{"url": "http://site.test/"}',
        }
        return NewTask(**{**fields, **changes})

    async def admit_all(self) -> int:
        total = 0
        while (admitted := (await self.admission.admit()).admitted) > 0:
            total += admitted
        return total

    async def jobs(self) -> list[Job]:
        rows = await self.database.relaxed.fetch(
            "SELECT * FROM pgqueuer ORDER BY priority DESC, id"
        )
        return [Job.model_validate(dict(row)) for row in rows]

    async def claim(self, job: Job) -> Task:
        task = await self.tasks.claim(job)
        assert task is not None
        return task

    async def finish(self, task: Task, job: Job, **outcome: Any) -> bool:
        outcome.setdefault("state", State.SUCCEEDED)
        done = Finished(task, job, Outcome(**outcome), "results/x")
        return await self.outcomes.apply(done) is not None

    async def start(self) -> tuple[Task, Job]:
        """Claims the one task that may start now."""
        await self.admission.recover()  # arms the lanes of follow-ups, as a worker would
        await self.admit_all()
        (job,) = await self.jobs()
        return await self.claim(job), job

    async def run(self, **outcome: Any) -> Task:
        """Starts the one task that may start now, and ends it so."""
        task, job = await self.start()
        assert await self.finish(task, job, **outcome)
        return task

    async def state(self, task_id: UUID) -> State:
        return (await self.tasks.get(self.account, task_id)).state
