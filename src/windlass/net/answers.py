"""HTTP/1 answers as sites really send them: heads with flaws in them, chunks, early ends.

Pure reading of bytes, used by tolerance.py. Where browsers go on, this goes on, and says
what it had to overlook. It judges one answer at a time and knows no connection.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

MAX_HEAD_BYTES = 262_144
"""Status line and fields of one answer, interim answers included."""
HEAD_END = re.compile(rb"\n\r?\n")
"""The end of a head, right after its last line's text."""

_STATUS_LINE = re.compile(
    rb"(?:HTTP/([0-9])(?:\.([0-9]))?|ICY)[ \t]+([0-9]{3})(?:[ \t]+(.*))?", re.IGNORECASE | re.DOTALL
)
_PROTOCOLS = (b"http/", b"icy ")
_CLEAN = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[^\x00\r\n]*+(?:\r\n|\r?\Z))+")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_HIGH = re.compile(rb"[\x80-\xff]")
_UNFIT = re.compile(rb"[\x00\r\n]")
_NO_BODY = frozenset({204, 304})

Pairs = tuple[tuple[str, str], ...]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The head of an answer. `length` None and not `chunked`: the body ends with the connection.

    `repairs` says what in it was wrong and overlooked, in words for the caller.
    """

    status: int
    reason: str
    version: tuple[int, int]
    fields: Pairs
    length: int | None = None
    chunked: bool = False
    keeps_alive: bool = False
    repairs: tuple[str, ...] = ()


def starts_like_http(data: bytes) -> bool | None:
    """Whether data begin with a status line, None while that cannot be told yet."""
    start = data[:5].lower()
    if any(start[: len(name)] == name for name in _PROTOCOLS):
        return True
    return None if any(name.startswith(start) for name in _PROTOCOLS) else False


def parse_head(block: bytes) -> Head | None:
    """The head in `block`, without the empty line that ends it; None if it is not HTTP."""
    first, _, lines = block.partition(b"\n")
    status_line = _STATUS_LINE.fullmatch(first.rstrip(b"\r"))
    if status_line is None:
        return None
    repairs: list[str] = []
    fields = _clean_fields(lines) or _fields(lines.split(b"\n"), repairs)
    status = int(status_line[3])
    version = (int(status_line[1] or 1), int(status_line[2] or 0))
    length, chunked = _framing(fields, repairs)
    if status in _NO_BODY:
        length, chunked = 0, False
    return Head(
        status=status,
        reason=_text(status_line[4] or b""),
        version=version,
        fields=fields,
        length=length,
        chunked=chunked,
        keeps_alive=_keeps_alive(fields, version) and not repairs,
        repairs=tuple(dict.fromkeys(repairs)),
    )


def _clean_fields(lines: bytes) -> Pairs:
    """The fields of lines that need no patience, as most do; else nothing."""
    if not _CLEAN.fullmatch(lines) or not lines.isascii():
        return ()
    parts = [line.partition(":") for line in lines.decode("ascii").rstrip("\r").split("\r\n")]
    return tuple((name, value.strip(" \t")) for name, _, value in parts)


def _fields(lines: list[bytes], repairs: list[str]) -> Pairs:
    fields: list[tuple[str, list[str]]] = []
    for line in lines:
        line = line.rstrip(b"\r")
        if line[:1] in (b" ", b"\t"):
            if fields and (more := _text(line)):  # folded, which RFC 9112 section 5.2 lets us join
                fields[-1][1].append(more)
            continue
        name_bytes, colon, value_bytes = line.partition(b":")
        name_bytes = name_bytes.rstrip(b" \t")
        if not colon or not _NAME.fullmatch(name_bytes):
            repairs.append("a header line that is none was left out")
            continue
        if name_bytes.lower() == b"location":
            value_bytes = _fit_for_url(value_bytes)
        fields.append((name_bytes.decode("ascii"), [_text(value_bytes)]))
    return tuple((name, " ".join(parts)) for name, parts in fields)


def _text(value: bytes) -> str:
    """UTF-8 if it is, else Latin-1, without what no header may hold."""
    value = value.strip(b" \t\r")
    if _UNFIT.search(value):
        value = _UNFIT.sub(b" ", value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _fit_for_url(value: bytes) -> bytes:
    """Bytes that are no UTF-8 percent-encoded one by one: an address means bytes, not letters."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return _HIGH.sub(lambda byte: b"%%%02X" % byte[0][0], value)
    return value


