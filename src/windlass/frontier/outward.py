"""In which order a map reads the pages of a site that no sitemap lists, and where it stops.

Used by the map kind, one page at a time. It keeps in memory, bounded, what a crawl keeps in the
database, and judges by the same rules (worth.py, traps.py).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence

from windlass.frontier.finds import Finds, Place
from windlass.frontier.identity import Identity
from windlass.frontier.traps import IDLE, Standing, count, sift, stopped
from windlass.frontier.worth import Seen, settle
from windlass.model.crawl import StoppedFamily
from windlass.model.visit import Candidate, Fingerprint

_MOST_WAITING = 10_000
"""Pages that wait to be read; more than the time of one map suffices for."""


class Outward:
    """The pages to read, breadth first. What is found goes to `finds`."""

    def __init__(self, finds: Finds) -> None:
        self._finds = finds
        self._standings: dict[str, Standing] = {}
        self._ready: deque[Candidate] = deque()
        self._turns: Counter[int] = Counter()
        self._held: list[Candidate] = []
        self._digests: set[bytes] = set()
        self._likenesses: set[int] = set()
        self.passed_over = 0
        """Pages that are named in the answer but were too many to be read."""

    def next(self) -> Candidate | None:
        """The page to read now, None when none is left."""
        if not self._ready and self._held:
            held, self._held = self._held, []
            sifted = sift(held, self._standings_of(held), IDLE)
            self._standings.update(sifted.changed)
            for candidate, verdict in zip(held, sifted.verdicts, strict=True):
                self._place(candidate, verdict.decision)
        if not self._ready:
            return None
        candidate = self._ready.popleft()
        self._turns[candidate.turn] -= 1
        return candidate

    def start(self, page: Candidate) -> None:
        """Counts a page that is read whatever the rules say."""
        count(page.families, self._standings, admitted=1)

    def again(self, page: Candidate) -> None:
        """Lets a page be read once more, before all others."""
        self._ready.appendleft(page)
        self._turns[page.turn] += 1

    def settle(
        self,
        page: Candidate,
        named: Iterable[Candidate],
        fingerprint: Fingerprint | None = None,
        *,
        alias: bool = False,
    ) -> None:
        """Enters what a page was worth, and the pages that it is the first to name."""
        fresh = list(named)
        seen = Seen(
            page=page,
            fingerprint=fingerprint,
            alias=alias,
            twin=fingerprint is not None and fingerprint.likeness in self._likenesses,
            copy=fingerprint is not None and fingerprint.digest in self._digests,
        )
        if fingerprint is not None:
            self._likenesses.add(fingerprint.likeness)
            self._digests.add(fingerprint.digest)
        settled = settle(seen, fresh, self._standings_of([page, *fresh]), self._lowest_turn())
        self._standings.update(settled.changed)
        for candidate, verdict in zip(settled.candidates, settled.verdicts, strict=True):
            self._place(candidate, verdict.decision)

    def stopped(self) -> list[StoppedFamily]:
        """What was given up because it showed nothing new."""
        return stopped(self._standings)

    def _place(self, candidate: Candidate, decision: str) -> None:
        page = Identity(candidate.url, candidate.key)
        if decision == "stop":
            self._finds.drop(candidate.key)
            return
        self._finds.add(page, Place.SITE if decision == "admit" else Place.DOUBTED)
        if len(self._ready) + len(self._held) >= _MOST_WAITING:
            self.passed_over += 1
            if decision == "admit":  # it will not end, and must not keep others from being read
                count(candidate.families, self._standings, admitted=-1)
        elif decision == "admit":
            self._ready.append(candidate)
            self._turns[candidate.turn] += 1
        else:
            self._held.append(candidate)

    def _standings_of(self, pages: Sequence[Candidate]) -> dict[str, Standing]:
        known = self._standings
        names = {name for page in pages for name in page.families}
        return {name: known[name] for name in names if name in known}

    def _lowest_turn(self) -> int:
        return min((turn for turn, number in self._turns.items() if number > 0), default=IDLE)
