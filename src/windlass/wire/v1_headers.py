"""Dialect v1's headers and cookies (contract 7.1, 7.9, 2.7): every accepted form, checked.

Called by wire/v1_extract.py. What passes here can be put on the wire as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from msgspec import UNSET, UnsetType

from windlass.model.request import Cookie, HeaderValue
from windlass.net.headers import FRAMING, TOKEN
from windlass.wire.v1_body import CookieItem
from windlass.wire.v1_reading import Reading, Steps

HEADER_LIMIT = 8 * 1024
"""Bytes of one header, name and value."""
HEADERS_LIMIT = 32 * 1024
"""Bytes of all headers together."""
COOKIES_LIMIT = 4 * 1024
"""Bytes of the Cookie header that a request starts with."""

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_COOKIE_BREAKING = re.compile(r"[\x00-\x1f\x7f;]")


def read_headers(
    given: Mapping[str, HeaderValue], reading: Reading, where: Steps = ("headers",)
) -> dict[str, HeaderValue]:
    """The headers worth sending; the rest is noted as wrong or ignored. They stand at `where`."""
    kept: dict[str, HeaderValue] = {}
    total = 0
    for name, value in given.items():
        size = _header_size(name, value, reading, where)
        total += size
        if name.lower() in FRAMING:
            reading.warn(f"header {name} is ignored: it belongs to the connection")
        else:
            kept[name] = value
    if total > HEADERS_LIMIT:
        _too_long(where, HEADERS_LIMIT, reading)
    return kept


def _header_size(name: str, value: HeaderValue, reading: Reading, above: Steps) -> int:
    """Bytes of a header; notes what is wrong with it."""
    where = (*above, name)
    if not TOKEN.fullmatch(name):
        params = {"propertyName": name}
        reading.wrong(above, "property name must be valid", "propertyNames", params)
    lines = [value] if isinstance(value, str) else value or []
    for line in lines:
        if _CONTROL.search(line):
            reading.wrong(where, "must NOT contain control characters", "pattern")
    size = sum(len(name) + len(line.encode("utf-8", "replace")) for line in lines)
    if size > HEADER_LIMIT:
        _too_long(where, HEADER_LIMIT, reading)
    return size


def _too_long(where: Steps, limit: int, reading: Reading) -> None:
    message = f"must NOT have more than {limit} bytes"
    reading.wrong(where, message, "maxLength", {"limit": limit})


def read_cookies(given: str | list[CookieItem], reading: Reading) -> tuple[Cookie, ...]:
    """Cookies of a "a=1; b=2" string or of objects."""
    if isinstance(given, str):
        cookies = parse_cookies(given, ("cookies",), reading)
    else:
        read = (_cookie(item, number, reading) for number, item in enumerate(given))
        cookies = tuple(cookie for cookie in read if cookie is not None)
    first = sum(len(cookie.name) + len(cookie.value) + 3 for cookie in cookies if not cookie.domain)
    if first > COOKIES_LIMIT + 3:
        _too_long(("cookies",), COOKIES_LIMIT, reading)
    return cookies


def parse_cookies(text: str, where: Steps, reading: Reading) -> tuple[Cookie, ...]:
    """Cookies of a Cookie header's value, for the request's own host."""
    cookies = []
    for part in text.split(";"):
        name, equals, value = part.strip().partition("=")
        if not name and not equals:
            continue
        if not name or not equals or _COOKIE_BREAKING.search(name + value):
            message = 'must be "name=value" pairs separated by ";"'
            reading.wrong(where, message, "pattern")
            return ()
        cookies.append(Cookie(name=name.strip(), value=value.strip()))
    return tuple(cookies)


def _cookie(item: CookieItem, number: int, reading: Reading) -> Cookie | None:
    """The cookie, or None if it has no name or has expired."""
    where: Steps = ("cookies", number)
    name = item.key if item.name is UNSET else item.name
    if isinstance(name, UnsetType):
        params = {"missingProperty": "name"}
        reading.wrong(where, "must have required property 'name'", "required", params)
        return None
    domain, path = (item.domain or "").lower(), item.path or "/"
    for field, text in (("name", name), ("value", item.value), ("domain", domain), ("path", path)):
        if _COOKIE_BREAKING.search(text) or (field == "name" and (not text or "=" in text)):
            reading.wrong((*where, field), "must NOT contain control characters, = or ;", "pattern")
    expires = _expiry(item, where, reading)
    if expires is not None and expires <= reading.now:
        reading.warn(f"cookie {name[:64]} is ignored: it has expired")
        return None
    return Cookie(
        name=name,
        value=item.value,
        domain=domain.lstrip("."),
        path=path if path.startswith("/") else "/",
        expires=expires,
        secure=item.secure,
        http_only=bool(item.http_only),
        host_only=not domain if item.host_only is None else item.host_only,
        same_site=_SAME_SITE[item.same_site or ""],
    )


_SameSite = Literal["strict", "lax", "none", ""]
_SAME_SITE: dict[str, _SameSite] = {
    "": "",
    "strict": "strict",
    "lax": "lax",
    "none": "none",
    "Strict": "strict",
    "Lax": "lax",
    "None": "none",
}


def _expiry(item: CookieItem, where: Steps, reading: Reading) -> float | None:
    """Unix seconds of maxAge, which wins, or expires; None lasts as long as the session."""
    if item.max_age == "Infinity":
        return None
    if item.max_age == "-Infinity":
        return 0.0
    if isinstance(item.max_age, float):
        return reading.now + item.max_age
    if isinstance(item.expires, float):
        return item.expires if item.expires >= 0 else None
    if item.expires is None or item.expires in ("", "Infinity"):
        return None
    moment = _moment(item.expires)
    if moment is None:
        params = {"format": "date-time"}
        reading.wrong((*where, "expires"), 'must match format "date-time"', "format", params)
        return None
    return moment.timestamp()


def _moment(text: str) -> datetime | None:
    """The moment of an ISO 8601 or HTTP date; None for anything else. Without zone: UTC."""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(text)
        except (ValueError, OverflowError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
