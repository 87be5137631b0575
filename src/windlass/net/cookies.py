"""The cookies of one session or one single request (RFC 6265 as revised by 6265bis).

Drivers ask it what to send and tell it what was set, on every hop. It never touches the network
and is never shared unless the caller passes the same jar.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Literal, cast

import msgspec
from ada_url import URL, idna_to_ascii

from windlass.model.request import Cookie

MAX_COOKIE_BYTES = 4096
"""Name and value of one cookie; larger ones are not kept (6265bis section 5.6)."""
MAX_ATTRIBUTE_BYTES = 1024
MAX_PER_DOMAIN = 180
MAX_COOKIES = 1000
MAX_HEADER_BYTES = 32_768
"""The Cookie header: what does not fit is left out, least specific path first."""
MAX_AGE_S = 400 * 86400
"""The longest life a cookie gets (6265bis section 5.5)."""

_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
"""Control characters, and lone surrogates, which no encoding carries."""
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_SAME_SITE = frozenset({"strict", "lax", "none"})
_SESSION_END = float("inf")

_Key = tuple[str, str, str]
"""(domain, path, name): cookies equal in all three replace each other."""


class _Site(msgspec.Struct, frozen=True):
    """What matters of a URL: host in lower-case ASCII, path, whether it is https."""

    host: str
    path: str
    secure: bool


class _Held(msgspec.Struct):
    cookie: Cookie
    """With `domain` filled in."""
    created: int
    """Order of creation; a replaced cookie keeps that of the first."""


def _site(url: str) -> _Site | None:
    try:
        parsed = URL(url)
    except ValueError:
        return None
    # Browsers take loopback for secure (Secure Contexts section 3.1), so that sites behave there
    # as they will elsewhere.
    host = parsed.hostname
    secure = parsed.protocol == "https:" or is_this_machine(host)
    return _Site(host, parsed.pathname or "/", secure)


def is_this_machine(host: str) -> bool:
    """Whether a URL's host is loopback by its spelling."""
    return host in ("localhost", "[::1]") or bool(_IPV4.fullmatch(host) and host[:4] == "127.")


def _is_address(host: str) -> bool:
    return host[:1] == "[" or bool(_IPV4.fullmatch(host))


def _domain_matches(host: str, domain: str) -> bool:
    """RFC 6265 section 5.1.3."""
    return host == domain or (host.endswith("." + domain) and not _is_address(host))


def _path_matches(path: str, wanted: str) -> bool:
    """RFC 6265 section 5.1.4."""
    if not path.startswith(wanted):
        return False
    return len(path) == len(wanted) or wanted[-1:] == "/" or path[len(wanted)] == "/"


def _default_path(path: str) -> str:
    """The folder of a path without its last slash, "/" at the top."""
    return path[: path.rfind("/")] or "/" if path[:1] == "/" else "/"


_public_suffix: Callable[[str], bool] | None = None


def _is_public_suffix(domain: str) -> bool:
    """Whether anybody may register names below a domain ("co.uk", "github.io")."""
    global _public_suffix
    if _public_suffix is None:
        # 70 ms and 2.5 MB, and most sites never set a cookie for more than one host.
        from publicsuffixlist import PublicSuffixList

        _public_suffix = cast(Callable[[str], bool], PublicSuffixList().is_public)
    return _public_suffix(domain)


