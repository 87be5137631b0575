"""What an answer shows of its host, and what it asks of us. Pure; used by the kinds that fetch."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import NamedTuple

from windlass.model.outline import Outline, PageLink
from windlass.model.page import Failure, all_of
from windlass.model.task import HostSign, Task
from windlass.net.endpoints import web_lane
from windlass.net.retry_after import parse_retry_after
from windlass.settings import Settings
from windlass.site.canonical import directives_for

REFUSALS = frozenset({429, 503})
"""Statuses by which a host asks for less."""
_TIMEOUTS = frozenset({"connect_timeout", "read_timeout", "request_timeout"})
_SILENT = _TIMEOUTS | {
    "dns_failed",
    "connection_refused",
    "connection_failed",
    "connection_lost",
}
"""Failures that say that nobody is there."""


class Answered(NamedTuple):
    """What is needed of an answer: its URL, status and headers, why it is not good enough, and when
    it was there (time.monotonic)."""

    url: str
    status: int
    headers: Iterable[tuple[str, str]]
    failure: Failure | None
    at: float


def sign_of_page(task: Task, page: Answered) -> HostSign:
    """What an answer shows: of the host that gave it, and of that of the task."""
    refused, why = page.status in REFUSALS, page.failure
    asked_s = None
    if refused:
        then = datetime.now(UTC) - timedelta(seconds=time.monotonic() - page.at)
        asked_s = wish_s(page.headers, then)
    lane = web_lane(page.url)
    return HostSign(
        answered=True,
        refused=refused,
        strained=refused or (why is not None and why.code in _TIMEOUTS),
        quiet_until=page.at + asked_s if asked_s else None,
        lane=lane if lane != task.lane else None,
    )


def sign_of_failure(why: Failure, budget_s: float, patience_s: float) -> HostSign | None:
    """What no answer shows. None: nothing of the host, as when the request had less time than we
    would have had patience."""
    if why.code not in _SILENT or (why.code == "request_timeout" and budget_s < patience_s):
        return None
    return HostSign(answered=False, strained=why.code in _TIMEOUTS)


def note_of_wish(wish_s: float) -> str:
    """The warning that says when to come back."""
    return f"the host asks to be left alone for {ceil(round(wish_s, 1)):,} s"


def wish_s(headers: Iterable[tuple[str, str]], then: datetime) -> float | None:
    """For how many seconds from its answer `then` on a host wants to be left alone."""
    return parse_retry_after(next(iter(all_of(headers, "retry-after")), None), then)


class Granted(NamedTuple):
    """What a page asks of robots and is done; `links` are those that may be followed."""

    noindex: bool
    nofollow: bool
    links: tuple[PageLink, ...]


class Obedience:
    """How much is done of what pages ask of robots: as much as the operator wants."""

    def __init__(self, settings: Settings) -> None:
        obeyed = settings.obey_directives if settings.obey_robots else ()
        self._agent = settings.robots_agent
        self._noindex = "noindex" in obeyed
        self._nofollow = "nofollow" in obeyed

    def grants(self, outline: Outline, headers: Iterable[str]) -> Granted:
        """What a page is granted, from its outline and the values of X-Robots-Tag."""
        asked = directives_for(self._agent, outline, headers)
        nofollow = asked.nofollow and self._nofollow
        links = () if nofollow else outline.links
        if self._nofollow:
            links = tuple(link for link in links if not link.nofollow)
        return Granted(asked.noindex and self._noindex, nofollow, links)
