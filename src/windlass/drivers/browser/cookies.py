"""Cookies between our jar and Chromium's, both ways. Pure; used by the tab."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from windlass.model.request import Cookie
from windlass.net.cookies import CookieJar

_SAME_SITE = {"strict": "Strict", "lax": "Lax", "none": "None"}


def to_chromium(cookies: tuple[Cookie, ...]) -> list[dict[str, Any]]:
    """What Network.setCookies takes."""
    return [_given(cookie) for cookie in cookies if cookie.domain]


def _given(cookie: Cookie) -> dict[str, Any]:
    scheme = "https" if cookie.secure else "http"
    host = f"[{cookie.domain}]" if ":" in cookie.domain else cookie.domain
    given: dict[str, Any] = {
        "name": cookie.name,
        "value": cookie.value,
        # Without a domain the cookie stays with the host of the URL alone.
        "url": f"{scheme}://{host}{cookie.path}",
        "path": cookie.path,
        "secure": cookie.secure,
        "httpOnly": cookie.http_only,
    }
    if not cookie.host_only:
        given["domain"] = f".{cookie.domain}"
    if cookie.expires is not None:
        given["expires"] = cookie.expires
    if cookie.same_site and (cookie.same_site != "none" or cookie.secure):
        given["sameSite"] = _SAME_SITE[cookie.same_site]
    return given


def from_chromium(listed: list[dict[str, Any]]) -> tuple[Cookie, ...]:
    """What Network.getAllCookies answers."""
    return tuple(
        Cookie(
            name=one["name"],
            value=one["value"],
            domain=one["domain"].lstrip("."),
            path=one.get("path") or "/",
            expires=None if one.get("session") or one.get("expires", -1) < 0 else one["expires"],
            secure=one.get("secure", False),
            http_only=one.get("httpOnly", False),
            host_only=not one["domain"].startswith("."),
            same_site=one.get("sameSite", "").lower(),
        )
        for one in listed
    )


def keep(jar: CookieJar, cookies: tuple[Cookie, ...]) -> None:
    """Makes the jar hold what the browser holds now: what the page deleted is gone from it."""
    held = {(cookie.domain, cookie.path, cookie.name) for cookie in cookies}
    gone = tuple(
        msgspec.structs.replace(cookie, expires=time.time() - 1)
        for cookie in jar.export()
        if (cookie.domain, cookie.path, cookie.name) not in held
    )
    jar.add(gone)
    jar.add(cookies)


def parsed(line: str) -> tuple[Cookie, ...]:
    """The cookies of a Cookie header that the caller wrote."""
    pairs = (part.strip().partition("=") for part in line.split(";") if part.strip())
    return tuple(
        Cookie(name=name.strip(), value=value.strip()) for name, sep, value in pairs if sep
    )
