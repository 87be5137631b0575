"""What a family of URLs may still cost: it earns fetches by showing something new.

A trap makes URLs for ever and shows the same. No rule about URLs finds it without hitting honest
sites too, so a family is tried a few times and believed by what it shows. Pure: the crawl keeps a
row per family (Standing), hands in those of the URLs at hand and stores what comes back.

A page is *novel* if its text is, or if it leads to honest pages that nobody knew. It is *barren* if
it is not and there is reason for doubt: it has query parameters, a drawn id or a repeated path, or
its own family grew it (a calendar's next month; a list that only leads on to itself). Else it is
neither: a page that others name is no trap because it is short, or much like its neighbours.

A family that has had as many barren pages as its start plus its novel ones is stopped; as long as
outcomes are due, its URLs wait. Novelty counts fully for the narrowest family and once for each
wider one, so a good parameter ("page") does not pay for the bad ones beside it ("colour"), and
a narrow family that has proved itself does not answer for what is around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from windlass.frontier.families import Shape, shape_of
from windlass.model.crawl import StoppedFamily
from windlass.model.visit import Candidate

IDLE = 99
"""What is under way if nothing is: a turn above all others."""

_PROVEN = 3
"""Novel pages, and more than twice as many as barren ones, until a family answers for itself."""

_GROWTH = 3
"""Pages that may be under way in a proven family for each novel one."""

_TRUSTED = 16
"""Novel pages until they are not counted any more."""

_BARREN_ANCESTORS = 3
"""Barren pages in a row after which a chain ends, whatever its family has shown elsewhere."""


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one family has shown in one crawl. `admitted - finished` are under way."""

    admitted: int = 0
    finished: int = 0
    novel: int = 0
    barren: int = 0
    refused: int = 0
    """URLs refused because of this family."""
    memory: bytes = b""
    """Its texts, see likeness.py; at most 4 KB."""


Standings = Mapping[str, Standing]
NEW = Standing()


class Verdict(NamedTuple):
    """`family` is the one that decides, "" where it is the turn or nothing."""

    decision: Literal["admit", "hold", "stop"]
    family: str = ""


_ADMIT = Verdict("admit")


def judge(candidate: Candidate, standings: Standings, under_way: int = IDLE) -> Verdict:
    """Whether a URL may be fetched now. `under_way` is the lowest turn of what is being fetched.

    "hold" until that family changes, or until nothing of a lower turn is under way if it names
    none; with nothing under way, no URL is held. "stop" is final.
    """
    if candidate.listed:
        return _ADMIT
    families = candidate.families
    if candidate.lineage > _BARREN_ANCESTORS:
        return Verdict("stop", families[-1])
    first = _narrowest_proven(families, standings)
    verdict = _ADMIT
    for family in families[max(first, 0) :]:
        found = _judge_family(family, standings.get(family, NEW))
        if found.decision == "stop":
            return found
        if found.decision == "hold":
            verdict = found
    if verdict is _ADMIT and first < 0 and candidate.turn > under_way:
        return Verdict("hold")
    return verdict


def _narrowest_proven(families: Sequence[str], standings: Standings) -> int:
    """Its place, -1 if there is none. Folders prove nothing about what varies in them."""
    for place in range(len(families) - 1, -1, -1):
        standing = standings.get(families[place])
        if standing is not None and _is_proven(standing):
            return -1 if shape_of(families[place]) is Shape.FOLDER else place
    return -1


def _is_proven(standing: Standing) -> bool:
    return standing.novel >= _PROVEN and standing.novel > 2 * standing.barren


def _judge_family(family: str, standing: Standing) -> Verdict:
    start = _start(family)
    # Its first page is new whatever it is: nothing was there to compare it with.
    left = start + max(standing.novel - 1, 0) - standing.barren
    due = standing.admitted - standing.finished
    if left <= 0 and due <= 0:
        return Verdict("stop", family)
    if _is_proven(standing):
        left = start + _GROWTH * standing.novel
        if standing.novel >= _TRUSTED:
            return _ADMIT
    return Verdict("hold", family) if due >= left else _ADMIT


def _start(family: str) -> int:
    """Barren pages that a family may have without any novel one but its first."""
    shape = shape_of(family)
    if shape is Shape.NUMBERS:
        return 6
    if shape is Shape.FOLDER or (shape is Shape.PARAMETERS and _is_narrow(family)):
        return 3
    return 5


def _is_narrow(family: str) -> bool:
    """Whether it is one page with certain parameters; page and parameters count apart, too."""
    return not family.endswith("?") and "*?" not in family


class Sifted(NamedTuple):
    """A verdict for each candidate, in their order, and the families that it changed."""

    verdicts: list[Verdict]
    changed: dict[str, Standing]


def sift(candidates: Sequence[Candidate], standings: Standings, under_way: int = IDLE) -> Sifted:
    """Judges many URLs at once, lower turns first; each admitted one counts for those after it.

    `standings` must hold every family of the candidates that has one.
    """
    changed = dict(standings)
    touched: set[str] = set()
    verdicts = [_ADMIT] * len(candidates)
    for place in sorted(range(len(candidates)), key=lambda at: candidates[at].turn):
        candidate = candidates[place]
        verdict = verdicts[place] = judge(candidate, changed, under_way)
        if verdict.decision == "admit":
            under_way = min(under_way, candidate.turn)
            count(candidate.families, changed, admitted=1)
            touched.update(candidate.families)
        elif verdict.decision == "stop":
            count((verdict.family,), changed, refused=1)
            touched.add(verdict.family)
    return Sifted(verdicts, {family: changed[family] for family in touched})


def count(families: Iterable[str], standings: dict[str, Standing], **more: int) -> None:
    """Adds to the numbers of families, in place."""
    for family in families:
        old = standings.get(family, NEW)
        values = {name: getattr(old, name) + number for name, number in more.items()}
        standings[family] = msgspec.structs.replace(old, **values)


# ---------------------------------------------------------------- what the crawl says of it


def stopped(standings: Standings) -> list[StoppedFamily]:
    """The families that URLs were refused for, most refusals first."""
    found = [
        StoppedFamily(family, _reason(family, standing), standing.finished, standing.refused)
        for family, standing in standings.items()
        if standing.refused
    ]
    return sorted(found, key=lambda one: (-one.refused, one.family))


def _reason(family: str, standing: Standing) -> str:
    what = shape_of(family).value
    return f"{what}: {standing.barren} of {standing.finished} pages showed nothing new"
