"""A crawl without network and database: the pure rules of windlass.frontier around a function.

It keeps in dicts what the crawl keeps in rows, and makes the same calls in the same order.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html import unescape

import ada_url

from windlass.frontier.likeness import fingerprint
from windlass.frontier.links import Frontier
from windlass.frontier.traps import IDLE, Standing, Verdict, sift
from windlass.frontier.worth import Seen, settle
from windlass.model.visit import Candidate

_HREF = re.compile(
    r'<(?:a|area|frame)\b[^>]*?\b(?:href|src)\s*=\s*["\']?([^"\' >]+)', re.IGNORECASE
)
_NO_TEXT = re.compile(r"<(script|style)\b.*?</\1>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")

Fetch = Callable[[str], tuple[int, str]]
"""Status and HTML of a URL."""


def text_of(html: str) -> str:
    """The text of a page, every tag a line's end."""
    return unescape(_TAG.sub("\n", _NO_TEXT.sub("", html)))


def links_of(html: str, url: str) -> list[str]:
    """Where a page leads."""
    found = []
    for reference in _HREF.findall(html):
        try:
            found.append(ada_url.join_url(url, unescape(reference)))
        except ValueError:
            continue
    return found


@dataclass
class SimulatedCrawl:
    """One crawl: `slots` pages under way at a time, which end in an order drawn from `seed`."""

    frontier: Frontier
    fetch: Fetch
    slots: int = 8
    seed: int = 0
    fetched: list[str] = field(default_factory=list)
    stopped: dict[str, str] = field(default_factory=dict)
    """The family at fault by URL."""
    standings: dict[str, Standing] = field(default_factory=dict)
    worths: Counter[str] = field(default_factory=Counter)
    held: dict[str, list[Candidate]] = field(default_factory=dict)
    """What waits, by the family it waits for; "" is for its turn."""
    _known: set[bytes] = field(default_factory=set)
    _ready: list[Candidate] = field(default_factory=list)
    _running: list[Candidate] = field(default_factory=list)
    _digests: Counter[bytes] = field(default_factory=Counter)
    _likenesses: Counter[int] = field(default_factory=Counter)

    def run(self, start: str, limit: int = 20_000) -> None:
        """Crawls from a URL until nothing is left or `limit` pages were fetched."""
        draw = random.Random(self.seed)
        first = self.frontier.start(start)
        assert first is not None
        self._known.add(first.key)
        self._judge([first])
        while (self._ready or self._running) and len(self.fetched) < limit:
            while self._ready and len(self._running) < self.slots:
                self._running.append(self._ready.pop(0))
            page = self._running.pop(draw.randrange(len(self._running)))
            self._finish(page)

    def _finish(self, page: Candidate) -> None:
        self.fetched.append(page.url)
        status, html = self.fetch(page.url)
        print_ = fingerprint(text_of(html), page.url) if status == 200 else None
        named = self.frontier.follow(links_of(html, page.url), page).candidates if print_ else []
        new = [one for one in named if one.key not in self._known]
        self._known.update(one.key for one in new)
        seen = Seen(
            page=page,
            fingerprint=print_,
            twin=print_ is not None and self._likenesses[print_.likeness] > 0,
            copy=print_ is not None and self._digests[print_.digest] > 0,
        )
        if print_ is not None:
            self._likenesses[print_.likeness] += 1
            self._digests[print_.digest] += 1
        worth, candidates, verdicts, changed = settle(seen, new, self.standings, self._under_way())
        self.worths[worth] += 1
        self.standings.update(changed)
        self._place(zip(candidates, verdicts, strict=True))
        self._release(changed)

    def _release(self, changed: Iterable[str]) -> None:
        """Judges again what waited for a family that changed, and what may have its turn."""
        turned = self._under_way()
        waiting = [one for family in changed for one in self.held.pop(family, ())]
        for one in self.held.pop("", ()):
            (waiting if one.turn <= turned else self.held.setdefault("", [])).append(one)
        self._judge(waiting)

    def _judge(self, candidates: list[Candidate]) -> None:
        verdicts, changed = sift(candidates, self.standings, self._under_way())
        self.standings.update(changed)
        self._place(zip(candidates, verdicts, strict=True))

    def _place(self, judged: Iterable[tuple[Candidate, Verdict]]) -> None:
        for one, verdict in judged:
            if verdict.decision == "admit":
                self._ready.append(one)
            elif verdict.decision == "hold":
                self.held.setdefault(verdict.family, []).append(one)
            else:
                self.stopped[one.url] = verdict.family

    def _under_way(self) -> int:
        return min((one.turn for one in (*self._ready, *self._running)), default=IDLE)
