"""One GET to the operator's search backend, within bounds of time and size; JSON comes back.

The address is the operator's own and so exempt from the address guard; where it redirects to is
not, so redirects are not followed. Used by the backends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec

from windlass.errors import SearchFailed
from windlass.net.bodies import read_whole
from windlass.net.retry_after import parse_retry_after

_LIMIT_BYTES = 5_000_000
_LONGEST_WAIT_S = 3600.0


class Asking:
    """The connections to one backend; made on first use, for they belong to an event loop."""

    def __init__(self, timeout_s: float, headers: Mapping[str, str]) -> None:
        self._timeout_s = timeout_s
        self._headers = {"Accept": "application/json", "User-Agent": "Windlass", **headers}
        self._session: aiohttp.ClientSession | None = None

    async def json(self, url: str) -> Any:
        """The decoded answer. Raises SearchFailed."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._json(url)
        except TimeoutError as error:
            message = f"The search backend did not answer within {self._timeout_s:g} s"
            raise SearchFailed(message) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            kind = type(error).__name__
            raise SearchFailed(f"The search backend cannot be reached ({kind})") from error

    async def aclose(self) -> None:
        """Closes connections."""
        if self._session is not None:
            await self._session.close()

    async def _json(self, url: str) -> Any:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        from yarl import URL

        asked = URL(url, encoded=True)
        async with self._session.get(asked, allow_redirects=False) as response:
            if response.status != 200:
                raise _refusal(response.status, response.headers.get("Retry-After", ""))
            raw = await _body(response)
        try:
            return msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError) as error:
            raise SearchFailed("The search backend's answer is not JSON") from error


async def _body(response: aiohttp.ClientResponse) -> bytes:
    raw = await read_whole(response.content, _LIMIT_BYTES)
    if raw is None:
        raise SearchFailed(f"The search backend's answer is larger than {_LIMIT_BYTES} bytes")
    return raw


def _refusal(status: int, retry_after: str) -> SearchFailed:
    if status == 429:
        wait_s = _seconds(retry_after)
        again = f"; it wants to be asked again in {wait_s:g} s" if wait_s else ""
        return SearchFailed(f"The search backend is asked too often (429){again}", wait_s)
    if 300 <= status < 400:
        return SearchFailed(f"The search backend redirects ({status}): correct WINDLASS_SEARCH_URL")
    if status in (401, 403):
        message = (
            f"The search backend refuses the request ({status}): its JSON format may be off, or "
            "WINDLASS_SEARCH_KEY wrong"
        )
        return SearchFailed(message)
    return SearchFailed(f"The search backend answered {status}", _seconds(retry_after))


def _seconds(retry_after: str) -> float:
    """Seconds to wait for, within bounds; 0 if the header says none."""
    return min(parse_retry_after(retry_after, datetime.now(UTC)) or 0.0, _LONGEST_WAIT_S)
