"""Which URLs belong to a crawl (contract section 10.1). A Scope is stored with its crawl as JSON.

Used by links.py and the crawl. It knows nothing of what was found before: that is identity.py's.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

import msgspec

from windlass.frontier.identity import MAX_URL, canonical_path
from windlass.frontier.parts import Parts, take_apart
from windlass.frontier.patterns import matches
from windlass.model.visit import Bounds

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

Refusal = Literal[
    "",
    "not_web",
    "too_long",
    "too_deep",
    "other_host",
    "outside_path",
    "excluded",
    "not_included",
]
"""Why a URL is no part of a crawl; "" if it is."""


class Home(msgspec.Struct, frozen=True):
    """A host that the crawl started on and the path that it keeps to there ("/" = all)."""

    host: str
    path: str


class Scope(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The rules of one crawl. Made by `scope_of`, moved by a redirect of the start page."""

    homes: tuple[Home, ...]
    domain: str = ""
    """What subdomains must lie under, "" if they are not wanted."""
    bounds: Bounds = Bounds()

    def refusal(self, url: str, depth: int) -> Refusal:
        """Why a normalised URL, `depth` clicks from the start, is not to be fetched; "" if it is.

        Raises ValueError if a pattern is at fault (patterns.py).
        """
        if len(url) > MAX_URL:
            return "too_long"
        parts = take_apart(url)
        if parts is None:
            return "not_web"
        if depth > self.bounds.max_discovery_depth:
            return "too_deep"
        return self._elsewhere(parts) or self._filtered(parts, url)

    def counts(self, url: str) -> bool:
        """Whether the patterns let a URL be a page. The start page is fetched even if not."""
        parts = take_apart(url)
        return parts is not None and not self._filtered(parts, url)

    def moved(self, url: str) -> Scope:
        """The scope after the start page redirected to `url`.

        The caller asked for a page and the site says where it lives now, so its new host joins,
        whether it is "www." before the old name or another site; the old one stays, because
        links may still name it. Where the start was a whole site, so is what it moved to.
        """
        parts = take_apart(url)
        if parts is None:
            return self
        paths = {home.path for home in self.homes} | {_under(parts.path)}
        paths = {"/"} if "/" in paths else paths
        hosts = dict.fromkeys([*(home.host for home in self.homes), parts.host])
        homes = tuple(Home(host, path) for host in hosts for path in sorted(paths))
        domain = _registrable(parts.host) if self.bounds.allow_subdomains else ""
        return msgspec.structs.replace(self, homes=homes, domain=domain)

    def _elsewhere(self, parts: Parts) -> Refusal:
        at_home = [home for home in self.homes if home.host == parts.host]
        if at_home:
            if self.bounds.crawl_entire_domain or any(
                _lies_under(parts.path, home.path) for home in at_home
            ):
                return ""
            return "outside_path"
        if self.bounds.allow_external_links:
            return ""
        name = parts.host.partition(":")[0]
        if self.domain and (name == self.domain or name.endswith("." + self.domain)):
            return ""
        return "other_host"

    def _filtered(self, parts: Parts, url: str) -> Refusal:
        if self.bounds.exclude_paths and matches(self.bounds.exclude_paths, parts.path, url):
            return "excluded"
        if self.bounds.include_paths and not matches(self.bounds.include_paths, parts.path, url):
            return "not_included"
        return ""


def scope_of(url: str, bounds: Bounds) -> Scope:
    """The scope of a crawl that starts at a normalised URL. Raises ValueError if it is not http(s).

    The start path is what URLs must lie under: "/docs" lets "/docs" and "/docs/…" in. Where it
    ends in a file's name ("/docs/index.html") its folder is meant, since nothing lies under a file.
    """
    parts = take_apart(url)
    if parts is None:
        raise ValueError("a crawl starts at an http or https URL")
    domain = _registrable(parts.host) if bounds.allow_subdomains else ""
    return Scope(homes=(Home(parts.host, _under(parts.path)),), domain=domain, bounds=bounds)


def _under(path: str) -> str:
    """A start path as it is compared: without the slash at its end, "/" for a whole site."""
    folder, _, name = canonical_path(path).rpartition("/")
    return (folder if "." in name or not name else f"{folder}/{name}") or "/"


def _lies_under(path: str, start: str) -> bool:
    if start == "/":
        return True
    path = canonical_path(path)
    return path.startswith(start) and path[len(start) : len(start) + 1] in ("", "/")


def _registrable(host: str) -> str:
    """What one owner registered ("blog.x.co.uk" → "x.co.uk"); the host if there is none."""
    name = host.partition(":")[0]
    if host.startswith("[") or name.rpartition(".")[2].isdigit():
        return host  # an address has no names below it
    return _suffixes().privatesuffix(name) or name


@cache
def _suffixes() -> PublicSuffixList:
    # 70 ms and 2.5 MB, and few crawls ask for subdomains.
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()
