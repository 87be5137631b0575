"""The request headers that a browser of the wanted kind would send, with the caller's merged in.

Used by the drivers. Pure: the same request, hop and cookies always give the same headers.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from windlass.drivers.locales import accept_language, resolved_locale
from windlass.drivers.looks import Look, brands, look_of, user_agent
from windlass.drivers.redirects import Hop, first_hop, resolved, without_fragment
from windlass.errors import InvalidRequest
from windlass.model.request import ExtractRequest, HeaderValue, Referrer
from windlass.net.headers import FRAMING, TOKEN, UNFIT

Fields = list[tuple[str, str]]
"""Header names and values in the order they are sent."""

CREDENTIALS = frozenset(("authorization", "cookie", "cookie2", "host"))
"""The caller's headers that end at the origin they were given for."""
_CONTENT = frozenset(
    ("content-type", "content-encoding", "content-language", "content-location", "origin")
)
"""The caller's headers that go with the body (Fetch, "request-body-header name")."""

EXTERNAL_REFERRERS: dict[str, str] = {
    "google": "https://www.google.com/",
    "bing": "https://www.bing.com/",
    "facebook": "https://www.facebook.com/",
    "twitter": "https://twitter.com/",
    "instagram": "https://www.instagram.com/",
}
"""What a visitor coming from there sends: these sites let only their origin through (Referrer
Policy "origin", which shows it to plain http too)."""
_SHOWN_TO_ALL = frozenset(EXTERNAL_REFERRERS.values())


def opening(request: ExtractRequest, draw: int = 0) -> Hop:
    """The first hop, coming from where the request's referrer policy says.

    `draw` chooses for "random"; any number does. Raises InvalidRequest.
    """
    hop = first_hop(request)
    return msgspec.structs.replace(hop, referrer=referrer_of(request.referrer, hop.url, draw))


def referrer_of(referrer: Referrer, url: str, draw: int = 0) -> str:
    """The page that a request of this policy seems to come from, "" for none."""
    if referrer == "random":
        known = tuple(EXTERNAL_REFERRERS.values())
        return known[draw % len(known)]
    if referrer == "same-origin":
        return resolved(url, "/") or ""
    return EXTERNAL_REFERRERS.get(referrer, "")


class _Situation(msgspec.Struct, frozen=True):
    """Everything that the generated headers depend on."""

    look: Look
    language: str
    xhr: bool
    secure: bool
    method: str
    site: str
    referer: str
    origin: str
    agent: str


def compose(request: ExtractRequest, hop: Hop, cookies: str, agent: str = "") -> Fields:
    """The headers of one hop, all but Host and Content-Length, in the order browsers send them.

    `cookies` is the jar's Cookie value for the hop; `agent` replaces the generated User-Agent.
    The caller's headers replace generated ones whatever their case, None suppresses, a list
    repeats. Raises InvalidRequest for a header that cannot be sent (line breaks and the like).
    """
    situation = _situation(request, hop, agent)
    fields = list(_generated(situation))
    content_type = request.body_type or "text/plain;charset=UTF-8"
    if hop.body is not None:
        fields.insert(1, ("Content-Type", content_type))
    if hop.authorization:
        fields.append(("Authorization", hop.authorization))
    given = _permitted(request, hop)
    if cookies and not ("cookie" in given and given["cookie"][1] is None):
        own = given.pop("cookie", ("Cookie", []))
        fields.append((own[0], "; ".join([*_lines(own[1]), cookies])))
    return _merged(fields, given) if given else fields


def check_header(name: str, value: HeaderValue) -> None:
    """Raises InvalidRequest if a header would not stay one header on the wire (RFC 9110, 5.1)."""
    if not TOKEN.fullmatch(name):
        raise InvalidRequest(f"The header name {name[:64]!r} is not valid.")
    if any(UNFIT.search(line) for line in _lines(value)):
        raise InvalidRequest(f"The value of the header {name} holds control characters.")


_Given = dict[str, tuple[str, HeaderValue]]
"""Lower-case name to the name as written and its value."""


def _permitted(request: ExtractRequest, hop: Hop) -> _Given:
    """The caller's headers that belong on this hop."""
    given: _Given = {}
    for name, value in request.headers.items():
        check_header(name, value)
        key = name.lower()
        if key in FRAMING or (key == "host" and not _lines(value)):
            continue
        if not hop.at_home and key in CREDENTIALS:
            continue
        if hop.body is None and request.body is not None and key in _CONTENT:
            continue
        if key in given and value is not None:  # the same name in two spellings
            value = [*_lines(given[key][1]), *_lines(value)]
        given[key] = (name, value)
    return given


def _lines(value: HeaderValue) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


def _merged(fields: Fields, given: _Given) -> Fields:
    """Generated fields with the caller's in their places, and his others behind."""
    merged: Fields = []
    for name, text in fields:
        own = given.get(name.lower())
        if own is None:
            merged.append((name, text))
            continue
        merged += [(own[0], line) for line in _lines(own[1])]
        del given[name.lower()]
    for name, value in given.values():
        merged += [(name, line) for line in _lines(value)]
    return merged


