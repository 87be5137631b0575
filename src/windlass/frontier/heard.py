"""Heard: URLs that crawls are known to have heard of, so that nobody need ask about them again.

Kept by storage when it has committed them, looked at by kinds. It may forget, and never invents.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from collections.abc import Set as AbstractSet
from uuid import UUID

_MOST = 16_384
_NONE: frozenset[bytes] = frozenset()


class _Both:
    __slots__ = ("_old", "_young")

    def __init__(self, young: AbstractSet[bytes], old: AbstractSet[bytes]) -> None:
        self._young = young
        self._old = old

    def __contains__(self, key: object) -> bool:
        return key in self._young or key in self._old


class Heard:
    """Keys of URLs by crawl: the latest `most` of a process, and some before them."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._young: dict[UUID, set[bytes]] = {}
        self._old: dict[UUID, set[bytes]] = {}
        self._count = 0

    def add(self, crawl_id: UUID, keys: Iterable[bytes]) -> None:
        """These are in the crawl's rows for good."""
        keys = frozenset(keys)
        if not keys:
            return
        young = self._young.setdefault(crawl_id, set())
        before = len(young)
        young.update(keys)
        self._count += len(young) - before
        if self._count >= self._most:
            self._old, self._young, self._count = self._young, {}, 0

    def of(self, crawl_id: UUID) -> Container[bytes]:
        """Those of one crawl, as they are now."""
        return _Both(self._young.get(crawl_id, _NONE), self._old.get(crawl_id, _NONE))
