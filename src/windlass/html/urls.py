"""Links as a browser resolves them (WHATWG URL). Used by tree.py in page-reading processes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import ada_url

from windlass.net.plainurls import taken_apart

_WEB = ("http:", "https:")
_BARE = re.compile(r"https?:(?!//)", re.IGNORECASE)

_CACHED_LENGTH = 512
_MOST_KNOWN = 2048


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


# Nothing in these is escaped, resolved away or taken for a scheme: they are parts of a URL as they
# are. Most references of most pages are, and the parser takes long to come to the same.
_PLAIN_PATH = re.compile(r"/?(?:\w[\w.~-]*/)*(?:\w[\w.~-]*)?(?:#[\w.~-]*)?", re.ASCII)
_PLAIN_FRAGMENT = re.compile(r"#[\w.~-]*", re.ASCII)


def _split(url: str) -> Target:
    return Target(url, url.partition("#")[0] if is_web(url) else "")


def _target(base: str, reference: str) -> Target:
    return _split(resolve(base, reference) or "")


_cached_target = lru_cache(maxsize=1024)(_target)


@lru_cache(maxsize=4)
def _known_in(folder: str) -> dict[str, Target]:
    """What references mean on pages of this folder, as far as they have come up."""
    return {}


def page_of(url: str) -> str | None:
    """A URL as the parser writes it, without its fragment; None if it is none."""
    return url if taken_apart(url) else resolve(url, "")


class Resolver:
    """Resolves the references of one page. Pages of one folder share what was resolved before."""

    def __init__(self, base: str) -> None:
        self._base = base
        page = page_of(base)
        self._page = page if page is not None and is_web(page) else ""
        self._folder = self._page.partition("?")[0].rpartition("/")[0] + "/"
        self._origin = "/".join(self._folder.split("/", 3)[:3])
        self._known = _known_in(self._folder) if self._page else {}

    def __call__(self, reference: str) -> Target:
        """Where `reference` leads."""
        known = self._known.get(reference)
        return known if known is not None else self._resolved(reference)

    def _resolved(self, reference: str) -> Target:
        if len(reference) > _CACHED_LENGTH:
            return _target(self._base, reference)
        if self._page and _is_of_folder(reference):
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            url = self._plainly(reference)
            target = _split(url) if url else _target(self._folder, reference)
            self._known[reference] = target
            return target
        if self._page and _PLAIN_FRAGMENT.fullmatch(reference):
            return Target(self._page + reference, self._page)
        return _cached_target(self._base, reference)

    def _plainly(self, reference: str) -> str:
        """The URL of a reference that needs no parser, "" if it does."""
        path = reference.removeprefix(self._origin)
        if not _PLAIN_PATH.fullmatch(path):
            return ""
        if path[:1] == "/":
            return self._origin + path
        return self._folder + path if len(path) == len(reference) else ""


def _is_of_folder(reference: str) -> bool:
    """Whether the page's own name is no part of what this means: "", "?query" and "#fragment" keep
    it, and so does a bare scheme."""
    first = reference[:1]
    return (first.isalnum() or first in ("_", "/", ".")) and _BARE.match(reference) is None
