"""One identity per page: which spellings of a URL mean the same page, and what to ask for.

Used by links.py and the crawl for links, redirect targets, canonical URLs and sitemap entries.
Rules only where servers agree: http and https, www, a slash at the end and index files stay apart,
because redirects and canonical URLs say so where they are one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

import ada_url

from windlass.frontier.parts import take_apart
from windlass.net.plainurls import taken_apart

MAX_URL = 8000
"""Characters; longer ones are no page's address but somebody's mistake."""

KEY_BYTES = 16


class Identity(NamedTuple):
    """A page. `url` is what to fetch, without fragment, session and tracking parameters.

    `key` has KEY_BYTES bytes and is equal for all spellings of the page.
    """

    url: str
    key: bytes


@dataclass(frozen=True)
class Sameness:
    """What does not tell two pages of a crawl apart. Made by `sameness`."""

    names: frozenset[str]
    prefixes: tuple[str, ...]
    ignore_query: bool = False


def sameness(ignored: Iterable[str], *, ignore_query: bool = False) -> Sameness:
    """Rules from names of query parameters; a star at a name's end stands for any rest.

    `ignore_query` is the crawl's `ignore_query_parameters` (contract section 10.1).
    """
    names = [name.strip().lower() for name in ignored if name.strip()]
    return Sameness(
        frozenset(name for name in names if not name.endswith("*")),
        tuple(name[:-1] for name in names if name.endswith("*")),
        ignore_query,
    )


def identify(url: str, rules: Sameness) -> Identity | None:
    """The page that an absolute URL means, None if it is none to fetch or over MAX_URL."""
    if len(url) > MAX_URL:
        return None
    plain = taken_apart(url)
    if plain is None:
        return _identify_any(url, rules)
    before, _, query = plain
    return _identity(before, before, query, rules)


def _identify_any(url: str, rules: Sameness) -> Identity | None:
    try:
        url = ada_url.normalize_url(url)
    except ValueError:
        return None
    if len(url) > MAX_URL or (parts := take_apart(url)) is None:
        return None
    before = url.partition("#")[0].partition("?")[0]
    asked = _SESSION_IN_PATH.sub("", before) if ";" in before else before
    same = f"{parts.scheme}://{_user(before)}{parts.host}{canonical_path(parts.path)}"
    return _identity(asked, same, parts.query, rules)


def _identity(asked: str, same: str, query: str | None, rules: Sameness) -> Identity:
    if not query:
        return Identity(asked, _digest(same))
    kept, canonical = _query(query, rules)
    if canonical and not rules.ignore_query:
        same = f"{same}?{canonical}"
    return Identity(f"{asked}?{kept}" if kept else asked, _digest(same))


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=KEY_BYTES).digest()


def _user(before: str) -> str:
    return before.split("/", 3)[2].rpartition("@")[0] + "@" if "@" in before else ""


# ---------------------------------------------------------------- path

_SESSION_IN_PATH = re.compile(
    r";(?:jsessionid|phpsessid|sessionid|session_id|sessid|sid)=[^/;?]*", re.IGNORECASE
)
# ASP.NET without cookies: /(S(lit3py55t21z5v55vlm25s55))/page.aspx. Asked for as it was found,
# because such a server answers the bare path with a redirect to a new session.
_SESSION_SEGMENT = re.compile(r"/\((?:[AFSX]\([\w-]+\))+\)(?=/)")
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
# Every server undoes these before it looks for a page. Not the separators: "%2F" is no "/".
_MEANS_ITSELF = frozenset(range(0x21, 0x7F)) - frozenset(b"/;?#%\\")


def canonical_path(path: str) -> str:
    """A path in the one spelling that identities and scopes compare."""
    if "%" in path:
        path = _ENCODED.sub(_decoded, path)
    if ";" in path:
        path = _SESSION_IN_PATH.sub("", path)
    if "/(" in path:
        path = _SESSION_SEGMENT.sub("", path)
    return path


def _decoded(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return chr(code) if code in _MEANS_ITSELF else match[0].upper()


# ---------------------------------------------------------------- query

_SESSION_NAMES = frozenset(
    ["jsessionid", "phpsessid", "asp.net_sessionid", "oscsid", "zenid", "sessid", "cftoken"]
)
# Names that also mean other things: only with a value that looks like a drawn one.
_PERHAPS_SESSION = frozenset(
    ["sid", "s", "ssid", "sess", "session", "sessionid", "session_id", "session-id", "cfid"]
)
_TOKEN = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_-]{16,}\Z")
_SAFE_IN_NAME = "!\"$'()*,-./:;<>?@[\\]^_`{|}~"
_SAFE_IN_VALUE = _SAFE_IN_NAME + "="


def _query(query: str, rules: Sameness) -> tuple[str, str]:
    """The query to ask with, and the one to compare.

    Names are compared in sorted order, the values of one name in their own. Where nothing has a
    value the order stays: such a query may be a path ("?/news/2").
    """
    kept: list[str] = []
    pairs: list[tuple[str, str]] = []
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        name = _canonical(name, _SAFE_IN_NAME)
        if part and not _is_noise(name.lower(), value, rules):
            kept.append(part)
            pairs.append((name, name + equals + _canonical(value, _SAFE_IN_VALUE)))
    if len(pairs) > 1 and "=" in query:
        pairs.sort(key=itemgetter(0))
    return "&".join(kept), "&".join([pair for _, pair in pairs])


def _canonical(text: str, safe: str) -> str:
    """One spelling of a form-encoded name or value (WHATWG URL, section 5.1)."""
    if "%" in text or "+" in text:
        return quote(unquote_to_bytes(text.replace("+", " ")), safe=safe)
    return text


def _is_noise(name: str, value: str, rules: Sameness) -> bool:
    if name in rules.names or name in _SESSION_NAMES or name.startswith("aspsessionid"):
        return True
    if name in _PERHAPS_SESSION and _TOKEN.match(value):
        return True
    return bool(rules.prefixes) and name.startswith(rules.prefixes)
