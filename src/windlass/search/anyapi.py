"""Any search API that answers GET with JSON: where to ask and where things are is a setting.

WINDLASS_SEARCH_URL is the template, WINDLASS_SEARCH_FIELDS the paths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from windlass.errors import Problem, SearchFailed, SettingsError
from windlass.model.request import SearchRequest
from windlass.parsing.faults import Spot
from windlass.parsing.jsonpath import Item
from windlass.parsing.selectors import read_path
from windlass.search import Found, Hit
from windlass.search.asking import Asking
from windlass.search.headers import key_headers
from windlass.settings import Settings

_NAMES = ("query", "count", "offset", "page", "language", "country", "time", "engine")
_FIELDS = ("results", "title", "url", "snippet", "date", "thumbnail", "related")
_PART = re.compile(r"\{(\w+)\}")
_MOST_VALUES = 1_000_000


class AnyApi:
    """One search API."""

    def __init__(self, settings: Settings) -> None:
        self._template = settings.search_url.strip()
        unknown = set(_PART.findall(self._template)) - set(_NAMES)
        if unknown or not re.match(r"https?://[^/{}]+/", self._template, re.IGNORECASE):
            raise SettingsError(
                "WINDLASS_SEARCH_URL must be an http or https address with {query} and, where "
                f"wanted, {', '.join('{' + name + '}' for name in _NAMES[1:])}"
            )
        self._paths = _paths(settings.search_fields)
        self._asking = Asking(settings.search_timeout, key_headers(settings))

    async def search(self, request: SearchRequest) -> Found:
        """See SearchBackend."""
        answer = await self._asking.json(self._expand(request))
        left = [_MOST_VALUES]

        def find(name: str, value: Any) -> list[Any]:
            path = self._paths.get(name)
            return [] if path is None else [i.value for i in path.find(Item(value), _spend(left))]

        entries = find("results", answer)
        if len(entries) == 1 and isinstance(entries[0], list):
            entries = entries[0]
        read = [{name: _text(find(name, one)) for name in _FIELDS[1:6]} for one in entries]
        hits = [msgspec.convert(one, Hit) for one in read if one["url"]]
        if entries and not hits:
            raise SearchFailed(
                "The search backend's results have no url: see WINDLASS_SEARCH_FIELDS"
            )
        if not entries and not isinstance(answer, dict | list):
            raise SearchFailed("The search backend's answer has no results")
        related = [one for one in find("related", answer) if isinstance(one, str)]
        more = bool(hits) and bool({"page", "offset"} & set(_PART.findall(self._template)))
        return Found(
            url=self.link(request.query, request.page),
            backend="search-api",
            hits=tuple(hits[: request.count]),
            related=tuple(related[:100]),
            next_page=request.page + 1 if more else 0,
        )

    def link(self, query: str, page: int = 1) -> str:
        """See SearchBackend. A key may stand in the template's query, so only the query is told."""
        return f"{self._template.split('?')[0].split('{')[0]}?q={quote(query, safe='')}"

    async def aclose(self) -> None:
        """See SearchBackend."""
        await self._asking.aclose()

    def _expand(self, request: SearchRequest) -> str:
        values = {
            "query": request.query,
            "count": str(request.count),
            "offset": str((request.page - 1) * request.count),
            "page": str(request.page),
            "language": request.locale if request.locale != "auto" else "",
            "country": request.country,
            "time": request.time,
            "engine": request.engine,
        }
        return _PART.sub(lambda found: quote(values[found[1]], safe=""), self._template)


def _paths(fields: Mapping[str, str]) -> dict[str, Any]:
    unknown = sorted(set(fields) - set(_FIELDS))
    problems: list[Problem] = []
    paths = {name: read_path(path, Spot(problems)) for name, path in fields.items()}
    if problems or unknown or not {"results", "url"} <= fields.keys():
        why = problems[0].message if problems else f"known are {', '.join(_FIELDS)}"
        raise SettingsError(f"WINDLASS_SEARCH_FIELDS must have results and url; {why}")
    return paths


def _text(values: list[Any]) -> str:
    return next((one for one in values if isinstance(one, str)), "")


def _spend(left: list[int]) -> Any:
    def spend(values: int) -> None:
        left[0] -= values
        if left[0] < 0:
            raise SearchFailed("The search backend's answer is too large to look through")

    return spend
