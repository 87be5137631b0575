"""ExtractRequest: one validated wish, in our own words. Submission: with all that goes with it.

Made by a dialect in wire/, stored with the task, read by drivers and formats. It is JSON-encodable
by msgspec and must stay readable by later versions: only add fields, with defaults.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from windlass.model.delivery import DeliveryOptions
from windlass.model.render import Action, CaptureFilter, RenderOptions


class Cookie(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One cookie, to send or received. `expires` is Unix seconds, None = session cookie.

    `domain` empty means the request's own host (when sending).
    """

    name: str
    value: str
    domain: str = ""
    path: str = "/"
    expires: float | None = None
    secure: bool = False
    http_only: bool = False
    host_only: bool = True
    same_site: Literal["strict", "lax", "none", ""] = ""


class Session(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Requests of one account with the same id share cookies for `timeout_s` after last use."""

    id: str
    timeout_s: float = 300.0
    retry: bool = False
    renew_on_blocked: bool = False


class Emulation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The browser to look like. Any field set asks for TLS and HTTP/2 impersonation too."""

    browser: Literal["chrome", "firefox", ""] = ""
    browser_version: str = ""
    os: Literal["windows", "mac os", "linux", "android", "ios", ""] = ""
    device: Literal["desktop", "mobile", "tablet", ""] = ""


class Place(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where the request should leave from: ISO 3166 alpha-2 or "ALL", state code, city slug."""

    country: str = ""
    state: str = ""
    city: str = ""


class Attempts(msgspec.Struct, frozen=True):
    """One step of an escalation plan: this driver, this many attempts."""

    driver: str
    count: int


HeaderValue = str | list[str] | None
Referrer = Literal[
    "",
    "random",
    "no-referrer",
    "same-origin",
    "google",
    "bing",
    "facebook",
    "twitter",
    "instagram",
]


class ExtractRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What to fetch, how, and what to make of it (contract section 7.1)."""

    url: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: dict[str, HeaderValue] = {}
    """None suppresses a header that we would send; a list repeats it. Names as the caller wrote."""
    body: str | None = None
    body_type: str = ""
    """Content-Type for `body` unless `headers` names one: set when the caller sent JSON."""
    cookies: tuple[Cookie, ...] = ()
    is_xhr: bool = False
    referrer: Referrer = ""
    http2: bool = False
    locale: str = ""
    """BCP 47 tag, or "auto" = by `place.country`."""
    emulation: Emulation = Emulation()
    place: Place = Place()
    session: Session | None = None
    expected_statuses: tuple[int, ...] = ()
    """Empty = any 2xx."""
    timeout_ms: int | None = None
    """Budget of the whole request, retries included; None = the server's default."""
    render: Literal[False, True, "auto"] = False
    driver: str = ""
    """A concrete driver name in lower case, or "" = chosen by `render`."""
    plan: tuple[Attempts, ...] = ()
    """Escalation order; only used when `driver` is empty."""
    render_options: RenderOptions = RenderOptions()
    actions: tuple[Action, ...] = ()
    """What to do on the page before it is taken; needs a browser, as captures do."""
    captures: tuple[CaptureFilter, ...] = ()
    consent: bool = False
    """Answer consent banners."""
    formats: tuple[str, ...] = ("html",)
    main_content: bool = False
    """Markdown and text of the main content only, instead of the whole page."""
    pages_only: bool = False
    """An answer whose headers say that it is no page is not read: NotAPage."""
    tag: str | None = None
    warnings: tuple[str, ...] = ()
    """What the dialect has to tell the caller about this request: ignored keys and the like."""


class Submission(msgspec.Struct, frozen=True):
    """What a caller asks for: a request, the JSON that answers repeat of it, and how its result is
    to be delivered; None: nobody asked, or the call is synchronous."""

    request: ExtractRequest
    input: bytes
    delivery: DeliveryOptions | None = None
