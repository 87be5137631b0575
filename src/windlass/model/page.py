"""Page: what a driver brought back. Extraction: that page after the formats asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from windlass.errors import WindlassError
from windlass.model.render import (
    ActionsReport,
    Capture,
    CapturedCall,
    FetchedCall,
    Screenshot,
)
from windlass.model.request import Cookie


class Redirect(msgspec.Struct, frozen=True):
    """One hop before the final URL: the URL that redirected and the status it answered with."""

    url: str
    status: int


def all_of(headers: Iterable[tuple[str, str]], name: str) -> list[str]:
    """Every value of a header, whatever its case."""
    wanted, length = name.lower(), len(name)
    # Ten headers are looked through ten times a page: most are told apart by their length.
    return [value for key, value in headers if len(key) == length and key.lower() == wanted]


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why something failed, in a form that can be stored. `code` is the error class's code."""

    code: str
    message: str
    retryable: bool = False

    @classmethod
    def of(cls, error: WindlassError) -> Failure:
        """The storable form of an error, with its text only if callers may see it."""
        return cls(error.code, error.public_message, error.retryable)


class CallRecord(msgspec.Struct, frozen=True, array_like=True):
    """One call that a rendered page made, as recipes see it (contract 7.8.6). `status` 0: no
    answer came. `body` is empty if it is no text."""

    url: str
    method: str = "GET"
    status: int = 0
    body: str = ""


class Rendering(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser brought besides the page itself (contract 7.4)."""

    actions: ActionsReport | None = None
    """None: none were asked for."""
    captures: tuple[Capture, ...] = ()
    """One per filter, in their order."""
    calls: tuple[CapturedCall, ...] = ()
    """Every call, if all were to be noted."""
    cookies: tuple[Cookie, ...] = ()
    """What `get_cookies` collected."""
    evals: tuple[Any, ...] = ()
    fetches: tuple[FetchedCall, ...] = ()
    screenshots: tuple[Screenshot, ...] = ()
    metrics: dict[str, float] = {}
    """Performance metrics by name, as Chromium counts them; empty if not asked for."""

    def noted_calls(self) -> tuple[CallRecord, ...]:
        """What the page called, each call once, as far as somebody asked for it."""
        caught = [call for capture in self.captures for call in capture.calls]
        noted = {
            CallRecord(call.url, call.method, call.status, "" if call.binary else call.body): None
            for call in (*self.calls, *caught)
        }
        return tuple(noted)

    def asked_for(self, action: str) -> bool:
        """Whether an action of that name was done."""
        results = self.actions.results if self.actions else ()
        return any(result.name == action and result.status == "done" for result in results)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One final answer. `body` has every content encoding undone and is at most the byte cap.

    `failure` is set when the body is not whole (truncated, capped, bad compression): what could
    be read is in `body` all the same. NotAPage: it was not read, because only pages were wanted.
    """

    url: str
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    redirects: tuple[Redirect, ...] = ()
    cookies: tuple[Cookie, ...] = ()
    driver: str = "vx6"
    failure: Failure | None = None
    egress: str = ""
    """Label of the proxy used; empty = the machine's own address."""
    body_type: str = ""
    """Content-Type of `body` where it is not the header's: a serialised DOM is UTF-8."""
    rendering: Rendering | None = None
    """None: no browser was used."""
    again: Failure | None = None
    """Why the caller would rather have it tried again than take it as it is."""
    warnings: tuple[str, ...] = ()

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        return next(iter(all_of(self.headers, name)), None)


class Extraction(msgspec.Struct, frozen=True, kw_only=True):
    """A page after its formats. `values` maps a format name to what it made of the page.

    `failure` None means success. `partial` means the values come from a body that is not whole.
    """

    url: str
    status: int = 0
    values: dict[str, Any] = {}
    redirects: tuple[Redirect, ...] = ()
    driver: str = ""
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    partial: bool = False
    egress: str = ""
    rendering: Rendering | None = None
    again: Failure | None = None
    headers: tuple[tuple[str, str], ...] = ()
    """The page's own, whatever the formats are."""
    answered_at: float = 0.0
    """time.monotonic() when the page was there."""

    def all_of(self, header: str) -> list[str]:
        """Every value of a header, whatever its case."""
        return all_of(self.headers, header)

    next_page: dict[str, Any] | None = None
    """The parameters with which an agent brings the next page, if one is known of."""
