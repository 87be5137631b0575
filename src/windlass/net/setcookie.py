"""One Set-Cookie line, read as browsers read it (RFC 6265 as revised by 6265bis).

Used by net/cookies.py, which keeps what comes out. Knows hosts, paths and public suffixes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Literal, cast

import msgspec
from ada_url import URL, idna_to_ascii

from windlass.model.request import Cookie
from windlass.net.headers import UNFIT

MAX_COOKIE_BYTES = 4096
"""Name and value of one cookie; larger ones are not kept (6265bis section 5.6)."""
MAX_AGE_S = 400 * 86400
"""The longest life a cookie gets (6265bis section 5.5)."""
_MAX_ATTRIBUTE_BYTES = 1024

_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_SAME_SITE = frozenset({"strict", "lax", "none"})


class Site(msgspec.Struct, frozen=True):
    """What matters of a URL: host in lower-case ASCII, path, whether it is https."""

    host: str
    path: str
    secure: bool


def site_of(url: str) -> Site | None:
    """What matters of a URL, None if it is no URL."""
    try:
        parsed = URL(url)
    except ValueError:
        return None
    # Browsers take loopback for secure (Secure Contexts section 3.1), so that sites behave there
    # as they will elsewhere.
    host = parsed.hostname
    secure = parsed.protocol == "https:" or is_this_machine(host)
    return Site(host, parsed.pathname or "/", secure)


def is_this_machine(host: str) -> bool:
    """Whether a URL's host is loopback by its spelling."""
    return host in ("localhost", "[::1]") or bool(_IPV4.fullmatch(host) and host[:4] == "127.")


def _is_address(host: str) -> bool:
    return host[:1] == "[" or bool(_IPV4.fullmatch(host))


def domain_matches(host: str, domain: str) -> bool:
    """Whether a cookie for `domain` and below belongs on `host` (RFC 6265 section 5.1.3)."""
    return host == domain or (host.endswith("." + domain) and not _is_address(host))


def path_matches(path: str, wanted: str) -> bool:
    """Whether a cookie for the path `wanted` belongs on `path` (RFC 6265 section 5.1.4)."""
    if not path.startswith(wanted):
        return False
    return len(path) == len(wanted) or wanted[-1:] == "/" or path[len(wanted)] == "/"


def _default_path(path: str) -> str:
    """The folder of a path without its last slash, "/" at the top."""
    return path[: path.rfind("/")] or "/" if path[:1] == "/" else "/"


@cache
def _public_suffixes() -> Callable[[str], bool]:
    # 70 ms and 2.5 MB, and most sites never set a cookie for more than one host.
    from publicsuffixlist import PublicSuffixList

    return cast(Callable[[str], bool], PublicSuffixList().is_public)


def _is_public_suffix(domain: str) -> bool:
    """Whether anybody may register names below a domain ("co.uk", "github.io")."""
    return _public_suffixes()(domain)


def cookie_size(name: str, value: str) -> int:
    """Bytes of name and value. Raises UnicodeEncodeError for what UNFIT finds."""
    return len(name.encode()) + len(value.encode())


def canonical_domain(domain: str) -> str:
    """Lower-case ASCII without the leading dot; "" if it is no domain."""
    domain = domain.strip(" \t").removeprefix(".").lower()
    if domain.isascii():
        return domain
    try:
        return idna_to_ascii(domain).decode("ascii")
    except ValueError:
        return ""


def parse_set_cookie(line: str, site: Site) -> Cookie | None:
    """The cookie that a line asks for, None if a browser would ignore it (6265bis section 5.6)."""
    if UNFIT.search(line):
        return None
    pair, *attributes = line.split(";")
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", pair
    name, value = name.strip(" \t"), value.strip(" \t")
    if not 0 < cookie_size(name, value) <= MAX_COOKIE_BYTES:
        return None
    wishes: dict[str, str] = {}
    for attribute in attributes:
        key, _, text = attribute.partition("=")
        if len(text) <= _MAX_ATTRIBUTE_BYTES:
            wishes[key.strip(" \t").lower()] = text.strip(" \t")  # the last of several counts
    return _granted(name, value, wishes, site)


def _granted(name: str, value: str, wishes: dict[str, str], site: Site) -> Cookie | None:
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
    domain = canonical_domain(wish)
    if not domain:
        return None if wish.strip(" \t.") else ""
    if domain == host:
        return "" if _is_address(host) or _is_public_suffix(domain) else domain
    if not domain_matches(host, domain) or _is_public_suffix(domain):
        return None
    return domain


def _keeps_its_promises(cookie: Cookie, wishes: dict[str, str], site: Site) -> bool:
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
