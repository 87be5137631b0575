"""Chromium's own figures about a page (`with_performance_metrics`). Called by rendering.py."""

from __future__ import annotations

from typing import Any

from windlass.drivers.browser.stage import Stage

_ASKING_S = 5.0


async def performance_metrics(stage: Stage) -> dict[str, float]:
    """Figures by Chromium's names: seconds, bytes, counts. Raises TimeoutError and Error."""
    answer: dict[str, Any] = await stage.send("Performance.getMetrics", _ASKING_S)
    return {str(one["name"]): float(one["value"]) for one in answer.get("metrics", ())}
