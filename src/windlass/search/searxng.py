"""SearXNG's JSON format, in its own field names (its Search API documentation).

The engine is named to it unless the operator's address names engines or categories itself.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from windlass.errors import SearchFailed, SettingsError
from windlass.model.request import SearchRequest
from windlass.search import Answer, Found, Hit
from windlass.search.asking import Asking
from windlass.search.headers import key_headers
from windlass.settings import Settings

_PERIODS = {"hour": "day"}
"""Periods that it does not know, and the next longer that it does."""
_MOST = 100


class _Result(msgspec.Struct):
    """An entry of `results`; what it says about its ranking is of no use here."""

    url: str | None = None
    title: str | None = None
    content: str | None = None
    engine: str | None = None
    engines: list[str] | None = None
    published: str | None = msgspec.field(name="publishedDate", default=None)
    thumbnail: str | None = None


class _Answers(msgspec.Struct):
    """The whole answer. `answers` are texts in older versions, objects in newer ones."""

    results: list[_Result]
    answers: list[Any] = []
    infoboxes: list[dict[str, Any]] = []
    suggestions: list[str] = []
    unresponsive_engines: list[Any] = []


class SearXng:
    """One SearXNG."""

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.search_url.strip())
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise SettingsError("WINDLASS_SEARCH_URL must be an http or https address")
        path = parts.path.rstrip("/")
        path = path if path.endswith("/search") else path + "/search"
        self._base = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))
        self._fixed = dict(parse_qsl(parts.query))
        self._asking = Asking(settings.search_timeout, key_headers(settings))

    async def search(self, request: SearchRequest) -> Found:
        """See SearchBackend."""
        query = self._query(request)
        url = f"{self._base}?{urlencode(query)}"
        try:
            said = msgspec.convert(await self._asking.json(url), _Answers)
        except msgspec.ValidationError as error:
            raise SearchFailed(f"The search backend's answer is not SearXNG's: {error}") from error
        silent = _silent(said.unresponsive_engines)
        hits = tuple(_hit(one) for one in said.results if one.url)[: request.count]
        if silent and not hits:
            raise SearchFailed(f"The search engines did not answer: {', '.join(silent)}")
        notes = [f"a search engine did not answer: {one}" for one in silent]
        if request.time in _PERIODS:
            notes.append(f"time {request.time} is not known to SearXNG: {query['time_range']}")
        return Found(
            url=self.link(request.query, request.page),
            backend="searxng",
            hits=hits,
            answers=_answers(said),
            related=tuple(dict.fromkeys(said.suggestions))[:_MOST],
            next_page=request.page + 1 if said.results else 0,
            notes=tuple(notes),
        )

    def link(self, query: str, page: int = 1) -> str:
        """The address for people."""
        pages = {"pageno": page} if page > 1 else {}
        return f"{self._base}?{urlencode({'q': query, **pages})}"

    async def aclose(self) -> None:
        """See SearchBackend."""
        await self._asking.aclose()

    def _query(self, request: SearchRequest) -> dict[str, str]:
        asked = {"q": request.query, "format": "json", "pageno": str(request.page)}
        if request.engine and not {"engines", "categories"} & self._fixed.keys():
            asked["engines"] = request.engine
        if request.locale and request.locale != "auto":
            asked["language"] = request.locale
        if request.time:
            asked["time_range"] = _PERIODS.get(request.time, request.time)
        return {**asked, **{k: v for k, v in self._fixed.items() if k not in ("q", "format")}}


def _hit(one: _Result) -> Hit:
    engines = one.engines or ([one.engine] if one.engine else [])
    return Hit(
        url=one.url or "",
        title=one.title or "",
        snippet=one.content or "",
        date=one.published or "",
        thumbnail=one.thumbnail or "",
        engines=tuple(engines),
    )


def _answers(said: _Answers) -> tuple[Answer, ...]:
    found: list[Answer] = []
    for one in said.answers:
        text = one if isinstance(one, str) else one.get("answer") if isinstance(one, dict) else None
        url = one.get("url") if isinstance(one, dict) else None
        if isinstance(text, str) and text:
            found.append(Answer(text=text, url=url if isinstance(url, str) else ""))
    for box in said.infoboxes:
        text = box.get("content")
        if isinstance(text, str) and text:
            found.append(Answer(text=text, url=_first_url(box)))
    return tuple(found[:_MOST])


def _first_url(box: dict[str, Any]) -> str:
    links = box.get("urls")
    inside = links if isinstance(links, list) else []
    urls = [one.get("url") for one in inside if isinstance(one, dict)]
    return next(
        (url for url in (box.get("id"), *urls) if isinstance(url, str) and "://" in url), ""
    )


def _silent(engines: list[Any]) -> list[str]:
    """ "google (CAPTCHA)" of each ["google", "CAPTCHA"]."""
    shown = []
    for one in engines[:_MOST]:
        parts = [str(part)[:100] for part in one] if isinstance(one, list) else [str(one)[:100]]
        shown.append(parts[0] + (f" ({parts[1]})" if len(parts) > 1 else "") if parts else "")
    return [one for one in shown if one]
