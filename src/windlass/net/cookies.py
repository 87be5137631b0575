"""The cookies of one session or one single request (RFC 6265 as revised by 6265bis).

Drivers ask it what to send and tell it what was set, on every hop. It never touches the network
and is never shared unless the caller passes the same jar.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec

from windlass.model.request import Cookie
from windlass.net.headers import UNFIT
from windlass.net.setcookie import (
    MAX_COOKIE_BYTES,
    Site,
    canonical_domain,
    cookie_size,
    domain_matches,
    parse_set_cookie,
    path_matches,
    site_of,
)

MAX_PER_DOMAIN = 180
MAX_COOKIES = 1000
MAX_HEADER_BYTES = 32_768
"""The Cookie header: what does not fit is left out, least specific path first."""
_SESSION_END = float("inf")

_Key = tuple[str, str, str]
"""(domain, path, name): cookies equal in all three replace each other."""


class _Held(msgspec.Struct):
    cookie: Cookie
    """With `domain` filled in."""
    created: int
    """Order of creation; a replaced cookie keeps that of the first."""


class CookieJar:
    """Cookies by the rules of browsers, bounded in number and size.

    `cookies` is what an earlier jar exported or what the caller wants sent. Those without a
    domain belong to the host of `url`; without `url` they are dropped. `owner` says whose session
    they are of: drivers may keep more than cookies for it, never for anybody else.
    """

    def __init__(self, cookies: tuple[Cookie, ...] = (), url: str = "", owner: str = "") -> None:
        self.owner = owner
        self._held: dict[_Key, _Held] = {}
        self._created = 0
        if cookies:
            self.add(cookies, url)

    def add(self, cookies: Iterable[Cookie], url: str = "") -> None:
        """Takes in cookies as given: no rule about who may set them, for the caller may.

        Cookies without a domain get that of `url` and are sent to that host only. Names and
        values that cannot be sent in a header are dropped.
        """
        cookies = tuple(cookies)
        site = site_of(url) if url and cookies else None
        for cookie in cookies:
            domain = canonical_domain(cookie.domain) or (site.host if site else "")
            if not domain or not _sendable(cookie.name, cookie.value):
                continue
            self._put(
                msgspec.structs.replace(
                    cookie,
                    domain=domain,
                    path=cookie.path if cookie.path[:1] == "/" else "/",
                    host_only=cookie.host_only or not cookie.domain,
                )
            )
        self._evict()

    def cookies_for(self, url: str) -> str:
        """The Cookie header value for a URL, "" if there is none."""
        if not self._held or (site := site_of(url)) is None:
            return ""
        now = time.time()
        fitting = [held for held in self._held.values() if _fits(held.cookie, site, now)]
        fitting.sort(key=lambda held: (-len(held.cookie.path), held.created))
        pairs: list[str] = []
        size = 0
        for held in fitting:
            cookie = held.cookie
            pair = f"{cookie.name}={cookie.value}" if cookie.name else cookie.value
            size += len(pair) + 2
            if size > MAX_HEADER_BYTES:
                break
            pairs.append(pair)
        return "; ".join(pairs)

    def store(self, url: str, set_cookie: Iterable[str]) -> None:
        """Takes in Set-Cookie lines that `url` answered with; lines against the rules do nothing.

        An expired cookie deletes its predecessor.
        """
        site: Site | None = None
        for line in set_cookie:
            site = site or site_of(url)
            if site is None:
                return
            cookie = parse_set_cookie(line, site)
            if cookie is not None and self._may_set(cookie, site):
                self._put(cookie)
        if site is not None:
            self._evict()

    def export(self) -> tuple[Cookie, ...]:
        """Every cookie that has not expired, oldest first, domains filled in."""
        now = time.time()
        alive = [held for held in self._held.values() if _expiry(held.cookie) > now]
        return tuple(held.cookie for held in sorted(alive, key=lambda held: held.created))

    def _may_set(self, cookie: Cookie, site: Site) -> bool:
        """Whether an insecure answer would overlay a secure cookie (6265bis section 5.7)."""
        if site.secure:
            return True
        return not any(
            held.cookie.secure
            and held.cookie.name == cookie.name
            and path_matches(cookie.path, held.cookie.path)
            and (
                domain_matches(held.cookie.domain, cookie.domain)
                or domain_matches(cookie.domain, held.cookie.domain)
            )
            for held in self._held.values()
        )

    def _put(self, cookie: Cookie) -> None:
        key = (cookie.domain, cookie.path, cookie.name)
        before = self._held.pop(key, None)
        if _expiry(cookie) <= time.time():
            return
        self._created += 1
        self._held[key] = _Held(cookie, before.created if before else self._created)

    def _evict(self) -> None:
        """Forgets what expired and, beyond the bounds, what was set longest ago."""
        if len(self._held) <= MAX_PER_DOMAIN:
            return
        now = time.time()
        by_domain: dict[str, int] = {}
        kept: dict[_Key, _Held] = {}
        for key, held in reversed(self._held.items()):
            count = by_domain.get(key[0], 0)
            if _expiry(held.cookie) <= now or count == MAX_PER_DOMAIN or len(kept) == MAX_COOKIES:
                continue
            by_domain[key[0]] = count + 1
            kept[key] = held
        self._held = dict(reversed(kept.items()))


def _expiry(cookie: Cookie) -> float:
    return _SESSION_END if cookie.expires is None else cookie.expires


def _fits(cookie: Cookie, site: Site, now: float) -> bool:
    if cookie.host_only:
        if site.host != cookie.domain:
            return False
    elif not domain_matches(site.host, cookie.domain):
        return False
    if cookie.secure and not site.secure:
        return False
    return path_matches(site.path, cookie.path) and _expiry(cookie) > now


def _sendable(name: str, value: str) -> bool:
    if UNFIT.search(name) or UNFIT.search(value) or ";" in name or ";" in value:
        return False
    return "=" not in name and 0 < cookie_size(name, value) <= MAX_COOKIE_BYTES
