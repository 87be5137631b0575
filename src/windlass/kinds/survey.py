"""What one map has found of a site: picking, merging and naming. Used by the map kind, which asks.

Knows the rules of what belongs to the site, holds the URLs (frontier/finds.py) and the order in
which pages are read (frontier/outward.py). Must not wait for anything; it may run in a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from windlass.frontier.finds import Finds, Place, Source
from windlass.frontier.identity import Identity
from windlass.frontier.links import Frontier, frontier_of
from windlass.frontier.outward import Outward
from windlass.frontier.parts import take_apart
from windlass.model.crawl import CrawlPlan
from windlass.model.map import MapLink, MapPlan
from windlass.model.outline import Outline, PageLink
from windlass.model.page import Failure, Page
from windlass.model.visit import Bounds, Candidate, Sighting
from windlass.net.retry_after import parse_retry_after
from windlass.settings import Settings
from windlass.site import discovery
from windlass.site.canonical import canonical_url, directives_for
from windlass.site.listing import Listing

Allowed = Callable[[str], bool]
"""Whether robots.txt lets a URL be fetched, as far as that is known."""

_WHOLE_SITE = Bounds(crawl_entire_domain=True, max_discovery_depth=1_000_000)
_FAMILIES_NAMED = 10


class Visited(msgspec.Struct, frozen=True, kw_only=True):
    """What the fetch of one page brought. `sighting` None: it is no page to be read."""

    url: str
    status: int
    sighting: Sighting | None = None
    failure: Failure | None = None
    redirected: bool = False
    partial: bool = False
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
    def retry_after_s(self) -> float | None:
        """For how long the site wants to be left alone."""
        return parse_retry_after(next(iter(self.values("retry-after")), None), datetime.now(UTC))

    def values(self, name: str) -> list[str]:
        """The values of a header given in lower case."""
        return [value for key, value in self.headers if key.lower() == name]


class ReadSitemap(msgspec.Struct, frozen=True):
    """What a sitemap was besides its pages."""

    is_sitemap: bool
    below: list[discovery.Source]


class Survey:
    """The URLs of one site, from its start page outward."""

    def __init__(self, plan: MapPlan, settings: Settings) -> None:
        self._settings = settings
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

    # ------------------------------------------------------------ what came of it

    @property
    def full(self) -> bool:
        """Whether the answer can hold no more."""
        return self._finds.full

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
        page = self._address(seen)
        if self._only_sitemaps or page is None:
            return
        self._finds.add(page, Place.SITE)
        self._describe(page.key, seen.outline)
        self._links(seen, allowed, Place.SITE)

    def set_out(self, seen: Visited) -> None:
        """Begins with what the start page names and no sitemap lists."""
        self._outward.start(self.start)
        named = self._frontier.follow(self._followed(seen), self.start).candidates
        unlisted = [one for one in named if self._is_to_be_read(one)]
        fingerprint = seen.sighting.fingerprint if seen.sighting else None
        self._outward.settle(self.start, unlisted, fingerprint)

    def _is_to_be_read(self, one: Candidate) -> bool:
        if one.key == self.start.key or self._finds.listed(one.key):
            return False
        return self._finds.knows(one.key)

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
            self._finds.list(one)
            self._finds.tell(one.key, Source.SITEMAP, entry.title, entry.description)
        if listing.is_sitemap and (page.failure is not None or listing.cut):
            self._cut = True
        return ReadSitemap(listing.is_sitemap, listing.below)

    def _own(self, url: str) -> Identity | None:
        """The page that a URL means, if it is one of the site."""
        page = self._frontier.identify(url)
        return page if page and not self._frontier.scope.refusal(page.url, 0) else None

    # ------------------------------------------------------------ pages

    def next(self) -> Candidate | None:
        """The page to read now, None when none is left."""
        return self._outward.next()

    def again(self, page: Candidate) -> None:
        """The page did not come; it is the next once more."""
        self._outward.again(page)

    def lost(self, page: Candidate) -> None:
        """There was no answer: the page stays in the answer, unread."""
        self._outward.settle(page, ())

    def gone(self, page: Candidate) -> None:
        """The site says that there is no such page."""
        self._finds.drop(page.key)
        self._outward.settle(page, ())

    def forbid(self, page: Candidate) -> None:
        """robots.txt keeps the page from us."""
        self._forbidden.add(page.key)
        self.gone(page)

    def absorb(self, page: Candidate, seen: Visited, allowed: Allowed) -> None:
        """Enters what a page says of itself, and where it leads."""
        if not seen.status_is_fine or seen.sighting is None:
            self.lost(page)
            return
        address = self._address(seen)
        if address is None:  # it leads away from the site
            self._finds.drop(page.key)
            self._outward.settle(page, (), alias=True)
            return
        if address.key != page.key:
            known = self._finds.knows(address.key)
            self._finds.drop(page.key)
            self._finds.add(address, Place.SITE)
            if known:
                self._describe(address.key, seen.outline)
                self._outward.settle(page, (), alias=True)
                return
        if self._asks("noindex", seen):
            self._finds.drop(address.key)
        self._describe(address.key, seen.outline)
        named = self._frontier.follow(self._followed(seen), page).candidates
        fresh = [one for one in named if not self._finds.knows(one.key)]
        fingerprint = None if seen.partial else seen.sighting.fingerprint
        self._outward.settle(page, self._permitted(fresh, allowed), fingerprint)
        self._links(seen, allowed, None)

    def _permitted(self, pages: list[Candidate], allowed: Allowed) -> list[Candidate]:
        self._forbidden.update(one.key for one in pages if not allowed(one.url))
        return [one for one in pages if one.key not in self._forbidden]

    def _address(self, seen: Visited) -> Identity | None:
        """The page that this is: its canonical address within the site, or else where it was."""
        canonical = canonical_url(seen.url, seen.outline, seen.values("link"))
        return (self._own(canonical) if canonical else None) or self._own(seen.url)

    def _describe(self, key: bytes, outline: Outline) -> None:
        self._finds.tell(key, Source.PAGE, outline.title, outline.description)

    def _links(self, seen: Visited, allowed: Allowed, place: Place | None) -> None:
        """Enters where a page leads, and what its links are called. `place` None: of the site's
        own URLs only the names, because they are entered where they are judged."""
        for link in self._shown(seen):
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

    def _shown(self, seen: Visited) -> tuple[PageLink, ...]:
        links = () if self._asks("nofollow", seen) else seen.outline.links
        refresh = seen.outline.refresh
        return (*links, PageLink(refresh)) if refresh else links

    def _followed(self, seen: Visited) -> list[str]:
        return [link.url for link in self._shown(seen)]

    def _asks(self, directive: str, seen: Visited) -> bool:
        settings = self._settings
        if not settings.obey_robots or directive not in settings.obey_directives:
            return False
        tags = seen.values("x-robots-tag")
        return bool(getattr(directives_for(settings.robots_agent, seen.outline, tags), directive))

    def _is_wanted(self, url: str) -> bool:
        """Whether a URL of another host is part of the answer (contract section 11)."""
        if self._filter != "subdomain":
            return self._filter == "all"
        parts = take_apart(url)
        name = parts.host.partition(":")[0] if parts else ""
        bases = (home.host.partition(":")[0] for home in self._frontier.scope.homes)
        mains = [base.removeprefix("www.") for base in bases]
        return any(name == main or name.endswith("." + main) for main in mains)
