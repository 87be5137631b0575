"""From the first request to the last answer, hop by hop: what every plain driver does alike.

A driver brings a `Visit`, which asks one hop; cookies, redirects, refreshes, deadlines and the
page are made here. Nothing here opens a connection.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import msgspec

from windlass.drivers.headers import opening
from windlass.drivers.proxies import Proxies, Proxy
from windlass.drivers.redirects import Hop, Trail, followed, redirected, refreshed, without_fragment
from windlass.drivers.refresh import refresh_target
from windlass.errors import NotAPage, RequestTimeout
from windlass.html.media import essence, may_be_page
from windlass.model.page import Failure, Page, all_of
from windlass.model.request import ExtractRequest
from windlass.net.cookies import CookieJar
from windlass.settings import Settings

Fields = tuple[tuple[str, str], ...]


class Errand(msgspec.Struct, frozen=True):
    """What stays the same on every hop of one fetch.

    `deadline` is in the loop's time; `warnings` are known before the first hop.
    """

    request: ExtractRequest
    jar: CookieJar
    proxy: Proxy | None
    deadline: float
    budget_s: float
    warnings: tuple[str, ...] = ()

    def warned(self, *notes: str) -> Errand:
        """The same with more of them."""
        return msgspec.structs.replace(self, warnings=self.warnings + notes)

    def out_of_time(self) -> RequestTimeout:
        """The error for a deadline that has passed."""
        return RequestTimeout(f"The request exceeded its time budget of {self.budget_s:g} s.")


class Answer(msgspec.Struct, frozen=True):
    """One answer to one hop. A redirect's body need not be read."""

    status: int
    fields: Fields
    body: bytes = b""
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()


Visit = Callable[[Errand, Hop, str], Awaitable[tuple[Answer, Hop | None]]]
"""Asks one hop, with a Cookie header; returns the answer and where its redirect leads, if it is
one (see `onward`). Raises TargetError or InvalidRequest."""


def errand_for(
    request: ExtractRequest, jar: CookieJar, settings: Settings, choice: tuple[Proxies, str]
) -> Errand:
    """The errand of a request for the driver named in `choice`, with a proxy of its list.

    The whole of it gets request.timeout_ms, at most settings.task_timeout. The request's cookies
    are added to `jar`.
    """
    budget_s = settings.task_timeout
    if request.timeout_ms is not None:
        budget_s = min(budget_s, request.timeout_ms / 1000)
    proxies, driver = choice
    proxy, warning = proxies.choose(request.place, driver)
    jar.add(request.cookies, request.url)
    deadline = asyncio.get_running_loop().time() + budget_s
    return Errand(request, jar, proxy, deadline, budget_s, (warning,) if warning else ())


async def travel(errand: Errand, visit: Visit, driver: str, max_redirects: int) -> Page:
    """Goes from hop to hop until an answer leads nowhere else; that is the page."""
    hop = opening(errand.request, random.getrandbits(16))
    trail = Trail()
    while True:
        cookies = errand.jar.cookies_for(hop.url)
        answer, following = await visit(errand, hop, cookies)
        errand.jar.store(hop.url, all_of(answer.fields, "set-cookie"))
        warnings = answer.warnings
        following = following or _refresh(hop, answer)
        if following is None:
            break
        if answer.status < 300 and _was_at(trail, following):
            warnings += (f"the page's refresh back to {following.url} was not followed",)
            break
        trail = followed(trail, hop, answer.status, cookies, max_redirects)
        hop = following
    return Page(
        url=hop.url,
        status=answer.status,
        headers=answer.fields,
        body=answer.body,
        redirects=trail.redirects,
        cookies=errand.jar.export(),
        driver=driver,
        failure=answer.failure,
        egress=errand.proxy.label if errand.proxy else "",
        warnings=errand.warnings + warnings,
    )


def onward(hop: Hop, status: int, fields: Fields) -> Hop | None:
    """Where an answer's redirect leads, None if it is to be read. Raises BadRedirect."""
    return redirected(hop, status, next(iter(all_of(fields, "location")), None))


def unwanted(errand: Errand, status: int, fields: Fields) -> Answer | None:
    """The answer as it is when its body is not worth reading, None if that is to be read."""
    if not errand.request.pages_only or not 200 <= status < 300:
        return None
    kind = next(iter(all_of(fields, "content-type")), "")
    if may_be_page(kind):
        return None
    failure = Failure.of(NotAPage(f"The target's answer is no page but {essence(kind)}"))
    return Answer(status, fields, failure=failure)


_NOT_CODINGS = ("", "chunked", "identity")


def codings_of(fields: Fields) -> str:
    """Every coding of the body in the order of application; the transfer's come last."""
    transfer = ",".join(all_of(fields, "transfer-encoding")).lower().split(",")
    applied = [name for name in transfer if name.strip() not in _NOT_CODINGS]
    return ",".join(all_of(fields, "content-encoding") + applied)


def _refresh(hop: Hop, answer: Answer) -> Hop | None:
    """Where a page sends its readers at once, None if it stays or is an error's page."""
    if answer.failure is not None or not 200 <= answer.status < 300:
        return None
    kind = next(iter(all_of(answer.fields, "content-type")), "")
    header = next(iter(all_of(answer.fields, "refresh")), "")
    target = refresh_target(hop.url, kind, header, answer.body)
    return None if target is None else refreshed(hop, target)


def _was_at(trail: Trail, hop: Hop) -> bool:
    """Whether a page was visited before: pages that refresh in turns have no last one."""
    return any(without_fragment(past.url) == without_fragment(hop.url) for past in trail.redirects)
