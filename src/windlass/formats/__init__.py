"""Formats: what a result may contain. One file per format; reached by name through FORMATS.

Formats made from the body run in a page-reading process (reading.py), the others in the worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from windlass.model.page import CallRecord
from windlass.registry import Registry

if TYPE_CHECKING:
    from windlass.html.document import Document
    from windlass.model.page import Page


class Wish(msgspec.Struct, frozen=True, array_like=True):
    """What the caller wants of the formats besides their names."""

    main_content: bool = False
    """Only the main content instead of the whole page."""
    recipe: str = ""
    """Canonical JSON of the recipe to follow."""
    recipe_s: float = 10.0
    """Seconds that it may take."""
    calls: tuple[CallRecord, ...] = ()
    """What the page called, for recipes that look there."""


@dataclass(frozen=True)
class PageFormat:
    """A format made from the answer around the body. `name` is its key in a result."""

    name: str
    make: Callable[[Page], Any]


@dataclass(frozen=True)
class DocumentFormat:
    """A format made from the body. `name` is its key in a result.

    `needs` says what must be had of the body: its text, or the parsed page too; `process` is a
    page-reading process, whatever the body is. `make` may add to the list of warnings what the
    caller should know about the value.
    """

    name: str
    needs: Literal["source", "tree", "process"]
    make: Callable[[Document, Wish, list[str]], Any]


Format = PageFormat | DocumentFormat

# Several tree formats of one page are made in this order, on one tree: Markdown changes it most.
FORMATS: Registry[Format] = Registry(
    "format",
    {
        "parsing": "windlass.formats.parsing:PARSING",
        "explained": "windlass.formats.parsing:EXPLAINED",
        "headers": "windlass.formats.headers:HEADERS",
        "cookies": "windlass.formats.cookies:COOKIES",
        "screenshot": "windlass.formats.screenshot:SCREENSHOT",
        "html": "windlass.formats.html:HTML",
        "links": "windlass.formats.links:LINKS",
        "outline": "windlass.formats.outline:OUTLINE",
        "sighting": "windlass.formats.outline:SIGHTING",
        "survey": "windlass.formats.outline:SURVEY",
        "text": "windlass.formats.text:TEXT",
        "plain_text": "windlass.formats.text:TEXT",
        "markdown": "windlass.formats.markdown:MARKDOWN",
    },
)
