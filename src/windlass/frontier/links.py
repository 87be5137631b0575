"""From the links of a page to the URLs that a crawl may fetch. One Frontier per crawl and process.

Used by the crawl. It keeps no URLs but a bounded cache: whether one was found before is the
database's to say, by its unique key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from functools import lru_cache
from typing import NamedTuple

from windlass.frontier.families import families_of, turn_of, varieties
from windlass.frontier.identity import Identity, Sameness, identify, sameness
from windlass.frontier.scope import Refusal, Scope, scope_of
from windlass.model.crawl import CrawlPlan
from windlass.model.visit import Candidate

_CACHED = 4096


class Placed(NamedTuple):
    """What the rules say of a URL, whoever named it."""

    identity: Identity
    refusal: Refusal
    families: tuple[str, ...]
    turn: int
    varieties: frozenset[str]


class Discovery(NamedTuple):
    """The pages that some links mean, once each, in their order, and why others were left out."""

    candidates: list[Candidate]
    refused: Counter[Refusal]


class Frontier:
    """The rules of one crawl, applied to links."""

    def __init__(self, scope: Scope, rules: Sameness) -> None:
        self.scope = scope
        self.rules = rules
        self._place = lru_cache(maxsize=_CACHED)(self._place_anew)

    def identify(self, url: str) -> Identity | None:
        """The page that a URL means: for redirect targets and canonical URLs."""
        return identify(url, self.rules)

    def start(self, url: str) -> Candidate | None:
        """The start page, which is fetched whatever the patterns say (contract 10.1)."""
        placed = self._place(url)
        if placed is None:
            return None
        return _candidate(placed, depth=0, listed=True)

    def listed(self, urls: Iterable[str], depth: int = 1) -> Discovery:
        """Those of a sitemap. The site itself names them, so they are no trap's."""
        return self._discover(urls, depth, None)

    def follow(
        self, links: Iterable[str], page: Candidate, heard: Container[bytes] = ()
    ) -> Discovery:
        """Those that a fetched page names: absolute URLs, as the page has them; without those
        `heard` of, by key."""
        return self._discover(links, page.depth + 1, page, heard)

    def _discover(
        self,
        urls: Iterable[str],
        depth: int,
        found_on: Candidate | None,
        heard: Container[bytes] = (),
    ) -> Discovery:
        candidates: dict[bytes, Candidate] = {}
        refused: Counter[Refusal] = Counter()
        finder = _finder(found_on) if found_on else None
        for url in urls:
            placed = self._place(url)
            if placed is not None and placed.identity.key in heard:
                continue
            refusal = self._refusal(placed, depth)
            if placed is None or refusal:
                refused[refusal] += 1
            elif placed.identity.key not in candidates:
                grown = finder is not None and _grew(finder, placed)
                candidates[placed.identity.key] = _candidate(
                    placed, depth=depth, lineage=int(grown), listed=found_on is None
                )
        return Discovery(list(candidates.values()), refused)

    def _refusal(self, placed: Placed | None, depth: int) -> Refusal:
        if placed is None:
            return "not_web"
        if not placed.refusal and depth > self.scope.bounds.max_discovery_depth:
            return "too_deep"
        return placed.refusal

    def _place_anew(self, url: str) -> Placed | None:
        identity = identify(url, self.rules)
        if identity is None:
            return None
        families = families_of(identity.url)
        return Placed(
            identity,
            self.scope.refusal(identity.url, 0),
            families,
            turn_of(identity.url),
            varieties(families),
        )


def frontier_of(plan: CrawlPlan, tracking: Iterable[str]) -> Frontier:
    """The frontier of a crawl; `tracking` are query parameters that tell no pages apart.

    Raises ValueError if it starts at no http(s) URL.
    """
    rules = sameness(tracking, ignore_query=plan.ignore_query)
    start = identify(plan.url, rules)
    scope = scope_of(start.url if start else "", plan.bounds)
    return Frontier(scope.moved(plan.moved_to) if plan.moved_to else scope, rules)


class _Finder(NamedTuple):
    """A page that names others, as they are held against it."""

    families: tuple[str, ...]
    varieties: frozenset[str]
    folder: str


def _finder(page: Candidate) -> _Finder:
    path = page.url.partition("?")[0]
    return _Finder(page.families, varieties(page.families), path[: path.rfind("/") + 1])


def _grew(finder: _Finder, placed: Placed) -> bool:
    """Whether a page names a URL of its own kind, or one deeper in its own folder."""
    if placed.varieties:
        return not finder.varieties.isdisjoint(placed.varieties)
    if placed.families != finder.families or not placed.identity.url.startswith(finder.folder):
        return False
    return "/" in placed.identity.url.partition("?")[0][len(finder.folder) :]


def _candidate(placed: Placed, *, depth: int, lineage: int = 0, listed: bool = False) -> Candidate:
    return Candidate(
        url=placed.identity.url,
        key=placed.identity.key,
        depth=depth,
        families=placed.families,
        turn=placed.turn,
        lineage=lineage,
        listed=listed,
    )
