"""Calls about the server itself: health, readiness, metrics, its own description. No key needed."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Any

import msgspec

from windlass.api.call import Call, Reply
from windlass.api.metrics import Metrics
from windlass.api.operations import Health, Readiness
from windlass.api.verbs import Verbs
from windlass.errors import WindlassError

_STATS_WITHIN_S = 5.0
_CSP = (("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"),)


class Standing:
    """Handlers that say how the server stands and what it is."""

    def __init__(self, service: Verbs, metrics: Metrics) -> None:
        self._service = service
        self._metrics = metrics

    async def health(self, call: Call) -> Reply:
        """This process answers."""
        return Reply(msgspec.json.encode(Health("ok")))

    async def readiness(self, call: Call) -> Reply:
        """All that must work does."""
        checks = await self._service.ready()
        ready = all(state == "ok" for state in checks.values())
        body = Readiness("ok" if ready else "failed", checks)
        return Reply(msgspec.json.encode(body), 200 if ready else 503)

    async def metrics(self, call: Call) -> Reply:
        """Prometheus's text format; without the database only what this process counts."""
        try:
            async with asyncio.timeout(_STATS_WITHIN_S):
                stats = await self._service.stats()
        except (WindlassError, TimeoutError):
            stats = None  # windlass_up says so
        body = await self._metrics.text(stats)
        return Reply(body, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, call: Call) -> Reply:
        """The description for machines."""
        return Reply(msgspec.json.encode(self._described))

    async def docs(self, call: Call) -> Reply:
        """The description for people."""
        from windlass.api.docs import page

        text = page(self._described)
        return Reply(text.encode(), media_type="text/html; charset=utf-8", headers=_CSP)

    @cached_property
    def _described(self) -> dict[str, Any]:
        from windlass.api.openapi import describe

        return describe()