def _situation(request: ExtractRequest, hop: Hop, agent: str) -> _Situation:
    site = _relation(request, hop)
    referrer = hop.referrer
    if not referrer and request.is_xhr and request.referrer != "no-referrer":
        referrer = f"{hop.origin}/"
    return _Situation(
        look=look_of(request.emulation),
        language=accept_language(resolved_locale(request.locale, request.place.country)),
        xhr=request.is_xhr,
        secure=hop.secure,
        method=hop.method,
        site=site,
        referer=_trimmed(referrer, hop),
        origin=hop.origin if hop.method != "GET" else "",
        agent=agent,
    )


def _relation(request: ExtractRequest, hop: Hop) -> str:
    """Sec-Fetch-Site: how the page that asks relates to the one asked for."""
    if not hop.referrer:
        return "same-origin" if request.is_xhr and hop.at_home else _NO_PAGE[request.is_xhr]
    same = hop.at_home and hop.referrer.startswith(f"{hop.origin}/")
    return "same-origin" if same else "cross-site"


_NO_PAGE = {False: "none", True: "cross-site"}


def _trimmed(referrer: str, hop: Hop) -> str:
    """What of the referrer is shown (Referrer Policy, strict-origin-when-cross-origin)."""
    if referrer in _SHOWN_TO_ALL:
        return referrer
    if not referrer or (referrer.startswith("https:") and hop.url.startswith("http:")):
        return ""
    if referrer.startswith(f"{hop.origin}/"):
        return without_fragment(referrer)
    return resolved(referrer, "/") or ""


@lru_cache(maxsize=512)
def _generated(at: _Situation) -> tuple[tuple[str, str], ...]:
    if at.look.browser == "firefox" and not at.look.webkit:
        return _firefox(at)
    return _webkit(at) if at.look.webkit else _chrome(at)


def _chrome(at: _Situation) -> tuple[tuple[str, str], ...]:
    fields: Fields = [("Connection", "keep-alive")]
    if at.secure:
        system = {"windows": "Windows", "mac os": "macOS", "linux": "Linux"}
        fields += [
            ("sec-ch-ua", brands(at.look.version)),
            ("sec-ch-ua-mobile", "?1" if at.look.device == "mobile" else "?0"),
            ("sec-ch-ua-platform", f'"{system.get(at.look.os, "Android")}"'),
        ]
    if not at.xhr:
        fields.append(("Upgrade-Insecure-Requests", "1"))
    fields += [("User-Agent", at.agent or user_agent(at.look)), *_accept(at), *_origin(at)]
    fields += [*_fetch_metadata(at), *_referer(at), ("Accept-Encoding", _codings(at))]
    fields.append(("Accept-Language", at.language))
    return tuple(fields)


def _firefox(at: _Situation) -> tuple[tuple[str, str], ...]:
    fields: Fields = [("User-Agent", at.agent or user_agent(at.look)), *_accept(at)]
    fields += [("Accept-Language", at.language), ("Accept-Encoding", _codings(at))]
    fields += [*_origin(at), ("Connection", "keep-alive"), *_referer(at)]
    if not at.xhr:
        fields.append(("Upgrade-Insecure-Requests", "1"))
    fields += [*_fetch_metadata(at), ("Priority", "u=0" if at.xhr else "u=0, i")]
    return tuple(fields)


def _webkit(at: _Situation) -> tuple[tuple[str, str], ...]:
    fields: Fields = [*_accept(at), *_origin(at), *_fetch_metadata(at), *_referer(at)]
    fields += [("User-Agent", at.agent or user_agent(at.look))]
    fields += [("Accept-Language", at.language), ("Accept-Encoding", _codings(at))]
    return (*fields, ("Connection", "keep-alive"))


def _accept(at: _Situation) -> Fields:
    if at.xhr:
        return [
            ("X-Requested-With", "XMLHttpRequest"),
            ("Accept", "application/json, text/plain, */*"),
        ]
    pages = "text/html,application/xhtml+xml,application/xml;q=0.9,"
    if at.look.browser == "firefox" or at.look.webkit:
        return [("Accept", f"{pages}*/*;q=0.8")]
    rest = "image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
    return [("Accept", pages + rest)]


def _codings(at: _Situation) -> str:
    """Browsers ask for the newer codings only where no old proxy can spoil them."""
    if not at.secure:
        return "gzip, deflate"
    return "gzip, deflate, br" if at.look.webkit else "gzip, deflate, br, zstd"


def _origin(at: _Situation) -> Fields:
    return [("Origin", at.origin)] if at.origin else []


def _referer(at: _Situation) -> Fields:
    return [("Referer", at.referer)] if at.referer else []


def _fetch_metadata(at: _Situation) -> Fields:
    """The Sec-Fetch headers, which browsers send to trustworthy origins only."""
    if not at.secure:
        return []
    if at.xhr:
        mode, target, user = "cors", "empty", False
    else:
        mode, target, user = "navigate", "document", not at.look.webkit
    fields = [("Sec-Fetch-Site", at.site), ("Sec-Fetch-Mode", mode)]
    if user:
        fields.append(("Sec-Fetch-User", "?1"))
    return [*fields, ("Sec-Fetch-Dest", target)]
