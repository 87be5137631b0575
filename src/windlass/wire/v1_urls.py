"""Web addresses as callers write them (contract 7.1, 6.1): normalised, without user and password.

Called by the readers of targets and of callbacks.
"""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import unquote

import ada_url


def read_web_url(text: str) -> tuple[str, str] | None:
    """The URL without user and password, and the Authorization value they stand for ("" if there
    are none); None if it is no absolute http or https URL.

    Anything that two parsers might read differently is replaced by its WHATWG serialisation.
    """
    try:
        href = ada_url.normalize_url(text)
    except ValueError:
        return None
    if not href.startswith(("http://", "https://")):
        return None
    if "@" in href.split("/", 3)[2]:
        return _without_userinfo(href)
    return (text if href in (text, text + "/") else href), ""


def _without_userinfo(href: str) -> tuple[str, str]:
    url = ada_url.URL(href)
    pair = f"{unquote(url.username)}:{unquote(url.password)}"
    url.username, url.password = "", ""
    return url.href, "Basic " + b64encode(pair.encode()).decode()
