"""What was learned lately, kept in memory for a moment so that it need not be asked again."""

from __future__ import annotations

import time
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Lately(Generic[K, V]):
    """At most `most` values, each for `seconds`; the oldest make room. Values are not None."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._kept: dict[K, tuple[float, V]] = {}

    def get(self, key: K) -> V | None:
        """What was learned; None if nothing was, or too long ago."""
        kept = self._kept.get(key)
        return kept[1] if kept is not None and kept[0] > time.monotonic() else None

    def keep(self, key: K, value: V, since: float | None = None) -> None:
        """Remembers it. `since`: when it was asked for (time.monotonic), if not just now."""
        self._kept.pop(key, None)
        if len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = ((time.monotonic() if since is None else since) + self._seconds, value)

    def clear(self) -> None:
        """Forgets everything."""
        self._kept.clear()
