"""What goes through Chromium's request stop: documents, the caller's headers, what is blocked.

One per tab. It learns the status, headers and redirects of the page's own document, changes the
requests that the caller wants changed, and ends those that are not to be sent. Everything that
no pattern names passes without it.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from playwright.async_api import Error

from windlass.drivers.browser.blocking import Blocked
from windlass.drivers.browser.failures import network_code
from windlass.drivers.browser.targets import Session
from windlass.drivers.redirects import resolved, without_fragment
from windlass.errors import TargetError, TooManyRedirects
from windlass.model.page import Redirect, all_of

log = structlog.get_logger(__name__)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CUT = frozenset(
    {
        "ERR_CONTENT_LENGTH_MISMATCH",
        "ERR_INCOMPLETE_CHUNKED_ENCODING",
        "ERR_CONNECTION_CLOSED",
        "ERR_CONNECTION_RESET",
        "ERR_HTTP2_PROTOCOL_ERROR",
        "ERR_CONTENT_DECODING_FAILED",
    }
)
_MARKUP = ("text/html", "application/xhtml+xml")
_MOST_NAVIGATIONS = 100
"""Documents of the main frame: a page that goes on for ever is stopped."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller wants of requests to the origin of his URL.

    `headers` map lower-case names to lines, None suppresses. Method and body are of the first
    request only.
    """

    origin: str
    headers: dict[str, list[str] | None] = {}
    method: str = "GET"
    body: bytes | None = None

    @property
    def any(self) -> bool:
        """Whether there is something to change."""
        return bool(self.headers) or self.method != "GET"


class Document(msgspec.Struct, frozen=True):
    """An answer that became the page's document."""

    url: str
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    raw: bool = False
    """Whether it is no markup: what a browser makes of that is its own, so Chromium keeps its body
    as it came, if it is the page's first."""


