"""What a fetched page was worth to its crawl, and what becomes of the URLs that it names.

`settle` is the one call the crawl makes for every page that it admitted, in the transaction that
ends the page. Pure; traps.py says what the words mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from windlass.frontier.families import Shape, shape_of
from windlass.frontier.likeness import learn, news
from windlass.frontier.traps import (
    NEW,
    Standing,
    Standings,
    Verdict,
    count,
    sift,
)
from windlass.model.visit import Candidate, Fingerprint

_MUCH_NEWS = 200
_SOME_NEWS = 16
_HARDLY_NEWS = 24
"""Bytes of text that the families of a page have not shown before."""

Worth = Literal["novel", "barren", "neither"]


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the fetch of an admitted candidate brought."""

    page: Candidate
    fingerprint: Fingerprint | None = None
    """None if there is no text to judge: the fetch failed, the page is an alias or no text."""
    alias: bool = False
    """It redirected to a known page, or named one as canonical."""
    twin: bool = False
    """Another page of this crawl has the same `likeness`."""
    copy: bool = False
    """Another page of this crawl has the same `digest`."""


class Settled(NamedTuple):
    """The page's worth; the URLs that it was first to name, with their lineage, and a verdict for
    each; the families that changed."""

    worth: Worth
    candidates: list[Candidate]
    verdicts: list[Verdict]
    changed: dict[str, Standing]


def settle(seen: Seen, named: Sequence[Candidate], standings: Standings, under_way: int) -> Settled:
    """Enters a fetched page into its families and judges the URLs that it was first to name.

    `named` are those of its candidates (links.py) that the crawl did not know. `standings` must
    hold every family of the page and of these that has one; `under_way` is as for `sift`, without
    this page.
    """
    known = dict(standings)
    worth = _worth(seen, named, known)
    changed = _enter(seen, worth, known)
    known.update(changed)
    heirs = [_heir(seen.page, worth, one) for one in named]
    verdicts, later = sift(heirs, known, under_way)
    return Settled(worth, heirs, verdicts, changed | later)


def _heir(page: Candidate, worth: Worth, one: Candidate) -> Candidate:
    """A URL with its lineage, now that the worth of the page that named it is known."""
    lineage = one.lineage
    if worth == "barren" and lineage:
        lineage += max(page.lineage, 1)
    elif worth == "novel" and _is_folder(one.families[-1]):
        lineage = 0  # an overview, and what stands below it
    return one if lineage == one.lineage else msgspec.structs.replace(one, lineage=lineage)


def _worth(seen: Seen, named: Sequence[Candidate], standings: Standings) -> Worth:
    page = seen.page
    shape = shape_of(page.families[-1])
    doubted = shape not in (Shape.FOLDER, Shape.NUMBERS)
    grown = page.lineage > 0
    if seen.alias:
        return "barren" if doubted or (grown and shape is Shape.NUMBERS) else "neither"
    if seen.fingerprint is None:
        return "neither"
    new = 0 if seen.twin else _news(page.families, standings, seen.fingerprint)
    size = seen.fingerprint.size
    if new >= _MUCH_NEWS or (new >= _SOME_NEWS and 2 * new >= size):
        return "novel"
    if _leads(page, named, standings):
        return "neither" if shape is Shape.FOLDER else "novel"
    if shape is Shape.REPEATS and new >= _HARDLY_NEWS:
        doubted = False
    copy = seen.copy and shape is Shape.NUMBERS
    return "barren" if doubted or grown or copy else "neither"


def _leads(page: Candidate, named: Iterable[Candidate], standings: Standings) -> int:
    """How many of the URLs that nobody knew are honest pages outside the page's own families."""
    varying = {one for one in page.families if not _is_folder(one)}
    own = varying or {page.families[-1]}
    return sum(own.isdisjoint(one.families) for one in named if _is_honest(one, standings))


def _is_honest(candidate: Candidate, standings: Standings) -> bool:
    """Whether it has a name of its own, or belongs to a family that shows more than it repeats."""
    narrowest = candidate.families[-1]
    standing = standings.get(narrowest, NEW)
    return _is_folder(narrowest) or standing.novel > 2 * standing.barren


def _is_folder(family: str) -> bool:
    return shape_of(family) is Shape.FOLDER


# ---------------------------------------------------------------- entering it


def _enter(seen: Seen, worth: Worth, standings: Standings) -> dict[str, Standing]:
    families = seen.page.families
    changed = {family: standings.get(family, NEW) for family in families}
    count(families, changed, finished=1)
    if worth == "novel":
        _credit(families, changed)
    elif worth == "barren":
        below = shape_of(families[-1]) in (Shape.FOLDER, Shape.REPEATS)
        count(families if below else families[1:], changed, barren=1)
    if seen.fingerprint is not None:
        _remember(families, changed, seen.fingerprint)
    return changed


def _credit(families: Sequence[str], standings: dict[str, Standing]) -> None:
    """One for the narrowest family; one for a wider one when the next narrower had its first."""
    for family in reversed(families):
        count((family,), standings, novel=1)
        if standings[family].novel > 1:
            return


def _remembering(families: Sequence[str]) -> list[str]:
    """Those whose texts are kept: a folder, all below a place that varies, a page of any query.

    The narrower ones are part of these.
    """
    paths = [one for one in families if "?" not in one]
    return [*paths[:2], *(one for one in families if one.endswith("?"))]


def _news(families: Sequence[str], standings: Standings, page: Fingerprint) -> int:
    memories = (standings.get(one, NEW).memory for one in _remembering(families))
    return min((news(memory, page) for memory in memories), default=page.size)


def _remember(families: Sequence[str], standings: dict[str, Standing], page: Fingerprint) -> None:
    for family in _remembering(families):
        old = standings[family]
        memory = learn(old.memory, page)
        if memory != old.memory:
            standings[family] = msgspec.structs.replace(old, memory=memory)
