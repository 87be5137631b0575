"""The extract kind: one page, fetched and turned into its formats."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import msgspec

from windlass.errors import DatabaseUnavailable, EngineError, HostBusy, NotRepeated, TargetError
from windlass.kinds import Context
from windlass.kinds.courtesy import Answered, note_of_wish, sign_of_failure, sign_of_page
from windlass.model.page import Extraction, Failure
from windlass.model.request import Cookie, ExtractRequest
from windlass.model.task import HostSign, Outcome, SessionUpdate, State, Task
from windlass.net.cookies import CookieJar
from windlass.wire.v1_results import result_body

_IDEMPOTENT = frozenset({"GET", "PUT", "DELETE"})
_NEVER_SENT = frozenset(
    {"dns_failed", "connection_refused", "connection_failed", "connect_timeout"}
)
"""Failures before the request left: repeating even a POST cannot do anything twice."""


_CUT_SHORT = frozenset({"body_truncated", "bad_encoding", "connection_lost"})

_DATABASE_RETRY_S = 2.0
_AT_HAND_S = 0.1
_TURN_S = 2.0
"""How long a slot is kept for a task whose turn has not come."""


class Extract:
    """Extracts pages; retries failures that may pass."""

    def __init__(self, context: Context) -> None:
        self._settings = context.settings
        self._tasks = context.tasks
        self._turns = context.turns
        self._extractor = context.extractor
        self._decoder = msgspec.json.Decoder(ExtractRequest)

    async def handle(self, task: Task) -> Outcome:
        """The page, or why there is none."""
        return await self._in_turn(task, self._read(task))

    async def _in_turn(self, task: Task, request: ExtractRequest) -> Outcome:
        if task.gap_s and not await self._turns.take(task.lane, _patience_s(task, request)):
            return _later(task, request)
        if request.method not in _IDEMPOTENT:
            return await self._handle_once(task, request)
        return await self._handle(task, request)

    def _read(self, task: Task) -> ExtractRequest:
        return self._decoder.decode(task.request)

    async def _handle_once(self, task: Task, request: ExtractRequest) -> Outcome:
        """The same for a request that must not be sent twice.

        Every earlier start that was counted as a failure is known not to have sent it (see
        `_may_retry`). One that was not was broken off at an unknown place: its worker died or was
        stopped, or its result could not be stored.
        """
        if task.attempt - 1 > task.failures:
            failure = Failure.of(NotRepeated())
            result = result_of(task, request, None, failure)
            return Outcome(state=State.FAILED, failure=failure, result=result)
        try:
            await self._tasks.settle_start(task)
            return await self._handle(task, request)
        except DatabaseUnavailable as error:
            # Before anything was sent; counted, so that the next start knows.
            failure = Failure.of(error)
            return Outcome(state=State.QUEUED, failure=failure, retry_in_s=_DATABASE_RETRY_S)
        except EngineError as error:
            raise NotRepeated from error

    async def _handle(self, task: Task, request: ExtractRequest) -> Outcome:
        cookies = await self._session_cookies(task, request)
        jar = CookieJar(cookies, owner=str(task.account_id))
        try:
            extraction = await self._extractor.extract(request, jar)
        except TargetError as error:
            return self._without_page(task, request, Failure.of(error))
        return await self._conclude(task, request, extraction, jar)

    async def _conclude(
        self, task: Task, request: ExtractRequest, extraction: Extraction, jar: CookieJar
    ) -> Outcome:
        failure = extraction.failure
        again = extraction.again
        if again is not None and failure is None and self._may_retry(task, request, again):
            return Outcome(state=State.QUEUED, failure=again, retry_in_s=retry_delay(task))
        sign = sign_of_page(
            task,
            Answered(
                extraction.url,
                extraction.status,
                extraction.headers,
                failure,
                extraction.answered_at,
            ),
        )
        delay_s = self._again_in_s(task, request, extraction, sign)
        if delay_s is not None:
            return Outcome(state=State.QUEUED, failure=failure, retry_in_s=delay_s, host=sign)
        if failure is not None and sign.quiet_s:
            failure, extraction = self._with_wish(task, failure, extraction, sign)
        return Outcome(
            state=State.FAILED if failure else State.SUCCEEDED,
            result=result_of(task, request, extraction, failure),
            status_code=extraction.status,
            failure=failure,
            retry_in_s=sign.quiet_s if failure else 0.0,
            session=_session_update(task, request, jar),
            host=sign,
        )

    def _again_in_s(
        self, task: Task, request: ExtractRequest, extraction: Extraction, sign: HostSign
    ) -> float | None:
        """In how many seconds to try again for a better answer; None if this one is what there is.

        Who waits for the answer gets the host's refusal at once, and when to come back.
        """
        failure = extraction.failure
        if failure is None:
            return None
        if extraction.partial:
            return retry_delay(task) if self._worth_again(task, request, failure) else None
        if not sign.refused or task.awaited:
            return None
        if sign.quiet_s > self._settings.retry_after_limit or request.method not in _IDEMPOTENT:
            return None
        # The caller's own time limit is for the page, not for the host's wish.
        tries_left = task.may_fail_again(self._settings.max_attempts)
        # A moment early, to be at hand when the lane opens, which keeps to the wish itself.
        return max(sign.quiet_s - _AT_HAND_S, retry_delay(task)) if tries_left else None

    def _with_wish(
        self, task: Task, failure: Failure, extraction: Extraction, sign: HostSign
    ) -> tuple[Failure, Extraction]:
        """The refusal with when to come back; of its own kind if that is why it is final."""
        note = note_of_wish(sign.quiet_s)
        noted = msgspec.structs.replace(extraction, warnings=(*extraction.warnings, note))
        waits = not task.awaited
        if waits and sign.quiet_s > self._settings.retry_after_limit:
            status = extraction.status
            failure = Failure.of(HostBusy(f"The target answered {status}: {note}"))
        return failure, noted

    def give_up(self, task: Task, outcome: Outcome) -> Outcome:
        """An outcome made by the worker, with a result that says what happened."""
        request = self._read(task)
        return msgspec.structs.replace(
            outcome, result=result_of(task, request, None, outcome.failure)
        )

    async def aclose(self) -> None:
        """Nothing is open: the extractor belongs to the worker."""

    async def _session_cookies(self, task: Task, request: ExtractRequest) -> tuple[Cookie, ...]:
        if request.session is None:
            return ()
        return await self._tasks.session_cookies(task.account_id, request.session.id)

    def _without_page(self, task: Task, request: ExtractRequest, failure: Failure) -> Outcome:
        budget_s = self._settings.task_timeout
        if request.timeout_ms is not None:
            budget_s = min(budget_s, request.timeout_ms / 1000)
        sign = sign_of_failure(failure, budget_s, self._settings.read_timeout)
        if failure.retryable and self._may_retry(task, request, failure):
            delay_s = retry_delay(task)
            return Outcome(state=State.QUEUED, failure=failure, retry_in_s=delay_s, host=sign)
        return Outcome(
            state=State.FAILED,
            result=result_of(task, request, None, failure),
            failure=failure,
            host=sign,
        )

    def _worth_again(self, task: Task, request: ExtractRequest, failure: Failure) -> bool:
        """Whether a page that came in part may come whole; the last part that came is kept."""
        return failure.code in _CUT_SHORT and self._may_retry(task, request, failure)

    def _may_retry(self, task: Task, request: ExtractRequest, failure: Failure) -> bool:
        if not task.may_fail_again(self._settings.max_attempts):
            return False
        if request.timeout_ms is not None and not _time_left(task, request):
            return False
        return request.method in _IDEMPOTENT or failure.code in _NEVER_SENT


def _patience_s(task: Task, request: ExtractRequest) -> float:
    """What must not be sent twice cannot be given back without a trace."""
    return _TURN_S if request.method in _IDEMPOTENT else task.deadline_s


def _later(task: Task, request: ExtractRequest) -> Outcome:
    if request.method in _IDEMPOTENT:
        return Outcome(state=State.QUEUED, counts=False)
    failure = Failure.of(HostBusy())
    return Outcome(state=State.QUEUED, failure=failure, retry_in_s=task.gap_s)


def retry_delay(task: Task) -> float:
    """Seconds until the next attempt: 1, 4, 16 … with a fifth of jitter; a quarter of that when
    somebody waits for the answer."""
    base = 4.0**task.failures
    if task.awaited:
        base /= 4
    return base * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, keeps no secret


def _time_left(task: Task, request: ExtractRequest) -> bool:
    spent = datetime.now(UTC) - task.created_at
    return spent.total_seconds() * 1000 < (request.timeout_ms or 0)


def result_of(
    task: Task, request: ExtractRequest, extraction: Extraction | None, failure: Failure | None
) -> bytes:
    """The result as it is stored and sent."""
    elapsed = datetime.now(UTC) - task.created_at
    return result_body(
        extraction=extraction,
        failure=failure,
        task_id=task.id,
        request=request,
        received_at=task.created_at,
        duration_ms=int(elapsed.total_seconds() * 1000),
    )


def _session_update(task: Task, request: ExtractRequest, jar: CookieJar) -> SessionUpdate | None:
    if request.session is None:
        return None
    return SessionUpdate(
        task.account_id, request.session.id, jar.export(), request.session.timeout_s
    )
