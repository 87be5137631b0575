"""The webhook kind: tells a receiver that a task has ended (contract 6.5, 6.6).

The task is read when the webhook is sent, so a receiver never learns less than a reader.
"""

from __future__ import annotations

import time

import msgspec

from windlass.kinds import Context
from windlass.lately import Lately
from windlass.model.crawl import CrawlEvent
from windlass.model.delivery import Webhook
from windlass.model.task import Outcome, State, Task
from windlass.webhooks import Answer, Post
from windlass.webhooks.schedule import first_try, rescheduled
from windlass.webhooks.sender import Sender
from windlass.wire.v1_crawls import crawl_webhook_body
from windlass.wire.v1_webhook import webhook_body

_SECRETS_KEPT_S = 10.0
_SECRETS_KEPT = 10_000
_AFTER_OTHERS_S = 1.0


class _Event(msgspec.Struct, frozen=True):
    event: CrawlEvent = "page"


class SendWebhook:
    """Sends; repeats on the operator's schedule what the receiver did not take."""

    def __init__(self, context: Context) -> None:
        self._schedule = context.settings.webhook_schedule
        self._first = first_try(self._schedule)
        self._tasks = context.tasks
        self._accounts = context.accounts
        self._sender = Sender(context.settings)
        self._crawls = context.crawls
        self._decoder = msgspec.json.Decoder(Webhook)
        self._events = msgspec.json.Decoder(_Event)
        self._secrets: Lately[int, tuple[str, ...]] = Lately(_SECRETS_KEPT, _SECRETS_KEPT_S)

    async def handle(self, task: Task) -> Outcome:
        """Whether the receiver took it, and otherwise when to try again."""
        if task.attempt < self._first:
            return Outcome(state=State.QUEUED, retry_in_s=self._schedule[0], counts=False)
        webhook = self._decoder.decode(task.request)
        about = await self._tasks.parent(task)
        body = await self._body(task, about)
        if body is None:
            return Outcome(state=State.QUEUED, retry_in_s=_AFTER_OTHERS_S, counts=False)
        answer = await self._sender.send(
            Post(
                url=webhook.url,
                headers=webhook.headers,
                body=body,
                delivery_id=task.id,
                attempt=task.attempt - self._first + 1,
                secrets=await self._account_secrets(task.account_id),
            )
        )
        return self._judge(task, answer)

    async def _body(self, task: Task, parent: Task) -> bytes | None:
        """What there is to say; None while a crawl has other news that must arrive before."""
        if parent.kind != "crawl_page" or parent.group_id is None:
            return webhook_body(parent)
        event = self._events.decode(task.input).event
        if event != "started" and task.failures == 0:
            of_end = event != "page"
            if await self._crawls.news_ahead(parent.group_id, task.id, of_end=of_end):
                return None
        crawl = await self._crawls.get(None, parent.group_id)
        about = parent if event == "page" else None
        return crawl_webhook_body(event, crawl, task.created_at, about)

    def _judge(self, task: Task, answer: Answer) -> Outcome:
        failure, sight = answer.failure, answer.sight
        if failure is None:
            return Outcome(
                state=State.SUCCEEDED, status_code=sight.status_code, sight=sight, healthy=True
            )
        failed = Outcome(
            state=State.FAILED,
            status_code=sight.status_code,
            failure=failure,
            sight=sight,
            healthy=False,
        )
        return rescheduled(failed, task, self._schedule, answer.retry_after_s)

    async def _account_secrets(self, account_id: int) -> tuple[str, ...]:
        """The account's active secrets, at most ten seconds old."""
        known = self._secrets.get(account_id)
        if known is not None:
            return known
        asked_at = time.monotonic()
        active = await self._accounts.webhook_secrets(account_id)
        secrets = tuple(each.secret for each in active)
        self._secrets.keep(account_id, secrets, asked_at)
        return secrets

    def give_up(self, task: Task, outcome: Outcome) -> Outcome:
        """A webhook has no result of its own; one that broke or hung is worth as many tries as one
        that the receiver did not take, and says nothing about him."""
        return rescheduled(outcome, task, self._schedule)

    async def aclose(self) -> None:
        """Closes connections to receivers."""
        await self._sender.aclose()
