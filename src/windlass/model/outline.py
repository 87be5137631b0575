"""Outline: what a page says of itself and where it leads, for crawls and maps."""

from __future__ import annotations

import msgspec


class PageLink(msgspec.Struct, frozen=True, array_like=True):
    """Where a page leads: an absolute http(s) URL without fragment, once for each page.

    `nofollow` only if every link to it says so; `text` is the first that a link to it shows, left
    out for crawls.
    """

    url: str
    nofollow: bool = False
    text: str = ""


class Outline(msgspec.Struct, frozen=True, omit_defaults=True):
    """Read from the tree of one page, absolute URLs throughout.

    `canonicals` are its rel=canonical links, once each; `refresh` is where a meta refresh leads,
    after any time; `robots` are its meta elements that ask something of robots, as (name, content)
    in lower case.
    Only the head counts: what visitors may write is in the body.
    """

    title: str = ""
    description: str = ""
    canonicals: tuple[str, ...] = ()
    refresh: str = ""
    robots: tuple[tuple[str, str], ...] = ()
    links: tuple[PageLink, ...] = ()
