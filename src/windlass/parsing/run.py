"""One evaluation of one recipe on one page: what it may see, and what it may cost.

Made by formats/parsing.py. Everything that takes time or makes output tells it, so that no recipe
runs for ever or answers without end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from time import thread_time
from typing import Any

import msgspec

from windlass.html.document import Document
from windlass.html.dom import Dom, Node, text_of
from windlass.html.media import Kind
from windlass.model.page import CallRecord
from windlass.parsing.jsonpath import Item

_LOOK_EVERY = 2_000
"""Values met between two looks at the clock."""

Context = Node | Item
"""What a parser works on: a node of the page, or a JSON value."""


class RecipeStopped(Exception):  # noqa: N818 - news, like the errors of errors.py
    """A recipe took more than it may; says what of."""


class Limits(msgspec.Struct, frozen=True):
    """What one evaluation may take."""

    seconds: float = 10.0
    values: int = 20_000_000
    """Values and elements met."""
    output: int = 16_000_000
    """Characters of text and markup taken out of the page."""


class Sighted(msgspec.Struct, frozen=True):
    """Where a part of a recipe found something: JSON pointer into the result, way on the page."""

    field: str
    at: str


class Run:
    """What the parts of a recipe share while they run. Also the Setting of post-processors."""

    def __init__(
        self,
        document: Document,
        calls: Sequence[CallRecord] = (),
        limits: Limits = Limits(),  # noqa: B008 - frozen
        *,
        explain: bool = False,
    ) -> None:
        self._document = document
        self._calls = calls
        self._limits = limits
        self._until = thread_time() + limits.seconds
        self._left = limits.values
        self._next_look = limits.values - _LOOK_EVERY
        self._room = limits.output
        self.sighted: list[Sighted] | None = [] if explain else None
        self._read: dict[str, Any] = {}
        self._fragments: dict[str, Dom] = {}
        self.notes: list[str] = []
        """What the caller should know about the values."""

    # ------------------------------------------------------------ what it costs

    def spend(self, values: int) -> None:
        """Counts values met. Raises RecipeStopped when they, or the time, are too much."""
        self._left -= values
        if self._left < self._next_look:
            self._next_look = self._left - _LOOK_EVERY
            self.look()

    def look(self) -> None:
        """Raises RecipeStopped when too much was met, or the time is over."""
        if self._left < 0:
            raise RecipeStopped(f"it met more than {self._limits.values} values and elements")
        if thread_time() > self._until:
            raise RecipeStopped(f"it took longer than {self._limits.seconds:g} s")

    def give(self, text: str) -> str:
        """The text, counted. Raises RecipeStopped when all of it is too much."""
        self._room -= len(text)
        if self._room < 0:
            raise RecipeStopped(f"it gave more than {self._limits.output} characters")
        return text

    # ------------------------------------------------------------ what it may see

    @cached_property
    def start(self) -> Context:
        """What a recipe begins with: the page, or the value of a JSON body."""
        if self._document.kind is Kind.JSON:
            return Item(read_json(self._document.source))
        return self.dom.document

    @cached_property
    def root(self) -> Item:
        """The view of the whole document (7.8.6)."""
        view = {
            "url": self._document.url,
            "html": self._text,
            "network_capture": [_shown(call) for call in self._calls],
        }
        return Item(view)

    @cached_property
    def dom(self) -> Dom:
        """The page to select from; of what is no markup, what an HTML parser makes of it."""
        document = self._document
        if document.kind.markup or document.kind is Kind.XML:
            from windlass.html.document import Source

            return Dom.of(Source(document.body, document.encoding, document.url, document.kind))
        return Dom.fragment(self._text, document.url)

    def main_content(self, form: str) -> str:
        """What the formats call main content, "text" or "markdown"; "" of what is no markup."""
        if not self._document.kind.markup:
            return ""
        tree = self._document.tree.main_content(self.notes)
        return tree.markdown() if form == "markdown" else tree.text()

    @property
    def _text(self) -> str:
        return "" if self._document.kind is Kind.BINARY else self._document.source

    def dom_of(self, context: Context) -> tuple[Dom, Node] | None:
        """Where selectors for elements look: the page, or markup that a JSON value holds."""
        if not isinstance(context, Item):
            return self.dom, context
        if context is self.root:
            return self.dom, self.dom.document
        if not isinstance(context.value, str) or "<" not in context.value:
            return None
        dom = self._fragments.get(context.value)
        if dom is None:
            self.spend(len(context.value) // 20)
            dom = self._fragments[context.value] = Dom.fragment(context.value, self.url)
        return dom, dom.document

    def json_of(self, context: Context) -> Item:
        """What a context says in JSON; None if it says nothing of that kind."""
        if isinstance(context, Item):
            if not isinstance(context.value, str):
                return context
            value = self._json(context.value)
            return context if value is None else Item(value, context)
        return Item(self._json(text_of(context)), context)

    def _json(self, text: str) -> Any:
        if text not in self._read:
            self._read[text] = read_json(text)
        return self._read[text]

    @property
    def url(self) -> str:
        """Where the page is."""
        return self._document.url

    @property
    def base(self) -> str:
        """See Setting."""
        return self.dom.base if self._document.kind.markup else self.url

    @property
    def language(self) -> str:
        """See Setting."""
        return self.dom.language if self._document.kind.markup else ""

    @cached_property
    def now(self) -> datetime:
        """See Setting."""
        return datetime.now(UTC)

    # ------------------------------------------------------------ what was seen

    def note(self, field: str, contexts: Sequence[Context]) -> None:
        """Notes where a field was found, if somebody wants to know."""
        if self.sighted is not None:
            self.sighted.extend(Sighted(field, self._where(each)) for each in contexts[:100])

    def _where(self, context: Any) -> str:
        if not isinstance(context, Item):
            return "" if context is None else self.dom.where(context)
        steps: list[str] = []
        while isinstance(context, Item):
            if context.key is not None:
                steps.append(
                    f"[{context.key}]" if isinstance(context.key, int) else str(context.key)
                )
            context = context.up
        path = "$." + ".".join(reversed(steps)) if steps else "$"
        return f"{self._where(context)} {path.replace('.[', '[')}".strip()


def _shown(call: CallRecord) -> dict[str, Any]:
    read = read_json(call.body) if call.body[:256].lstrip()[:1] in ("{", "[") else None
    return {
        "url": call.url,
        "method": call.method,
        "status": call.status,
        "response_body": call.body if read is None else read,
    }


_WRAPPINGS = (
    ("<!--", "-->"),
    ("//<![CDATA[", "//]]>"),
    ("/*<![CDATA[*/", "/*]]>*/"),
    ("<![CDATA[", "]]>"),
)


def read_json(text: str) -> Any:
    """The value that a text tells in JSON, None if it is none. As forgiving as pages need: comments
    around it, a semicolon behind it, line breaks in texts."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    text = text.strip().lstrip("\ufeff")
    for begin, end in _WRAPPINGS:
        if text.startswith(begin):
            text = text.removeprefix(begin).strip().removesuffix(end).strip()
    try:
        return json.loads(text.rstrip("; \n"), strict=False, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
