"""What a meta refresh or a Refresh header says. Used by drivers, which follow it, and by html."""

from __future__ import annotations

import re
from typing import NamedTuple

_TIME = re.compile(r"\s*([0-9]+)?(\.[0-9.]*)?(?=[\s;,]|$)\s*[;,]?\s*")
_URL = re.compile(r"url\s*=\s*", re.IGNORECASE)


class Refresh(NamedTuple):
    """Move on to `reference`, perhaps relative, after a time in seconds."""

    delay_s: float
    reference: str


def parse_refresh(content: str) -> Refresh | None:
    """The refresh that a value stands for (HTML, section 4.2.5.3), None without a URL."""
    time = _TIME.match(content)
    if time is None or not (time[1] or time[2]):
        return None
    target = content[time.end() :]
    if prefix := _URL.match(target):
        target = target[prefix.end() :]
    if target[:1] in ("'", '"'):
        target = target[1:].partition(target[0])[0]
    target = target.strip()
    return Refresh(float(time[1] or 0), target) if target else None
