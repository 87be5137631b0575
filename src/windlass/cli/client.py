"""HTTP to a running server, for commands: JSON in, JSON out, errors as our own classes.

Must not print and must not know what the answers mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from windlass import errors
from windlass.errors import EngineError, ServerUnreachable, WindlassError
from windlass.net.bodies import read_whole
from windlass.server.banner import base_url
from windlass.server.credentials import stored_key
from windlass.settings import Settings, load

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 200.0
"""Above the longest synchronous call a server makes by default."""

PROBE_TIMEOUT_S = 2.0
ANSWER_LIMIT_BYTES = 512_000_000
_PAUSES_S = (0.2, 0.5, 1.0, 2.0)


class Client:
    """One server and one API key."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    @property
    def url(self) -> str:
        """The server's base URL."""
        return self._url

    async def answers(self) -> bool:
        """Whether a Windlass answers there at all."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                answer = await self.call("GET", "/healthz")
        except (WindlassError, TimeoutError):
            return False
        return isinstance(answer, dict) and "status" in answer

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, str] | None = None,
    ) -> Any:
        """The decoded answer, None for an empty one.

        Raises ServerUnreachable, or the class of the error the server names.
        """
        content = None if body is None else msgspec.json.encode(body)
        try:
            async with self._session.request(
                method, self._url + path, data=content, params=query
            ) as response:
                raw = await _body(response)
                status = response.status
        except aiohttp.InvalidURL as error:
            raise errors.SettingsError(f"WINDLASS_URL is not a URL: {self._url}") from error
        except TimeoutError as error:
            raise ServerUnreachable(f"{self._url} does not answer in time") from error
        except aiohttp.ClientError as error:
            raise ServerUnreachable(
                f"no Windlass server answers at {self._url}: start one with `windlass serve` "
                "or set WINDLASS_URL"
            ) from error
        if status >= 400:
            raise _error(status, raw)
        try:
            return msgspec.json.decode(raw) if raw else None
        except msgspec.DecodeError as error:
            raise ServerUnreachable(f"what answers at {self._url} is no Windlass") from error


async def _body(response: aiohttp.ClientResponse) -> bytes:
    raw = await read_whole(response.content, ANSWER_LIMIT_BYTES)
    if raw is None:
        raise EngineError(f"the answer is larger than {ANSWER_LIMIT_BYTES} bytes")
    return raw


def settings_of(data: Path | None) -> Settings:
    """The settings of a command; without a URL among them, that of a server with the same ones."""
    origin = load({"data": data})
    if origin.sources["url"] != "default":
        return origin.settings
    return replace(origin.settings, url=base_url(origin.settings.host, origin.settings.port))


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Client]:
    """A client of the server that the settings name, with the key they name or keep."""
    key = stored_key(settings)
    headers = {"Content-Type": "application/json", "X-Client-Source": "windlass-cli"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        yield Client(session, settings.url)


def ask(
    data: Path | None, method: str, path: str, body: Any = None, query: dict[str, str] | None = None
) -> Any:
    """What Client.call answers, for commands that make one call only."""

    async def call() -> Any:
        async with connect(settings_of(data)) as client:
            return await client.call(method, path, body, query)

    return asyncio.run(call())


def pauses() -> Iterator[float]:
    """Seconds between looks at what has not ended yet; there is no last one."""
    return chain(_PAUSES_S, repeat(_PAUSES_S[-1]))


def _error(status: int, raw: bytes) -> WindlassError:
    """The error that an answer's body names; by its status when it names none of ours."""
    try:
        body = msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.MsgspecError:
        body = {}
    message = str(body.get("msg") or body.get("message") or f"the server answered {status}")
    kind = _by_code().get(str(body.get("error_code")))
    if kind is None:
        kind = _BY_STATUS.get(status, EngineError)
    if kind is errors.Unauthorized:
        message = (
            "the server refuses the API key: set WINDLASS_API_KEY, or WINDLASS_DATA to its data"
        )
    error = kind()
    error.message = message
    return error


_BY_STATUS: dict[int, type[WindlassError]] = {
    401: errors.Unauthorized,
    404: errors.NotFound,
    429: errors.RateLimited,
    400: errors.InvalidRequest,
}


def _by_code() -> dict[str, type[WindlassError]]:
    found: dict[str, type[WindlassError]] = {}
    pending: list[type[WindlassError]] = [WindlassError]
    while pending:
        kind = pending.pop()
        found[kind.code] = kind
        pending.extend(kind.__subclasses__())
    return found