class CookieJar:
    """Cookies by the rules of browsers, bounded in number and size.

    `cookies` is what an earlier jar exported or what the caller wants sent. Those without a
    domain belong to the host of `url`; without `url` they are dropped.
    """

    def __init__(self, cookies: tuple[Cookie, ...] = (), url: str = "") -> None:
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
        site = _site(url) if url and cookies else None
        for cookie in cookies:
            domain = _canonical_domain(cookie.domain) or (site.host if site else "")
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
        if not self._held or (site := _site(url)) is None:
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
        site: _Site | None = None
        for line in set_cookie:
            site = site or _site(url)
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

    def _may_set(self, cookie: Cookie, site: _Site) -> bool:
        """Whether an insecure answer would overlay a secure cookie (6265bis section 5.7)."""
        if site.secure:
            return True
        return not any(
            held.cookie.secure
            and held.cookie.name == cookie.name
            and _path_matches(cookie.path, held.cookie.path)
            and (
                _domain_matches(held.cookie.domain, cookie.domain)
                or _domain_matches(cookie.domain, held.cookie.domain)
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


def _fits(cookie: Cookie, site: _Site, now: float) -> bool:
    if cookie.host_only:
        if site.host != cookie.domain:
            return False
    elif not _domain_matches(site.host, cookie.domain):
        return False
    if cookie.secure and not site.secure:
        return False
    return _path_matches(site.path, cookie.path) and _expiry(cookie) > now


def _sendable(name: str, value: str) -> bool:
    if _UNFIT.search(name) or _UNFIT.search(value) or ";" in name or ";" in value:
        return False
    return "=" not in name and 0 < _size(name, value) <= MAX_COOKIE_BYTES


def _size(name: str, value: str) -> int:
    return len(name.encode()) + len(value.encode())


def _canonical_domain(domain: str) -> str:
    """Lower-case ASCII without the leading dot; "" if it is no domain."""
    domain = domain.strip(" \t").removeprefix(".").lower()
    if domain.isascii():
        return domain
    try:
        return idna_to_ascii(domain).decode("ascii")
    except ValueError:
        return ""


# ---------------------------------------------------------------- one Set-Cookie line


def parse_set_cookie(line: str, site: _Site) -> Cookie | None:
    """The cookie that a line asks for, None if a browser would ignore it (6265bis section 5.6)."""
    if _UNFIT.search(line):
        return None
    pair, *attributes = line.split(";")
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", pair
    name, value = name.strip(" \t"), value.strip(" \t")
    if not 0 < _size(name, value) <= MAX_COOKIE_BYTES:
        return None
    wishes: dict[str, str] = {}
    for attribute in attributes:
        key, _, text = attribute.partition("=")
        if len(text) <= MAX_ATTRIBUTE_BYTES:
            wishes[key.strip(" \t").lower()] = text.strip(" \t")  # the last of several counts
    return _granted(name, value, wishes, site)


def _granted(name: str, value: str, wishes: dict[str, str], site: _Site) -> Cookie | None:
    domain = _domain_of(wishes.get("domain", ""), site.host)
    if domain is None:
        return None
    path = wishes.get("path", "")
    same_site = wishes.get("samesite", "").lower()
    cookie = Cookie(
        name=name,
        value=value,
        domain=domain or site.host,
        path=path if path[:1] == "/" else _default_path(site.path),
        expires=_lifetime(wishes),
        secure="secure" in wishes,
        http_only="httponly" in wishes,
        host_only=not domain,
        same_site=cast(
            Literal["strict", "lax", "none", ""], same_site if same_site in _SAME_SITE else ""
        ),
    )
    return cookie if _keeps_its_promises(cookie, wishes, site) else None


def _domain_of(wish: str, host: str) -> str | None:
    """The domain a cookie is for, "" for this host only, None if it may not be set."""
    domain = _canonical_domain(wish)
    if not domain:
        return None if wish.strip(" \t.") else ""
    if domain == host:
        return "" if _is_address(host) or _is_public_suffix(domain) else domain
    if not _domain_matches(host, domain) or _is_public_suffix(domain):
        return None
    return domain


def _keeps_its_promises(cookie: Cookie, wishes: dict[str, str], site: _Site) -> bool:
    """Secure only from a secure origin; what the name prefixes promise (6265bis section 4.1.3)."""
    if cookie.secure and not site.secure:
        return False
    name = (cookie.name or cookie.value).lower()
    if name.startswith("__secure-"):
        return cookie.secure and bool(cookie.name)
    if name.startswith("__host-"):
        rooted = cookie.host_only and cookie.path == "/" and "path" in wishes
        return cookie.secure and rooted and bool(cookie.name)
    return True


def _lifetime(wishes: dict[str, str]) -> float | None:
    """Unix seconds of the end, None for the end of the session; Max-Age goes before Expires."""
    now = time.time()
    age = wishes.get("max-age", "")
    if re.fullmatch(r"-?[0-9]+", age):
        seconds = int(age[:20])
        return now + min(seconds, MAX_AGE_S) if seconds > 0 else 0.0
    if "expires" in wishes:
        moment = parse_cookie_date(wishes["expires"])
        return None if moment is None else min(moment, now + MAX_AGE_S)
    return None


_DATE_PARTS = re.compile(r"[^\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[^0-9].*)?")
_DAY = re.compile(r"([0-9]{1,2})(?:[^0-9].*)?")
_YEAR = re.compile(r"([0-9]{2,4})(?:[^0-9].*)?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def parse_cookie_date(text: str) -> float | None:
    """Unix seconds of an Expires value, read as leniently as browsers do (RFC 6265 5.1.1)."""
    clock: re.Match[str] | None = None
    day = month = year = None
    for part in _DATE_PARTS.findall(text):
        if clock is None and (found := _CLOCK.fullmatch(part)):
            clock = found
        elif day is None and (found := _DAY.fullmatch(part)):
            day = int(found[1])
        elif month is None and part[:3].lower() in _MONTHS:
            month = _MONTHS.index(part[:3].lower()) + 1
        elif year is None and (found := _YEAR.fullmatch(part)):
            year = int(found[1])
    if clock is None or day is None or month is None or year is None:
        return None
    if year < 100:
        year += 1900 if year >= 70 else 2000
    try:
        hour, minute, second = (int(part) for part in clock.groups())
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp() if year >= 1601 else None
