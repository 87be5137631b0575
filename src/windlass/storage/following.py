"""What a task's end sets off: its upload, then its webhook, as tasks of the same transaction.

Whoever ends a task (a worker, a cancel, an expiry) asks here, so that no way of ending one can
forget its owner. Pure: rows and tasks in, tasks out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from windlass.model.crawl import CRAWL_TASKS
from windlass.model.delivery import Delivery, Upload, Webhook
from windlass.model.task import NewTask, Outcome, State, Task
from windlass.net.endpoints import bucket_of, endpoint_of

DEADLINE_S = 3600.0
"""For deliveries that hang; they keep shorter times themselves."""

_read = msgspec.json.Decoder(Delivery)


def read_delivery(text: str | None) -> Delivery | None:
    """The delivery of a task row."""
    return None if text is None else _read.decode(text)


def as_json(value: Delivery | Upload | Webhook) -> str:
    """What a row keeps of it."""
    return msgspec.json.encode(value).decode()


def parks(task: Task, outcome: Outcome) -> bool:
    """Whether this success is not yet the task's end, because its result is to be uploaded."""
    delivery = task.delivery
    return outcome.state is State.SUCCEEDED and delivery is not None and delivery.upload is not None


def upload_for(task: Task) -> NewTask:
    """The upload of a parked task's result."""
    assert task.delivery is not None
    assert task.delivery.upload is not None
    upload = task.delivery.upload
    return NewTask(
        id=uuid4(),
        account_id=task.account_id,
        kind="upload",
        api=task.api,
        lane=f"put:{bucket_of(upload.url)}",
        input="{}",
        request=as_json(upload),
        listed=False,
        deadline_s=DEADLINE_S,
        parent_id=task.id,
        tried_since=datetime.now(UTC),
        # A crawl is locked before what ends its pages.
        group_id=task.group_id if task.kind in CRAWL_TASKS else None,
    )


def webhooks_for(ended: Sequence[Any]) -> list[NewTask]:
    """The webhooks of tasks that have just ended: rows with id, account_id, kind, api, delivery."""
    tasks = []
    for row in ended:
        delivery = read_delivery(row["delivery"])
        if delivery is not None and delivery.webhook is not None:
            tasks.append(webhook_for(row["id"], row["account_id"], row["api"], delivery.webhook))
    return tasks


def webhook_for(task_id: UUID, account_id: int, api: str, webhook: Webhook) -> NewTask:
    """The webhook that tells of a task's end."""
    return NewTask(
        id=uuid4(),
        account_id=account_id,
        kind="webhook",
        api=api,
        lane=f"hook:{account_id}:{endpoint_of(webhook.url)}",
        input="{}",
        request=as_json(webhook),
        listed=False,
        deadline_s=DEADLINE_S,
        parent_id=task_id,
        tried_since=datetime.now(UTC),
    )
