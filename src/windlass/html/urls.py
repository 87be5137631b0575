"""Links as a browser resolves them (WHATWG URL). Used by tree.py in page-reading processes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import ada_url

_WEB = ("http:", "https:")
_BARE = re.compile(r"https?:(?!//)", re.IGNORECASE)

_CACHED_LENGTH = 512


def resolve(base: str, reference: str) -> str | None:
    """The absolute URL that `reference` means on a page with this base URL, None if none."""
    try:
        return str(ada_url.join_url(base, reference))
    except ValueError:
        return None


def is_web(url: str) -> bool:
    """Whether an absolute URL can be fetched."""
    return url.startswith(_WEB)


class Target(NamedTuple):
    """Where a reference leads. Both "" if it is no URL; `page` "" if it is none to fetch."""

    url: str
    page: str
    """The URL without its fragment."""


def _target(base: str, reference: str) -> Target:
    url = resolve(base, reference) or ""
    return Target(url, url.partition("#")[0] if is_web(url) else "")


_cached_target = lru_cache(maxsize=4096)(_target)


class Resolver:
    """Resolves the references of one page. Pages of one folder share what was resolved before."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._folder = (resolve(base, ".") or base) if is_web(base) else base

    def __call__(self, reference: str) -> Target:
        """Where `reference` leads."""
        if len(reference) > _CACHED_LENGTH:
            return _target(self._base, reference)
        # "", "?query" and "#fragment" keep the page's own name, and so does a bare scheme; a name
        # starts from its folder.
        if reference[:1].isalnum() and not _BARE.match(reference):
            return _cached_target(self._folder, reference)
        return _cached_target(self._base, reference)
