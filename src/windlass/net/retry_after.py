"""When a server wants to be asked again (RFC 9110). Pure; for targets and receivers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST_WISH_S = 7 * 86400.0
_SECONDS = re.compile(r"[0-9]{1,18}", re.ASCII)


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds of a Retry-After header (RFC 9110 section 10.2.3), from 0 to a week.

    None if there is none that can be read.
    """
    if text is None:
        return None
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _LONGEST_WISH_S)
    try:
        moment = parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        wait_s = (moment - now).total_seconds()
    except (ValueError, OverflowError, TypeError):
        return None
    return min(max(wait_s, 0.0), _LONGEST_WISH_S)
