"""What is known of a crawl's URLs while a transaction enters pages, and which of them are one page.

Used by crawling.py, which reads and writes the rows. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple
from uuid import UUID

from windlass.frontier.likeness import is_unlike
from windlass.frontier.worth import Seen
from windlass.model.visit import Candidate, Fingerprint, Visit
from windlass.storage.crawlrows import Placed

Known = dict[bytes, tuple[str, bytes | None]]
"""The state of URLs that a crawl has heard of, and the page that they are an address of."""

Texts = tuple[set[int], set[bytes]]
"""Likenesses and digests that fetched pages have."""


class Waiting(NamedTuple):
    """A page that names as canonical another, which is still being fetched.

    `task_id` None: it was entered just now, and its end is not yet told.
    """

    task_id: UUID | None
    key: bytes
    canonical: bytes
    digest: bytes
    likeness: int
    sketch: bytes


class Ending(NamedTuple):
    """What a fetched page turned out to be: the columns of end_pages."""

    key: bytes
    state: str
    alias_of: bytes | None = None
    digest: bytes | None = None
    likeness: int | None = None
    sketch: bytes | None = None


class _Claim(NamedTuple):
    """What comes of a page's canonical address: it is another's, nobody knows yet, it shows
    something else, or nothing."""

    verdict: Literal["alias", "waits", "unlike", "none"]
    of: bytes | None = None


_NO_CLAIM = _Claim("none")


class Pages:
    """A crawl's URLs, as far as the pages at hand name them."""

    def __init__(
        self, known: Known, texts: Texts, sketches: dict[bytes, bytes], waiting: list[Waiting]
    ) -> None:
        self._known = known
        self._likenesses, self._digests = texts
        self._sketches = sketches
        self._waiting = waiting
        self._entered: set[bytes] = set()
        self.ended: dict[bytes, Ending] = {}
        self.aliases: list[tuple[bytes, str, bytes]] = []
        self.silent: set[bytes] = set()
        self.late: list[UUID] = []
        """Tasks that ended before, in silence, and are pages after all."""
        self.placed: list[Placed] = []
        self.found_on: list[UUID | None] = []

    @property
    def heard(self) -> frozenset[bytes]:
        """The URLs that the crawl has heard of, once what is entered here is stored."""
        return frozenset(self._known)

    def under_way(self, page: Candidate) -> bool:
        """Whether its fetch is still to be entered."""
        return self._known.get(page.key, ("", None))[0] == "admitted"

    def knows(self, page: Candidate) -> bool:
        """Whether somebody has named it."""
        return page.key in self._known

    def new(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Those that nobody has named yet; from now on they are known."""
        found = [one for one in candidates if one.key not in self._known]
        self._known.update({one.key: ("held", None) for one in found})
        return found

    def place(self, placed: Placed, found_on: UUID | None) -> None:
        """Files a URL that is new."""
        page, state, *_ = placed
        self._known[page.key] = (state, None)
        self.placed.append(placed)
        self.found_on.append(found_on)

    def exclude(self, candidates: Sequence[Candidate], found_on: UUID | None) -> None:
        """Files URLs that robots.txt keeps from us."""
        for one in self.new(candidates):
            self.place((one, "excluded", "", None), found_on)

    def enter(
        self, page: Candidate, visit: Visit, *, counts: bool, brought: bool
    ) -> tuple[Seen, str]:
        """Files a fetched page: as itself, as another's alias, as none of the crawl's, or, as
        long as nobody can tell, as one that waits. `brought`: it was first to name its canonical
        address."""
        print_ = visit.fingerprint
        target = self._target(page, visit)
        claim = _Claim("alias", target) if target else _NO_CLAIM
        if target is None and counts and print_ is not None and visit.canonical:
            claim = self._weigh(page.key, visit.canonical, print_.sketch)
        itself = claim.verdict in ("none", "unlike")
        seen = Seen(
            page=page,
            fingerprint=print_ if itself else None,
            alias=not itself and not brought,
            twin=print_ is not None and print_.likeness in self._likenesses,
            copy=print_ is not None and print_.digest in self._digests,
        )
        state = "alias" if claim.verdict == "alias" else "fetched" if counts else "excluded"
        state = "admitted" if claim.verdict == "waits" else state
        self._end(Ending(page.key, state, claim.of), print_)
        return seen, state

    def settle_waiting(self, *, everything: bool = False) -> int:
        """Decides about pages whose canonical address has been fetched now, or about all that
        wait; how many are aliases of it."""
        aliases = 0
        for one in self._waiting:
            if not everything and one.canonical not in self._entered:
                continue
            claim = self._weigh(one.key, one.canonical, one.sketch)
            if claim.verdict == "alias":
                aliases += 1
                self._known[one.key] = ("alias", claim.of)
                self.ended[one.key] = Ending(one.key, "alias", claim.of)
                continue
            unlike = claim.of if claim.verdict == "unlike" else None
            self._known[one.key] = ("fetched", unlike)
            self.ended[one.key] = Ending(
                one.key, "fetched", unlike, one.digest, one.likeness, one.sketch
            )
            self.silent.discard(one.key)
            self.late += [one.task_id] if one.task_id else []
        return aliases

    def _end(self, ending: Ending, print_: Fingerprint | None) -> None:
        key, state, of, *_ = ending
        if print_ is not None and state in ("fetched", "admitted"):
            ending = Ending(key, state, of, print_.digest, print_.likeness, print_.sketch)
            self._sketches[key] = print_.sketch
            if state == "fetched":
                self._digests.add(print_.digest)
                self._likenesses.add(print_.likeness)
            elif of is not None:
                self._waiting.append(
                    Waiting(None, key, of, print_.digest, print_.likeness, print_.sketch)
                )
        if state != "fetched":
            self.silent.add(key)
        self._known[key] = (state, of)
        self._entered.add(key)
        self.ended[key] = ending

    def _weigh(self, own: bytes, canonical: bytes, sketch: bytes) -> _Claim:
        """What a page's canonical address comes to. A site may name one address on all of its
        pages, so what it shows decides."""
        state, alias_of = self._known.get(canonical, ("", None))
        meant = alias_of if state == "alias" else canonical
        if meant is None or meant == own:
            return _NO_CLAIM
        other = self._sketches.get(meant)
        if other is not None:
            return (
                _Claim("unlike", canonical) if is_unlike(sketch, other) else _Claim("alias", meant)
            )
        waits = state in ("admitted", "held") and canonical not in self._entered
        return _Claim("waits", canonical) if waits else _NO_CLAIM

    def _target(self, page: Candidate, visit: Visit) -> bytes | None:
        """The page that this one redirects to. Addresses nobody has fetched become its own."""
        target = None
        for key, url in visit.aliases:
            state, alias_of = self._known.get(key, ("", None))
            target = None
            if state in ("admitted", "fetched"):
                target = key
            elif state == "alias":
                target = alias_of if alias_of != page.key else None
            else:
                self._known[key] = ("alias", page.key)
                self.aliases.append((key, url, page.key))
        return target
