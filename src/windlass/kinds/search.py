"""The search kind: one query, asked of the operator's search backend and told as entities."""

from __future__ import annotations

import msgspec

from windlass.errors import SearchFailed
from windlass.kinds import Context
from windlass.kinds.extract import result_of, retry_delay
from windlass.model.page import Extraction, Failure
from windlass.model.request import ExtractRequest, SearchRequest
from windlass.model.task import Outcome, State, Task
from windlass.search import Found, SearchBackend, is_configured, open_backend
from windlass.wire.v1_serp import next_page_params, parsing_of

_PATIENCE_S = 5.0
"""Longest that a call which somebody waits for is put off."""


class Search:
    """Searches; retries failures that may pass, when the backend says or a little later."""

    def __init__(self, context: Context) -> None:
        self._settings = context.settings
        self._backend: SearchBackend | None = None
        self._decoder = msgspec.json.Decoder(SearchRequest)

    async def handle(self, task: Task) -> Outcome:
        """The results, or why there are none."""
        request = self._decoder.decode(task.request)
        if self._backend is None:
            self._backend = open_backend(self._settings)
        try:
            found = await self._backend.search(request)
        except SearchFailed as error:
            failure = Failure.of(error)
            wait_s = max(retry_delay(task), error.retry_after_s)
            if self._may_retry(task, wait_s):
                return Outcome(state=State.QUEUED, failure=failure, retry_in_s=wait_s)
            result = self._render(task, request, None, failure)
            return Outcome(state=State.FAILED, failure=failure, result=result)
        result = self._render(task, request, found, None)
        return Outcome(state=State.SUCCEEDED, result=result, status_code=200)

    def give_up(self, task: Task, outcome: Outcome) -> Outcome:
        """An outcome made by the worker, with a result that says what happened."""
        request = self._decoder.decode(task.request)
        result = self._render(task, request, None, outcome.failure)
        return msgspec.structs.replace(outcome, result=result)

    async def aclose(self) -> None:
        """Closes the backend's connections."""
        if self._backend is not None:
            await self._backend.aclose()

    def _may_retry(self, task: Task, wait_s: float) -> bool:
        if not task.may_fail_again(self._settings.max_attempts):
            return False
        return not task.awaited or wait_s <= _PATIENCE_S

    def _render(
        self, task: Task, request: SearchRequest, found: Found | None, failure: Failure | None
    ) -> bytes:
        backend = self._backend
        if backend is None and is_configured(self._settings):
            backend = open_backend(self._settings)
        url = backend.link(request.query, request.page) if backend else ""
        asked = ExtractRequest(
            url=url, tag=request.tag, agent=request.agent, warnings=request.warnings
        )
        extraction = _extraction(request, found, backend) if found and backend else None
        return result_of(task, asked, extraction, failure)


def _extraction(request: SearchRequest, found: Found, backend: SearchBackend) -> Extraction:
    links = {query: backend.link(query) for query in found.related}
    if found.next_page:
        links[""] = backend.link(request.query, found.next_page)
    return Extraction(
        url=found.url,
        status=200,
        values={"parsing": parsing_of(found, links)},
        driver=found.backend,
        warnings=found.notes,
        next_page=next_page_params(found, request),
    )
