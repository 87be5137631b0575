"""The formats of a page, each made where it belongs. Used by extraction.

What is evident without a parser is made here; the rest in a page-reading process, all formats of
a page in one call.
"""

from __future__ import annotations

import msgspec

from windlass.errors import EngineError, ParserCrashed, ParseTimeout
from windlass.formats import FORMATS, DocumentFormat, PageFormat, Wish
from windlass.formats.reading import Reading, ReadRequest, make
from windlass.html.document import Document
from windlass.html.pool import PoolLimits, ReaderPool
from windlass.model.page import Failure, Page
from windlass.model.request import ExtractRequest
from windlass.settings import Settings

_ENTRY = "windlass.formats.reading:read"
_READ_HERE = 200_000
"""Bytes up to which a body is made text in the worker itself: well under a millisecond."""


class Read(msgspec.Struct, frozen=True):
    """A page's formats. `failure` is set when some could not be made of it."""

    values: dict[str, object]
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None


class Reader:
    """Reads pages; one per worker process. Its child processes start with the first page."""

    def __init__(self, settings: Settings) -> None:
        self._deadline_s = settings.parse_timeout
        self._pool = ReaderPool(_ENTRY, PoolLimits(memory=settings.parse_memory))
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Reading)

    async def aclose(self) -> None:
        """Ends the child processes."""
        await self._pool.aclose()

    async def read(self, page: Page, request: ExtractRequest) -> Read:
        """The values of `request.formats`. A page that cannot be read fails in the Read, and
        keeps the formats that need no parser. Raises EngineError, Unsupported, MissingExtra."""
        asked = set(request.formats)
        values: dict[str, object] = {}
        of_document: list[str] = []
        for name in (name for name in FORMATS if name in asked):
            found = FORMATS.get(name)
            if isinstance(found, PageFormat):
                values[found.name] = found.make(page)
            else:
                of_document.append(name)
        for name in asked:
            FORMATS.path(name)
        if not of_document:
            return Read(values)
        wish = Wish(main_content=request.main_content)
        try:
            reading = await self._document(page, of_document, wish)
        except (ParserCrashed, ParseTimeout) as error:
            return await self._without_parser(page, values, of_document, Failure.of(error))
        return Read({**values, **reading.values}, reading.warnings)

    async def _without_parser(
        self, page: Page, values: dict[str, object], names: list[str], failure: Failure
    ) -> Read:
        """What is left of a page that the parser cannot digest."""
        plain = [name for name in names if _document_format(name).needs == "source"]
        if not plain or len(plain) == len(names):
            return Read(values, (), failure)
        try:
            reading = await self._document(page, plain, Wish())
        except (ParserCrashed, ParseTimeout):
            return Read(values, (), failure)
        return Read({**values, **reading.values}, reading.warnings, failure)

    async def _document(self, page: Page, names: list[str], wish: Wish) -> Reading:
        content_type = page.header("content-type") or ""
        document = Document(page.body, content_type, page.url)
        formats = tuple(map(_document_format, names))
        if _is_light(document, formats):
            return make(document, formats, wish)
        paths = tuple(map(FORMATS.path, names))
        asked = ReadRequest(page.url, content_type, paths, wish.main_content, page.body)
        answer = await self._pool.call(self._encoder.encode(asked), self._deadline_s)
        try:
            return self._decoder.decode(answer)
        except msgspec.DecodeError as error:
            raise EngineError(f"a page-reading process answered nonsense: {error}") from error


def _document_format(name: str) -> DocumentFormat:
    found = FORMATS.get(name)
    assert isinstance(found, DocumentFormat)
    return found


def _is_light(document: Document, formats: tuple[DocumentFormat, ...]) -> bool:
    """Whether the formats can be made at once, without parser and detection."""
    if len(document.body) > _READ_HERE or not document.evident:
        return False
    return not document.kind.markup or all(one.needs == "source" for one in formats)