class Documents:
    """Use `watch`."""

    def __init__(self, session: Session, wishes: tuple[Changes, Blocked, int]) -> None:
        self._session = session
        self._changes, self._blocked, self._max_redirects = wishes
        self._first = True
        self._keeping = False
        self._moved = asyncio.Event()
        self._broken = asyncio.Event()
        self._answers: set[asyncio.Task[None]] = set()
        self._chain: list[Redirect] = []
        self.frame = ""
        """The main frame."""
        self.count = 0
        """Documents that the main frame had."""
        self.heading = ""
        """Where the last redirect leads."""
        self.cut = ""
        """Chromium's word for why the last document is not whole."""
        self.last: Document | None = None
        """The newest answer for the main frame."""
        self.redirects: tuple[Redirect, ...] = ()
        """What led to it."""
        self.failure: TargetError | None = None
        """Why a navigation was stopped."""

    @classmethod
    async def watch(
        cls, session: Session, wishes: tuple[Changes, Blocked, int], *, keeping: bool
    ) -> Documents:
        """Stops requests from now on; the page should not have begun to load.

        `keeping`: nobody else listens to the session's requests, so the body of a first document
        that is no markup has to be kept for us.
        """
        documents = cls(session, wishes)
        documents._keeping = keeping
        session.on("Fetch.requestPaused", documents._on_paused)
        session.on("Log.entryAdded", documents._on_log)
        told = await asyncio.gather(
            session.send("Page.getFrameTree"),
            *([session.send("Network.enable")] if keeping else []),
            session.send("Fetch.enable", {"patterns": documents._patterns()}),
            # Of what has failed once it was under way, all else tells of every single request.
            session.send("Log.enable"),
        )
        documents.frame = told[0]["frameTree"]["frame"]["id"]
        return documents

    def _patterns(self) -> list[dict[str, str]]:
        patterns = [{"urlPattern": "*", "resourceType": "Document", "requestStage": "Response"}]
        if self._changes.any:
            patterns.append({"urlPattern": f"{self._changes.origin}/*"})
        return patterns + self._blocked.patterns()

    def _on_paused(self, event: dict[str, Any]) -> None:
        answered = "responseStatusCode" in event or "responseErrorReason" in event
        main = event.get("frameId") == self.frame and event.get("resourceType") == "Document"
        method, params = "Fetch.continueRequest", {}
        if answered:
            if main and not self._take(event):
                method, params = "Fetch.failRequest", {"errorReason": "Aborted"}
        elif not main and self._blocked.stops(event["resourceType"], event["request"]["url"]):
            method, params = "Fetch.failRequest", {"errorReason": "BlockedByClient"}
        else:
            params = self._changed(event["request"], main)
        self._answer(method, {"requestId": event["requestId"], **params})

    def _answer(self, method: str, params: dict[str, Any]) -> None:
        answer = asyncio.ensure_future(self._send(method, params))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    async def _send(self, method: str, params: dict[str, Any]) -> None:
        try:
            await self._session.send(method, params)
        except Error as error:
            # The request was given up meanwhile, or the page is gone: others notice that.
            log.debug("browser_request_gone", method=method, reason=str(error)[:200])

    # ------------------------------------------------------------ what came

    def _take(self, event: dict[str, Any]) -> bool:
        """Notes an answer for the main frame; whether it may go on."""
        status = event.get("responseStatusCode", 0)
        if not status:
            return True
        fields = tuple((one["name"], one["value"]) for one in event.get("responseHeaders", ()))
        url = event["request"]["url"] + event["request"].get("urlFragment", "")
        locations = all_of(fields, "location")
        if status in _REDIRECTS and locations:
            self._chain.append(Redirect(url, status))
            self.heading = resolved(url, locations[0]) or ""
            if len(self._chain) > self._max_redirects:
                text = f"The target redirects more than {self._max_redirects} times."
                self.failure = TooManyRedirects(text)
                return False
            return True
        if self.last is not None:
            # The page moved on by itself: its former documents led here.
            self._chain.insert(0, Redirect(self.last.url, self.last.status))
        self.redirects = (*self.redirects, *self._chain)[-self._max_redirects or None :]
        self._chain = []
        kinds = all_of(fields, "content-type")
        raw = bool(kinds) and not kinds[0].lower().lstrip().startswith(_MARKUP)
        self.last = Document(url, status, fields, raw)
        if not raw and self._keeping:
            # Chromium would tell of every request from here on.
            self._keeping = False
            self._answer("Network.disable", {})
        self.cut = ""
        self._broken.clear()
        self.count += 1
        self._moved.set()
        if self.count > _MOST_NAVIGATIONS:
            self.failure = TooManyRedirects("The page never stops leading elsewhere.")
        return self.count <= _MOST_NAVIGATIONS

    def _on_log(self, event: dict[str, Any]) -> None:
        entry = event["entry"]
        code = network_code(entry.get("text", ""))
        whose = without_fragment(entry.get("url", ""))
        if code in _CUT and self.last is not None and whose == without_fragment(self.last.url):
            self.cut = code
            self._broken.set()

    async def broken(self) -> None:
        """Returns when the last document is known to have ended early. Has no time-out itself."""
        await self._broken.wait()

    async def next(self, since: int) -> None:
        """Returns when the main frame had more than so many documents. Has no time-out itself."""
        while self.count <= since:
            self._moved.clear()
            await self._moved.wait()

    # ------------------------------------------------------------ what goes out

    def _changed(self, request: dict[str, Any], main: bool) -> dict[str, Any]:
        """The overrides for a request, none if it is to go out as it is."""
        changes = self._changes
        if not changes.any or _origin(request["url"]) != changes.origin:
            return {}
        params: dict[str, Any] = {}
        own = dict(changes.headers)
        if main and self._first:
            self._first = False
            if changes.method != "GET":
                params["method"] = changes.method
            if changes.body is not None:
                params["postData"] = b64encode(changes.body).decode()
        elif not main or request["method"] == "GET":
            own.pop("content-type", None)
        if own:
            kept = [
                {"name": name, "value": value}
                for name, value in request["headers"].items()
                if name.lower() not in own
            ]
            # Chromium keeps one line of a name; a list in one line means the same (RFC 9110, 5.3).
            lines = [(name, ", ".join(given)) for name, given in own.items() if given]
            params["headers"] = [*kept, *({"name": name, "value": line} for name, line in lines)]
        return params


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
