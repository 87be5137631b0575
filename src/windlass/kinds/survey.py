"""What one map has found of a site: picking, merging and naming. Used by the map kind, which asks.

Knows the rules of what belongs to the site, holds the URLs (frontier/finds.py) and the order in
which pages are read (frontier/outward.py). Must not wait for anything; it may run in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec

from windlass.frontier.finds import Finds, Place, Source
from windlass.frontier.identity import Identity
from windlass.frontier.likeness import is_unlike
from windlass.frontier.links import Frontier, frontier_of
from windlass.frontier.outward import Outward
from windlass.frontier.parts import take_apart
from windlass.kinds.courtesy import Granted, Obedience, wish_s
from windlass.model.crawl import CrawlPlan
from windlass.model.map import MapLink, MapPlan
from windlass.model.outline import Outline, PageLink
from windlass.model.page import Failure, Page, all_of
from windlass.model.visit import Bounds, Candidate, Fingerprint, Sighting
from windlass.settings import Settings
from windlass.site import discovery
from windlass.site.canonical import canonical_url
from windlass.site.listing import Listing

Allowed = Callable[[str], bool]
"""Whether robots.txt lets a URL be fetched, as far as that is known."""

_DEEPEST = 100
"""Clicks from the start page: some sites go on for ever, page after page."""
_WHOLE_SITE = Bounds(crawl_entire_domain=True, max_discovery_depth=_DEEPEST)
_FAMILIES_NAMED = 10
_MOST_URLS = 300_000
"""URLs of the site that are remembered, be they in the answer or not."""


class Visited(msgspec.Struct, frozen=True, kw_only=True):
    """What the fetch of one page brought. `sighting` None: it is no page to be read."""

    url: str
    status: int
    sighting: Sighting | None = None
    failure: Failure | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def status_is_fine(self) -> bool:
        """Whether the site shows this as one of its pages."""
        return 200 <= self.status < 300

    @property
    def outline(self) -> Outline:
        """What the page says of itself, nothing if it is none."""
        return self.sighting.outline if self.sighting and self.status_is_fine else Outline()

    @property
    def fingerprint(self) -> Fingerprint | None:
        """What is kept of its text, if all of it came."""
        whole = self.sighting is not None and self.failure is None
        return self.sighting.fingerprint if self.sighting and whole else None

    @property
    def sketch(self) -> bytes:
        """Less of the same."""
        return self.fingerprint.sketch if self.fingerprint else b""

    @property
    def retry_after_s(self) -> float | None:
        """For how long the site wants to be left alone."""
        return wish_s(self.headers, datetime.now(UTC))

    def values(self, name: str) -> list[str]:
        """Every value of a header."""
        return all_of(self.headers, name)


class ReadSitemap(msgspec.Struct, frozen=True):
    """What a sitemap was besides its pages."""

    is_sitemap: bool
    below: list[discovery.Source]


class Survey:
    """The URLs of one site, from its start page outward."""

    def __init__(self, plan: MapPlan, settings: Settings) -> None:
        self._obedience = Obedience(settings)
        self._filter = plan.domain_filter
        self._only_sitemaps = plan.sitemap == "only"
        crawl = CrawlPlan(url=plan.request.url, request=plan.request, bounds=_WHOLE_SITE)
        self._frontier = frontier_of(crawl, settings.tracking_parameters)
        start = self._frontier.start(plan.request.url)
        if start is None:
            raise ValueError("a map starts at an http or https URL")
        self.start = start
        self.start_url = start.url
        """Where the site really is: the start page may have moved."""
        self._finds = Finds(plan.limit)
        self._outward = Outward(self._finds)
        self._warnings = list(plan.warnings)
        self._forbidden: set[bytes] = set()
        self._cut = False
        self._too_deep = False
        self._read: set[bytes] = set()
        self._queued: set[bytes] = set()
        self._listed: Iterator[str] | None = None
        self._sketches: dict[bytes, bytes] = {}
        self._waiting: dict[bytes, list[tuple[bytes, bytes]]] = {}

    # ------------------------------------------------------------ what came of it

    @property
    def full(self) -> bool:
        """Whether the answer can hold no more."""
        return self._finds.full or self._endless

    @property
    def _endless(self) -> bool:
        return len(self._queued) >= _MOST_URLS

    @property
    def found(self) -> bool:
        """Whether there is anything to answer with."""
        return bool(self._finds)

    @property
    def hosts(self) -> frozenset[str]:
        """The site's own hosts, with ports that are not the default."""
        return frozenset(home.host for home in self._frontier.scope.homes)

    def warn(self, note: str) -> None:
        """Something that the caller should know."""
        self._warnings.append(note)

    def answer(self) -> tuple[tuple[MapLink, ...], tuple[str, ...]]:
        """The URLs, and what should be known about them."""
        notes = list(self._warnings)
        if self._finds.too_large:
            notes.append("the URLs have so much text that not all of them are in the answer")
        if self._endless:
            notes.append("the site names more URLs than a map can remember")
        if self._too_deep:
            notes.append(f"pages more than {_DEEPEST} clicks from the start page are left out")
        if self._cut:
            notes.append("a sitemap was too long or damaged: what could be read of it is here")
        if self._forbidden:
            notes.append(f"{len(self._forbidden)} URLs that robots.txt disallows are left out")
        if self._outward.passed_over:
            notes.append(f"{self._outward.passed_over} pages were too many to be read")
        for family in self._outward.stopped()[:_FAMILIES_NAMED]:
            notes.append(f"URLs like {family.family} are left out ({family.reason})")
        return self._finds.links(), tuple(dict.fromkeys(notes))

    # ------------------------------------------------------------ the start page

    def moved(self, url: str) -> None:
        """The start page redirected to another host, which now is the site's, too."""
        self._frontier = Frontier(self._frontier.scope.moved(url), self._frontier.rules)
        self.start_url = url

    def look_at_start(self, seen: Visited, allowed: Allowed) -> None:
        """Enters the start page and what it names, before any sitemap."""
        page = self._own(seen.url)
        if self._only_sitemaps or page is None:
            return
        self._finds.add(page, Place.SITE)
        self._links(_followed(seen, self._granted(seen)), allowed, Place.SITE)

    def set_out(self, seen: Visited, allowed: Allowed) -> None:
        """Begins with what the start page names and no sitemap lists."""
        self._outward.start(self.start)
        self.absorb(self.start, seen, allowed)

    # ------------------------------------------------------------ sitemaps

    def read_sitemap(self, source: discovery.Source, page: Page, allowed: Allowed) -> ReadSitemap:
        """Enters the pages that a sitemap lists."""
        listing = Listing(source, page.url, page.body)
        for entry in listing:
            if self._finds.full:
                break
            one = self._own(entry.url)
            if one is None:
                continue
            if not allowed(one.url):
                self._forbidden.add(one.key)
                continue
            self._finds.enlist(one)
            self._finds.tell(one.key, Source.SITEMAP, entry.title, entry.description)
        if listing.is_sitemap and (page.failure is not None or listing.cut):
            self._cut = True
        return ReadSitemap(listing.is_sitemap, listing.below)

    def _own(self, url: str) -> Identity | None:
        """The page that a URL means, if it is one of the site."""
        page = self._frontier.identify(url)
        return page if page and not self._frontier.scope.refusal(page.url, 0) else None

    # ------------------------------------------------------------ pages

    @property
    def named(self) -> int:
        """How many URLs of the site were found that no sitemap lists."""
        return len(self._queued)

    def next(self) -> Candidate | None:
        """The page to read now, None when none is left: what no sitemap lists before the rest."""
        page = self._outward.next()
        while page is not None and page.key in self._read:  # a redirect has shown it
            self._outward.settle(page, ())
            page = self._outward.next()
        return page or self._next_listed()

    def _next_listed(self) -> Candidate | None:
        if self._listed is None:
            self._listed = iter(self._finds.all_listed())
        for url in self._listed:
            for page in self._frontier.listed([url]).candidates:
                if page.key not in self._read and page.key in self._finds:
                    self._outward.start(page)
                    return page
        return None

    def again(self, page: Candidate) -> None:
        """The page did not come; it is the next once more."""
        self._outward.again(page)

    def lost(self, page: Candidate) -> None:
        """There was no answer: the page stays in the answer, unread."""
        self._outward.settle(page, ())

    def gone(self, page: Candidate) -> None:
        """The site says that there is no such page. Its sitemap may know better."""
        if not self._finds.listed(page.key):
            self._finds.drop(page.key)
        self._outward.settle(page, ())

    def forbid(self, page: Candidate) -> None:
        """robots.txt keeps the page from us."""
        self._forbidden.add(page.key)
        self._finds.drop(page.key)
        self._outward.settle(page, ())

    def absorb(self, page: Candidate, seen: Visited, allowed: Allowed) -> None:
        """Enters what a page says of itself, and where it leads."""
        if not seen.status_is_fine or seen.sighting is None:
            self.lost(page)
            return
        here = self._own(seen.url)
        alias = False
        if here is None or here.key != page.key:
            self._finds.drop(page.key)
            alias = here is None or here.key in self._finds
        if here is None or here.key in self._read:
            self._outward.settle(page, (), alias=alias)
            return
        self._read.add(here.key)
        self._finds.add(here, Place.SITE)
        self._finds.tell(here.key, Source.PAGE, seen.outline.title, seen.outline.description)
        granted = self._granted(seen)
        if granted.noindex:
            self._finds.drop(here.key)
        canonical = self._canonical(here, seen)
        alias = self._weigh(here.key, canonical, seen.sketch) or alias
        shown = _followed(seen, granted)
        links = [*([canonical.url] if canonical else ()), *(one.url for one in shown)]
        named = self._frontier.follow(links, page).candidates
        if page.depth >= _DEEPEST:
            self._too_deep |= any(self._is_new(link) for link in links)
        fresh = self._permitted([one for one in named if self._is_unread(one.key)], allowed)
        self._outward.settle(page, fresh, seen.fingerprint, alias=alias)
        self._links(shown, allowed, None)

    def _is_unread(self, key: bytes) -> bool:
        """Whether a page is to be read, and is not yet among those that wait for it."""
        done = key in self._read or key in self._queued or self._finds.dropped(key)
        return not done and not self._finds.listed(key)

    def _is_new(self, url: str) -> bool:
        page = self._own(url)
        return page is not None and page.key not in self._finds and self._is_unread(page.key)

    def _permitted(self, pages: list[Candidate], allowed: Allowed) -> list[Candidate]:
        self._forbidden.update(one.key for one in pages if not allowed(one.url))
        permitted = [one for one in pages if one.key not in self._forbidden]
        self._queued.update(one.key for one in permitted)
        return permitted

    # ------------------------------------------------------------ canonical addresses

    def _canonical(self, here: Identity, seen: Visited) -> Identity | None:
        """The page of the site that this one names as the one that counts."""
        canonical = canonical_url(seen.url, seen.outline, seen.values("link"))
        named = self._own(canonical) if canonical else None
        return None if named is None or named.key == here.key else named

    def _weigh(self, key: bytes, canonical: Identity | None, sketch: bytes) -> bool:
        """Whether a page is but another address of the one that it names: that must show the same,
        or be listed by the site. Those that waited for this page to show are weighed, too."""
        self._sketches[key] = sketch
        for other, shown in self._waiting.pop(key, ()):
            if not is_unlike(shown, sketch):
                self._finds.drop(other)
        if canonical is None:
            return False
        counts = self._sketches.get(canonical.key)
        if counts is None and not self._finds.listed(canonical.key):
            self._waiting.setdefault(canonical.key, []).append((key, sketch))
            return False
        if counts is not None and is_unlike(sketch, counts):
            return False
        self._finds.drop(key)
        return True

    # ------------------------------------------------------------ links

    def _granted(self, seen: Visited) -> Granted:
        return self._obedience.grants(seen.outline, seen.values("x-robots-tag"))

    def _links(self, links: tuple[PageLink, ...], allowed: Allowed, place: Place | None) -> None:
        """Enters where a page leads, and what its links are called. `place` None: of the site's
        own URLs only the names, because they are entered where they are judged."""
        for link in links:
            page = self._frontier.identify(link.url)
            if page is None:
                continue
            refusal = self._frontier.scope.refusal(page.url, 0)
            if refusal == "other_host":
                if self._is_wanted(page.url):
                    self._finds.add(page, Place.ELSEWHERE)
            elif refusal:
                continue
            elif place is not None and not allowed(page.url):
                self._forbidden.add(page.key)
            elif place is not None:
                self._finds.add(page, place)
            self._finds.tell(page.key, Source.LINK, link.text)

    def _is_wanted(self, url: str) -> bool:
        """Whether a URL of another host is part of the answer (contract section 11)."""
        if self._filter != "subdomain":
            return self._filter == "all"
        parts = take_apart(url)
        name = parts.host.partition(":")[0] if parts else ""
        bases = (home.host.partition(":")[0] for home in self._frontier.scope.homes)
        mains = [base.removeprefix("www.") for base in bases]
        return any(name == main or name.endswith("." + main) for main in mains)


def _followed(seen: Visited, granted: Granted) -> tuple[PageLink, ...]:
    """Where a page leads, as far as it may be followed."""
    refresh = seen.outline.refresh
    return (
        (*granted.links, PageLink(refresh)) if refresh and not granted.nofollow else granted.links
    )