def _framing(fields: Pairs, repairs: list[str]) -> tuple[int | None, bool]:
    """Length and whether the body is chunked (RFC 9112 section 6.3, with more patience)."""
    lengths: list[str] = []
    chunked = False
    for name, value in fields:
        key = name.lower()
        if key == "content-length":
            lengths += [part.strip() for part in value.split(",")]
        elif key == "transfer-encoding":
            chunked = chunked or "chunked" in value.lower()
    if chunked:
        if lengths:
            repairs.append("a Content-Length beside chunks was left out")
        return None, True
    numbers = {int(text) for text in lengths if _LENGTH.fullmatch(text)}
    if not all(_LENGTH.fullmatch(text) for text in lengths):
        repairs.append("a Content-Length that is no number was left out")
    if len(numbers) > 1:
        repairs.append("of several Content-Lengths the largest was taken")
    return max(numbers, default=None), False


def _keeps_alive(fields: Pairs, version: tuple[int, int]) -> bool:
    options = ",".join(value for name, value in fields if name.lower() == "connection").lower()
    return "close" not in options if version >= (1, 1) else "keep-alive" in options


class ChunkReader:
    """Undoes chunked transfer coding (RFC 9112 section 7.1). Trailers are read and dropped.

    `done`: the last chunk came; `rest` is what followed it. `broken`: the data are no chunks.
    """

    _LINE_BYTES = 4096
    _OVERHEAD_BYTES = 1_000_000

    def __init__(self) -> None:
        self.done = False
        self.broken = False
        self.rest = b""
        self._state: Callable[[bytes], bool] = self._size
        self._line = b""
        self._left = 0
        self._made = 0
        self._overhead = 0
        self._last = False

    @property
    def complete(self) -> bool:
        """Whether nothing is missing if the connection ends here: only trailers may be."""
        return self.done or self._last

    def feed(self, data: bytes) -> bytes:
        """The body bytes in `data`. Sets `done` or `broken`; then nothing more is to be fed."""
        body: list[bytes] = []
        at, end = 0, len(data)
        while at < end and not self.done and not self.broken:
            if self._left:
                piece = data[at : at + self._left] if at or self._left < end else data
                at += len(piece)
                self._left -= len(piece)
                self._made += len(piece)
                body.append(piece)
                continue
            newline = data.find(b"\n", at)
            stop = end if newline < 0 else newline + 1
            self._take(data[at:stop], newline >= 0)
            at = stop
        self.rest = data[at:]
        return body[0] if len(body) == 1 else b"".join(body)

    def _take(self, part: bytes, whole: bool) -> None:
        """A line between chunks, or a part of one."""
        self._line += part
        self._overhead += len(part)
        # Chunks of a byte or two, or endless extensions, would cost more than they bring.
        wasteful = self._overhead > self._OVERHEAD_BYTES + self._made
        if len(self._line) > self._LINE_BYTES or wasteful:
            self.broken = True
        elif whole:
            line, self._line = self._line.strip(b" \t\r\n"), b""
            self.broken = not self._state(line)

    def _size(self, line: bytes) -> bool:
        text = line.partition(b";")[0].strip(b" \t")
        if not text or len(text) > 16 or text.strip(b"0123456789abcdefABCDEF"):
            return False
        self._left = int(text, 16)
        self._last = not self._left
        self._state = self._trailer if self._last else self._end
        return True

    def _end(self, line: bytes) -> bool:
        self._state = self._size
        return not line

    def _trailer(self, line: bytes) -> bool:
        self.done = not line
        return True
