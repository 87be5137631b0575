"""Where a request goes next, as browsers decide it: pure functions shared by the drivers.

A Hop is one request of the chain, a Trail what lies behind it. Nothing here sends anything.
"""

from __future__ import annotations

import re
from base64 import b64encode
from urllib.parse import unquote_to_bytes

import msgspec
from ada_url import URL

from windlass.errors import BadRedirect, InvalidRequest, RedirectLoop, TooManyRedirects
from windlass.model.page import Redirect
from windlass.model.request import ExtractRequest
from windlass.net.plainurls import taken_apart
from windlass.net.setcookie import is_this_machine

FOLLOWED = frozenset({301, 302, 303, 307, 308})
"""The statuses whose Location browsers follow (Fetch, "redirect status"); 300 is not one."""
MAX_URL_BYTES = 65_536
MAX_VISITS = 2
"""Requests of one URL, method and Cookie header after which another one is a loop. Not 1: some
sites send a visitor back once and remember his address."""

_SCHEMES = ("http:", "https:")
_PORT = re.compile(r":[0-9]+$")


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a chain. `url` is absolute and normalised (WHATWG), without user info.

    `at_home` False: a redirect left the origin that the caller's Authorization, Cookie and Host
    headers were meant for; they never come back. `authorization` is what the URL's own user info
    asks for. `referrer` is a URL or "".
    """

    url: str
    origin: str
    method: str = "GET"
    body: bytes | None = None
    at_home: bool = True
    authorization: str = ""
    referrer: str = ""

    @property
    def secure(self) -> bool:
        """Whether browsers take the origin for trustworthy: https, or this machine."""
        return self.url.startswith("https:") or _is_local(self.origin)


class Trail(msgspec.Struct, frozen=True):
    """The answers that redirected so far, and the requests sent so far, in order."""

    redirects: tuple[Redirect, ...] = ()
    requests: tuple[str, ...] = ()


def first_hop(request: ExtractRequest) -> Hop:
    """The request as the caller wishes it, without a referrer yet.

    Raises InvalidRequest for what cannot be fetched.
    """
    url, origin, authorization = _normal(request.url)
    try:
        body = None if request.body is None else request.body.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest("The body holds characters that cannot be encoded.") from error
    return Hop(
        url=url,
        origin=origin,
        method=request.method,
        body=body,
        authorization=authorization,
    )


def _normal(url: str) -> tuple[str, str, str]:
    """A URL as the standard writes it, its origin, and what its user info asks for."""
    if plain := taken_apart(url):
        return url, plain[1], ""
    parsed = _parsed(url)
    if parsed is None or parsed.protocol not in _SCHEMES:
        raise InvalidRequest("The URL must be an absolute http or https URL.")
    authorization = _take_credentials(parsed)
    return parsed.href, parsed.origin, authorization


def redirected(hop: Hop, status: int, location: str | None) -> Hop | None:
    """The request that a redirect leads to, None if the answer is to be taken as it is.

    301 and 302 turn POST into GET, 303 everything, 307 and 308 nothing (RFC 9110 section 15.4 as
    Fetch has it). The fragment is inherited. Raises BadRedirect.
    """
    if status not in FOLLOWED or not location:
        return None
    target = _target(hop.url, location)
    if not target.hash and (fragment := _fragment(hop.url)):
        target.hash = fragment
    becomes_get = status == 303 or (status in (301, 302) and hop.method == "POST")
    authorization = _take_credentials(target)
    stays = target.origin == hop.origin
    return msgspec.structs.replace(
        hop,
        url=target.href,
        origin=target.origin,
        method="GET" if becomes_get else hop.method,
        body=None if becomes_get else hop.body,
        at_home=hop.at_home and stays,
        authorization=authorization or (hop.authorization if stays else ""),
    )


def refreshed(hop: Hop, target_url: str) -> Hop | None:
    """The request that a page's refresh leads to, None if a browser would not leave the page.

    `target_url` is absolute. A refresh is a navigation of its own: GET, with the page as referrer.
    """
    target = _parsed(target_url)
    if target is None or target.protocol not in _SCHEMES or len(target.href) > MAX_URL_BYTES:
        return None
    authorization = _take_credentials(target)
    if without_fragment(target.href) == without_fragment(hop.url):
        return None
    stays = target.origin == hop.origin
    return Hop(
        url=target.href,
        origin=target.origin,
        at_home=hop.at_home and stays,
        authorization=authorization or (hop.authorization if stays else ""),
        referrer=without_fragment(hop.url),
    )


def followed(trail: Trail, hop: Hop, status: int, cookies: str, limit: int) -> Trail:
    """The trail after `hop`, sent with these cookies, was answered by a redirect to be followed.

    Raises RedirectLoop when the same was sent too often, TooManyRedirects beyond `limit`. What
    is counted includes the cookies, for many sites redirect to the same URL until theirs are set.
    """
    sent = f"{hop.method} {without_fragment(hop.url)} {cookies}"
    requests = (*trail.requests, sent)
    if requests.count(sent) > MAX_VISITS:
        raise RedirectLoop(f"The target redirects in a circle, back to {hop.url}.")
    if len(requests) > limit:
        if len(set(requests)) < len(requests):
            raise RedirectLoop(f"The target redirects in a circle of {len(set(requests))} URLs.")
        raise TooManyRedirects(f"The target redirects more than {limit} times.")
    return Trail((*trail.redirects, Redirect(hop.url, status)), requests)


def resolved(base: str, reference: str) -> str | None:
    """A reference in a document at `base` as an absolute URL (WHATWG), None if it is none."""
    parsed = _parsed(reference, base)
    return None if parsed is None else parsed.href


def without_fragment(url: str) -> str:
    """The URL as it is requested."""
    return url.partition("#")[0]


def _target(base: str, location: str) -> URL:
    if len(location) > MAX_URL_BYTES:
        raise BadRedirect("The target redirects to an overlong address.")
    target = _parsed(location, base)
    if target is None:
        raise BadRedirect(f"The target redirects to {location[:200]!r}, which is no address.")
    if target.protocol not in _SCHEMES:
        scheme = target.protocol.removesuffix(":")
        raise BadRedirect(f"The target redirects to the scheme {scheme!r}, which is not followed.")
    return target


def _parsed(url: str, base: str | None = None) -> URL | None:
    try:
        return URL(url, base) if base else URL(url)
    except ValueError:
        return None


def _fragment(url: str) -> str:
    return url.partition("#")[2]


def _take_credentials(url: URL) -> str:
    """Removes user info from a URL; returns the Authorization value it stands for, or ""."""
    if not url.username and not url.password:
        return ""
    pair = unquote_to_bytes(url.username) + b":" + unquote_to_bytes(url.password)
    url.username = url.password = ""
    return "Basic " + b64encode(pair).decode()


def _is_local(origin: str) -> bool:
    return is_this_machine(_PORT.sub("", origin.partition("://")[2]))
