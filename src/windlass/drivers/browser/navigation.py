"""From the address to a loaded page: the first navigation, and where the page goes by itself.

Used by the driver. What Chromium says went wrong becomes our error here; a page that is not
loaded in time is taken as it is, with a warning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from urllib.parse import urlsplit

from playwright.async_api import Error
from playwright.async_api import TimeoutError as LibraryTimeout

from windlass.drivers.browser import dom
from windlass.drivers.browser.dom import Serialised
from windlass.drivers.browser.failures import is_interrupted, network_code, translated
from windlass.drivers.browser.rendering import is_taken_at_once
from windlass.drivers.browser.tab import Tab
from windlass.drivers.redirects import Hop, resolved, without_fragment
from windlass.drivers.refresh import MAX_DELAY_S
from windlass.drivers.travel import Errand
from windlass.errors import InvalidResponse, TargetError
from windlass.model.page import all_of
from windlass.model.render import LoadState
from windlass.net.egress import Egress
from windlass.net.refresh import parse_refresh

_EMPTY = frozenset({"ERR_HTTP_RESPONSE_CODE_FAILURE"})
"""Chromium's word for an error's answer without a body."""
_NO_CONTENT = frozenset({204, 205})
_STATES: dict[LoadState, str] = {"commit": "commit", "domready": "domcontentloaded", "load": "load"}
_MOST_REFRESHES = 5


class Navigation:
    """One page's way. `warnings` are of use after `go`."""

    def __init__(self, tab: Tab, errand: Errand, egress: Egress, since: float) -> None:
        self.warnings: list[str] = []
        self.document: Serialised | None = None
        """The document as it was when it had loaded, if nothing is done with it any more."""
        self._tab = tab
        self._stage = tab.stage
        self._errand = errand
        self._egress = egress
        self._since = since
        """Monotonic time from which on failures of connections are this page's."""
        options = errand.request.render_options
        self._until = options.wait_until
        self._ends = (
            self._stage.deadline
            - self._stage.left_s()
            + self._stage.left_s(options.timeout_ms / 1000)
        )
        self._stage.due = self._ends

    async def go(self, hop: Hop) -> None:
        """Loads the page and goes along where it sends its visitors. Raises TargetError."""
        try:
            loaded = await self._load(hop)
            if loaded:
                await self._refreshed()
        except Error as error:
            raise self._failure(error, hop) from error
        self._check_answer(hop)

    def _left_s(self) -> float:
        return max(0.0, self._ends - (self._stage.deadline - self._stage.left_s()))

    async def _load(self, hop: Hop) -> bool:
        """Whether the page was loaded in time."""
        state = _STATES.get(self._until, "commit")
        going = self._stage.visited.goto(
            hop.url,
            wait_until=state,  # type: ignore[arg-type]  # one of its states
            timeout=max(1.0, self._left_s() * 1000),
            referer=hop.referrer or None,
        )
        try:
            coming = self._unless_cut(going)
            await self._stage.within(coming, self._left_s() or 0.001)
            if self._tab.documents.cut:
                return False
            if state == "commit" and self._until != "commit":
                await self._stage.loaded(self._until, self._left_s() or 0.001)
        except (TimeoutError, LibraryTimeout):
            return self._late()
        except Error as error:
            if is_interrupted(error):
                return await self._settled()
            if self._is_empty(error):
                return False
            raise
        return True

    async def _unless_cut(self, going: Awaitable[object]) -> None:
        """Returns also when the document has ended early: it then never counts as loaded."""
        loading = asyncio.ensure_future(going)
        breaking = asyncio.ensure_future(self._tab.documents.broken())
        try:
            await asyncio.wait((loading, breaking), return_when=asyncio.FIRST_COMPLETED)
            if loading.done():
                loading.result()
        finally:
            loading.cancel()
            breaking.cancel()

    def _late(self) -> bool:
        if self._tab.documents.last is None:
            raise self._errand.out_of_time()
        seconds = self._errand.request.render_options.timeout_ms / 1000
        self.warnings.append(f"the page was not loaded within {seconds:g} s: taken as it was then")
        return False

    async def _settled(self) -> bool:
        """After the page went elsewhere before it was loaded."""
        try:
            await self._stage.loaded(self._until, self._left_s() or 0.001)
        except TimeoutError:
            return self._late()
        return True

    def _is_empty(self, error: Error) -> bool:
        last = self._tab.documents.last
        if last is None:
            return False
        return network_code(error) in _EMPTY or last.status in _NO_CONTENT

    async def _refreshed(self) -> None:
        """Goes along with refreshes that are meant as redirects."""
        visited = {without_fragment(self._stage.visited.url)}
        for _ in range(_MOST_REFRESHES):
            count = self._tab.documents.count
            target, delay_s = await self._refresh()
            if not target:
                return
            if without_fragment(target) in visited:
                self.warnings.append(f"the page's refresh back to {target} was not followed")
                return
            visited.add(without_fragment(target))
            try:
                coming = self._tab.documents.next(count)
                await self._stage.within(coming, min(delay_s + 5.0, self._left_s()) or 0.001)
            except TimeoutError:
                return
            if not await self._settled():
                return

    async def _refresh(self) -> tuple[str, float]:
        """Where the page sends its visitors and when; "" if it lets them stay."""
        last = self._tab.documents.last
        content = next(iter(all_of(last.headers, "refresh")), "") if last else ""
        try:
            content = content or await self._looked()
        except TimeoutError:
            self._stage.busy = True
        found = parse_refresh(content) if content else None
        if found is None or found.delay_s > MAX_DELAY_S:
            return "", 0.0
        target = resolved(self._stage.visited.url, found.reference) or ""
        return (target if target.startswith(("http:", "https:")) else ""), found.delay_s

    async def _looked(self) -> str:
        if not is_taken_at_once(self._errand.request):
            return await dom.refresh(self._stage)
        content, self.document = await dom.glimpse(self._stage, self._stage.limit_bytes)
        return content

    # ------------------------------------------------------------ what went wrong

    def _check_answer(self, hop: Hop) -> None:
        """Raises the error that our own proxy answered with in the target's stead."""
        last = self._tab.documents.last
        if last is None and self._tab.documents.failure is not None:
            raise self._tab.documents.failure
        if last is None:
            raise InvalidResponse(f"{hop.origin} gave no page.")
        ours = self._egress.error_in({name.lower(): value for name, value in last.headers})
        if ours is not None:
            raise ours

    def _failure(self, error: Error, hop: Hop) -> TargetError:
        documents = self._tab.documents
        if documents.failure is not None:
            return documents.failure
        code = network_code(error)
        aborted = code == "ERR_ABORTED" or "Download is starting" in str(error)
        if aborted and documents.last is not None:
            kind = next(iter(all_of(documents.last.headers, "content-type")), "a file")
            return InvalidResponse(
                f"{hop.url} is a download ({kind[:80]}), not a page: fetch it without rendering."
            )
        upstream = self._errand.proxy.upstream if self._errand.proxy else None
        for url in (documents.heading, hop.url):
            place = urlsplit(url)
            port = place.port or (443 if place.scheme == "https" else 80)
            if code and place.hostname:
                known = self._egress.failure(place.hostname, port, upstream, self._since)
                if known is not None:
                    return known
        return translated(error, hop.origin)
