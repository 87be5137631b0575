"""What answers repeat of a request: the caller's own JSON without its secrets (contract 5.1, 6.6).

Called once when a request is read, so that secrets are not even stored in what is echoed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import ada_url
import msgspec

ECHO_LIMIT = 64 * 1024
"""Bytes of a request that are echoed."""
_LEFT_OUT_NAMED = 20
"""How many fields of a longer request are named with their size instead."""

MASK = "***"
_CREDENTIAL = re.compile(
    r"auth|cookie|token|secret|passw|api[-_]?key|session|credential|signature|jwt|csrf|xsrf", re.I
)
_QUERY_FIELD = re.compile(r"([?&]([^=&#?]*)=)[^&#?]+")
_QUERY_KEYS = frozenset(("sig", "key", "code"))


def echo(document: dict[str, Any], raw: bytes) -> bytes:
    """The JSON of a request as answers may show it; `raw` itself if there is nothing to hide."""
    shown = _hide(document, _HIDING)
    if shown == document and len(raw) <= ECHO_LIMIT:
        return raw
    text = msgspec.json.encode(shown)
    if len(text) <= ECHO_LIMIT:
        return text
    return shortened(shown, ECHO_LIMIT)


def masked(document: Mapping[str, Any]) -> dict[str, Any]:
    """Those fields of a request that answers show in another form, in that form."""
    hidden = ((name, hide(document[name])) for name, hide in _HIDING.items() if name in document)
    return {name: shown for name, shown in hidden if shown != document[name]}


def echo_fields(fields: Mapping[str, msgspec.Raw]) -> bytes:
    """The JSON of a request whose fields are fit to be shown, in at most ECHO_LIMIT bytes."""
    text = msgspec.json.encode(fields)
    if len(text) <= ECHO_LIMIT:
        return text
    return shortened(msgspec.json.decode(text), ECHO_LIMIT)


def _hide(document: Any, hiding: Mapping[str, Callable[[Any], Any]]) -> Any:
    """The object with those of its fields masked; anything else as it is."""
    if not isinstance(document, dict):
        return document
    masked = {field: hiding[field](value) for field, value in document.items() if field in hiding}
    return document | masked


def shortened(document: dict[str, Any], most: int) -> bytes:
    """The JSON of a request in about `most` bytes: the URL and small fields whole, of large ones
    the size."""
    sizes = {key: len(msgspec.json.encode({key: value})) for key, value in document.items()}
    shown: dict[str, Any] = {}
    named = 0
    room = most
    for key in sorted(sizes, key=lambda key: (key != "url", sizes[key])):
        room -= sizes[key]
        if room >= 0:
            shown[key] = document[key]
        elif named < _LEFT_OUT_NAMED and len(key) <= 64:
            shown[key] = f"{len(msgspec.json.encode(document[key]))} bytes not shown"
            named += 1
    return msgspec.json.encode({key: shown[key] for key in document if key in shown})


def hide_callback(callback: Any) -> Any:
    """A callback, an object or only its URL, with its URL's secrets and all headers masked."""
    if not isinstance(callback, dict):
        return _hide_receiver(callback)
    return _hide(callback, {"url": _hide_receiver, "headers": _hide_all})


def _hide_all(headers: Any) -> Any:
    return dict.fromkeys(headers, MASK) if isinstance(headers, dict) else MASK


def hide_userinfo(url: Any) -> Any:
    """The URL with its password masked."""
    if not isinstance(url, str) or "@" not in url:
        return url
    try:
        parsed = ada_url.URL(url)
    except ValueError:
        return MASK
    if not parsed.username and not parsed.password:
        return url
    parsed.username, parsed.password = MASK, ""
    return parsed.href


def _hide_receiver(url: Any) -> Any:
    """The URL without its password and without what looks like a key in its query."""
    shown = hide_userinfo(url)
    return _QUERY_FIELD.sub(_mask_field, shown) if isinstance(shown, str) else shown


def _mask_field(found: re.Match[str]) -> str:
    secret = found[2].lower() in _QUERY_KEYS or _CREDENTIAL.search(found[2])
    return found[1] + MASK if secret else found[0]


def _hide_headers(headers: Any) -> Any:
    if not isinstance(headers, dict):
        return headers
    return {
        name: MASK if value is not None and _CREDENTIAL.search(name) else value
        for name, value in headers.items()
    }


def _hide_cookies(cookies: Any) -> Any:
    if not isinstance(cookies, list):
        return MASK
    return [{**item, "value": MASK} if isinstance(item, dict) else MASK for item in cookies]


def _hide_session(session: Any) -> Any:
    return {**session, "id": MASK} if isinstance(session, dict) and "id" in session else session


def _hide_params(params: Any) -> Any:
    """An agent's parameters, which may hold delivery options; the rest is the agent's own."""
    return _hide(params, _DELIVERY)


def _hide_part(part: Any) -> Any:
    """A part of a request that is a request itself."""
    return _hide(part, _HIDING)


def _hide_parts(parts: Any) -> Any:
    return [_hide_part(part) for part in parts] if isinstance(parts, list) else parts


def _hide_actions(actions: Any) -> Any:
    """Browser actions without what is typed, which may be a password, and what is sent."""
    return [_hide_action(item) for item in actions] if isinstance(actions, list) else actions


def _hide_action(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    if isinstance(item.get("type"), str):
        return _hide(item, _TYPED | _SENT)
    hidden = {name: _hide(value, _TYPED | _SENT) for name, value in item.items()}
    return _hide(hidden, {"goto": hide_userinfo, "fetch": hide_userinfo})


def _hide_text(text: Any) -> Any:
    return MASK


_TYPED: dict[str, Callable[[Any], Any]] = {"value": _hide_text, "text": _hide_text}
_SENT: dict[str, Callable[[Any], Any]] = {
    "url": hide_userinfo,
    "headers": _hide_headers,
    "body": _hide_text,
}


_DELIVERY: dict[str, Callable[[Any], Any]] = {
    "callback": hide_callback,
    "callback_url": _hide_receiver,
    "storage_url": hide_userinfo,
}
_HIDING: dict[str, Callable[[Any], Any]] = {
    "url": hide_userinfo,
    "headers": _hide_headers,
    "cookies": _hide_cookies,
    "session": _hide_session,
    "browser_actions": _hide_actions,
    **_DELIVERY,
    "params": _hide_params,
    "extract_options": _hide_part,
    "shared_inputs": _hide_part,
    "inputs": _hide_parts,
}
