"""The formats of a page, each made where it belongs. Used by extraction.

What is evident without a parser is made here; the rest in a page-reading process, all formats of
a page in one call.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from windlass.errors import EngineError, ParserCrashed, ParseTimeout, TargetError
from windlass.formats import FORMATS, DocumentFormat, PageFormat, Wish
from windlass.formats.reading import Reading, ReadRequest, make
from windlass.html.document import Document
from windlass.html.pool import PoolLimits, ReaderPool
from windlass.model.page import Failure, Page
from windlass.model.request import ExtractRequest
from windlass.settings import Settings

_ENTRY = "windlass.formats.reading:read"
_EXPANSION = 6
"""How many times larger than the largest body all its formats together may be: text in UTF-8 may
double, twice over for html and markdown; deep quotes make Markdown grow without end."""
_RECIPE_S = 10.0
"""Most seconds of CPU time that a recipe may take on one page."""
_RECIPES_NICE = 15
"""At 5 a flood of recipes that burn all their time made the p95 of other pages 2.3 times what it is
without, at 12 and 19 some 1.1 times; a machine with nothing else to do gives them all it has."""
_READ_HERE = 200_000
"""Bytes up to which a body is made text in the worker itself: well under a millisecond."""


class Read(msgspec.Struct, frozen=True):
    """A page's formats. `failure` is set when some could not be made of it."""

    values: dict[str, object]
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None


class _Order(msgspec.Struct, frozen=True):
    """Formats of a request by where they are made, each in the registry's order."""

    of_page: tuple[PageFormat, ...]
    of_document: tuple[DocumentFormat, ...]
    paths: tuple[str, ...]
    """Where the child finds `of_document`."""

    @property
    def source_only(self) -> _Order:
        """The part that needs no parser."""
        pairs = zip(self.of_document, self.paths, strict=True)
        plain = [(one, path) for one, path in pairs if one.needs == "source"]
        return _Order((), tuple(one for one, _ in plain), tuple(path for _, path in plain))


class Reader:
    """Reads pages; one per worker process. Its child processes start with the first page."""

    def __init__(self, settings: Settings) -> None:
        self._deadline_s = settings.parse_timeout
        most = _EXPANSION * settings.fetch_limit
        limits = PoolLimits(memory=settings.parse_memory, reply=most)
        self._pool = ReaderPool(_ENTRY, limits)
        # On their own: a recipe may take its author's time, never that of others' pages.
        recipes = msgspec.structs.replace(limits, children=2, nice=_RECIPES_NICE)
        self._recipes = ReaderPool(_ENTRY, recipes)
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Reading)

    @property
    def processes(self) -> tuple[int, ...]:
        """Ids of the page-reading processes, for measurements."""
        return (*self._pool.processes, *self._recipes.processes)

    async def aclose(self) -> None:
        """Ends the child processes."""
        try:
            await self._pool.aclose()
        finally:
            await self._recipes.aclose()

    async def read(self, page: Page, request: ExtractRequest) -> Read:
        """The values of `request.formats` and of its recipe. A page that cannot be read fails in
        the Read, and keeps the formats that need no parser; a recipe that cannot be followed is no
        failure. Raises EngineError, Unsupported, MissingExtra."""
        order = _order(_wanted(request))
        values: dict[str, object] = {one.name: one.make(page) for one in order.of_page}
        if not order.of_document:
            return Read(values)
        wish = self._wish(page, request)
        try:
            reading = await self._document(page, order, wish)
        except (ParserCrashed, ParseTimeout) as error:
            if request.recipe:
                return await self._without_recipe(page, request, error)
            reading = await self._without_parser(page, order.source_only)
            return Read({**values, **reading.values}, reading.warnings, Failure.of(error))
        return Read({**values, **reading.values}, reading.warnings)

    def _wish(self, page: Page, request: ExtractRequest) -> Wish:
        # Half of the time that the process has: the other formats are not to die of a recipe.
        recipe_s = min(_RECIPE_S, self._deadline_s / 2)
        rendering = page.rendering if request.recipe else None
        calls = rendering.noted_calls() if rendering else ()
        return Wish(request.main_content, request.recipe, recipe_s, calls)

    async def _without_recipe(
        self, page: Page, request: ExtractRequest, error: TargetError
    ) -> Read:
        """The formats of a page whose reader died, perhaps of the recipe."""
        from windlass.formats.parsing import failed

        formats = tuple(name for name in request.formats if name != "explained")
        read = await self.read(page, msgspec.structs.replace(request, recipe="", formats=formats))
        warnings: list[str] = list(read.warnings)
        value = failed(f"the recipe failed on this page: {error.public_message}", warnings)
        return Read({**read.values, "parsing": value}, tuple(warnings), read.failure)

    async def _without_parser(self, page: Page, order: _Order) -> Reading:
        """What is left of a page that the parser cannot digest."""
        if not order.of_document:
            return Reading({})
        document = _document_of(page)
        if document.evident:
            return make(document, order.of_document, Wish())
        try:
            return await self._document(page, order, Wish())
        except (ParserCrashed, ParseTimeout):
            return Reading({})

    async def _document(self, page: Page, order: _Order, wish: Wish) -> Reading:
        document = _document_of(page)
        if _is_light(document, order.of_document):
            return make(document, order.of_document, wish)
        asked = ReadRequest(page.url, document.content_type, order.paths, wish, page.body)
        pool = self._recipes if wish.recipe else self._pool
        answer = await pool.call(self._encoder.encode(asked), self._deadline_s)
        try:
            return self._decoder.decode(answer)
        except msgspec.DecodeError as error:
            raise EngineError(f"a page-reading process answered nonsense: {error}") from error


def _wanted(request: ExtractRequest) -> tuple[str, ...]:
    if not request.recipe or "explained" in request.formats:
        return request.formats
    return (*request.formats, "parsing")


@lru_cache(maxsize=256)
def _order(names: tuple[str, ...]) -> _Order:
    """Raises Unsupported, naming what is known, and MissingExtra."""
    made = {name: FORMATS.get(name) for name in names}
    # Two names may stand for one format: its key decides.
    formats = {made[name].name: name for name in FORMATS if name in made}
    of_page: list[PageFormat] = []
    of_document: list[DocumentFormat] = []
    paths: list[str] = []
    for name in formats.values():
        one = made[name]
        if isinstance(one, PageFormat):
            of_page.append(one)
        else:
            of_document.append(one)
            paths.append(FORMATS.path(name))
    return _Order(tuple(of_page), tuple(of_document), tuple(paths))


def _document_of(page: Page) -> Document:
    return Document(page.body, page.body_type or page.header("content-type") or "", page.url)


def _is_light(document: Document, formats: tuple[DocumentFormat, ...]) -> bool:
    """Whether the formats can be made at once, without parser and detection."""
    if len(document.body) > _READ_HERE or any(one.needs == "process" for one in formats):
        return False
    needs_tree = document.kind.markup and any(one.needs == "tree" for one in formats)
    return not needs_tree and document.evident
