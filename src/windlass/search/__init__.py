"""Search: what the operator's search backend answers to a query, whatever it is.

One seam for everything that needs results. Nothing here makes up what a backend did not say.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from windlass.errors import SearchUnconfigured
from windlass.model.request import SearchRequest
from windlass.settings import Settings


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One result. Empty: the backend did not say."""

    url: str
    title: str = ""
    snippet: str = ""
    date: str = ""
    thumbnail: str = ""
    engines: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A direct answer, and where it is from."""

    text: str
    url: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend answered. `url` is what it was asked, without secrets.

    `next_page` is 0 where no further page is known of. `notes` are for the caller.
    """

    url: str
    backend: str
    hits: tuple[Hit, ...] = ()
    answers: tuple[Answer, ...] = ()
    related: tuple[str, ...] = ()
    next_page: int = 0
    notes: tuple[str, ...] = ()


class SearchBackend(Protocol):
    """Where searches go."""

    async def search(self, request: SearchRequest) -> Found:
        """Raises SearchFailed, with the time that the backend wants to be left alone."""
        ...

    def link(self, query: str, page: int = 1) -> str:
        """The address at which the backend answers a query, without secrets."""
        ...

    async def aclose(self) -> None:
        """Closes connections."""
        ...


def is_configured(settings: Settings) -> bool:
    """Whether there is a backend."""
    return bool(settings.search_url.strip())


def open_backend(settings: Settings) -> SearchBackend:
    """The operator's backend. Raises SearchUnconfigured, or SettingsError for settings that are
    wrong."""
    if not is_configured(settings):
        raise SearchUnconfigured
    if "{query}" in settings.search_url:
        from windlass.search.anyapi import AnyApi

        return AnyApi(settings)
    from windlass.search.searxng import SearXng

    return SearXng(settings)


def check(settings: Settings) -> None:
    """Raises SettingsError, naming the setting, for a backend that could never be asked."""
    if is_configured(settings):
        open_backend(settings)
