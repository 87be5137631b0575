"""Heads and chunks as sites send them: what is read, what is overlooked, what is broken."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.net.answers import HEAD_END, ChunkReader, Head, parse_head, starts_like_http


def head(text: str | bytes) -> Head:
    """The head of lines separated by newlines, with CRLF between them."""
    block = text if isinstance(text, bytes) else text.replace("\n", "\r\n").encode()
    parsed = parse_head(block)
    assert parsed is not None
    return parsed


def test_ordinary_head_is_read_as_it_is() -> None:
    parsed = head("HTTP/1.1 404 Not  Found\nContent-Length: 5\nX-A:b\nX-A:  c \nX-Empty:")
    assert parsed == Head(
        status=404,
        reason="Not  Found",
        version=(1, 1),
        fields=(("Content-Length", "5"), ("X-A", "b"), ("X-A", "c"), ("X-Empty", "")),
        length=5,
        keeps_alive=True,
    )


STATUS_LINES = {
    "HTTP/1.1 200 OK": (200, (1, 1)),
    "HTTP/1.0 200 OK": (200, (1, 0)),
    "HTTP/1.1 200": (200, (1, 1)),
    "HTTP/1.1  200  OK": (200, (1, 1)),
    "http/1.1 200 ok": (200, (1, 1)),
    "HTTP/2 200": (200, (2, 0)),
    "ICY 200 OK": (200, (1, 0)),
    "HTTP/1.1 999 Request denied": (999, (1, 1)),
}


@pytest.mark.parametrize("line", STATUS_LINES)
def test_status_lines_are_read_in_every_spelling(line: str) -> None:
    parsed = head(line)
    assert (parsed.status, parsed.version) == STATUS_LINES[line]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "HTTP/1.1",
        "HTTP/1.1 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTPS/1.1 200 OK",
        "HTTP/x 200 OK",
        "GET / HTTP/1.1",
        "HTTP/1.1 200OK",
    ],
)
def test_what_is_no_status_line_is_no_head(line: str) -> None:
    assert parse_head(line.encode()) is None


# lines, the fields read, whether something was overlooked
FIELDS: dict[str, tuple[bytes, tuple[tuple[str, str], ...], bool]] = {
    "no colon": (b"nothing here\r\nA: b", (("A", "b"),), True),
    "no name": (b": x\r\nA: b", (("A", "b"),), True),
    "space in the name": (b"Bad Name: x\r\nA: b", (("A", "b"),), True),
    "space before the colon": (b"A : b", (("A", "b"),), False),
    "folded": (b"A: b\r\n c\r\n\td\r\nE: f", (("A", "b c d"), ("E", "f")), False),
    "folded at once": (b" lost\r\nA: b", (("A", "b"),), False),
    "folded nothing": (b"A: b\r\n  \r\nC: d", (("A", "b"), ("C", "d")), False),
    "bare newlines": (b"A: b\nC: d", (("A", "b"), ("C", "d")), False),
    "stray return": (b"A: b\rc\r\nD: e", (("A", "b c"), ("D", "e")), False),
    "zero byte": (b"A: b\0c", (("A", "b c"),), False),
    "utf-8": ("A: žluť".encode(), (("A", "žluť"),), False),
    "latin-1": (b"A: caf\xe9", (("A", "café"),), False),
    "location in utf-8": ("Location: /ž".encode(), (("Location", "/ž"),), False),
    "location in other bytes": (b"Location: /caf\xe9", (("Location", "/caf%E9"),), False),
    "value with colons": (b"A: b: c:", (("A", "b: c:"),), False),
    "return at the end": (b"A: b\r", (("A", "b"),), False),
}


@pytest.mark.parametrize("name", FIELDS)
def test_fields_are_read_with_patience(name: str) -> None:
    lines, fields, overlooked = FIELDS[name]
    parsed = head(b"HTTP/1.1 200 OK\r\n" + lines)
    assert parsed.fields == fields
    assert bool(parsed.repairs) is overlooked


# fields, length, chunked, whether something was overlooked
FRAMING = [
    ("Content-Length: 5", 5, False, False),
    ("Content-Length: 0", 0, False, False),
    ("Content-Length: 5\nContent-Length: 5", 5, False, False),
    ("Content-Length: 5, 5", 5, False, False),
    ("Content-Length: 5\nContent-Length: 7", 7, False, True),
    ("Content-Length: x", None, False, True),
    ("Content-Length: -1", None, False, True),
    ("Content-Length: ٣", None, False, True),
    ("Content-Length:", None, False, True),
    ("Content-Length: " + "9" * 5000, None, False, True),
    ("Content-Length: " + "0" * 9 + "7", 7, False, False),
    ("Content-Length: 5\nContent-Length: x", 5, False, True),
    ("Transfer-Encoding: chunked", None, True, False),
    ("Transfer-Encoding: gzip, Chunked", None, True, False),
    ("Transfer-Encoding: chunked\nContent-Length: 5", None, True, True),
    ("Transfer-Encoding: identity\nContent-Length: 5", 5, False, False),
    ("A: b", None, False, False),
]


@pytest.mark.parametrize(("fields", "length", "chunked", "overlooked"), FRAMING)
def test_framing_is_settled(
    fields: str, length: int | None, chunked: bool, overlooked: bool
) -> None:
    parsed = head("HTTP/1.1 200 OK\n" + fields)
    assert (parsed.length, parsed.chunked, bool(parsed.repairs)) == (length, chunked, overlooked)
    assert not (parsed.repairs and parsed.keeps_alive)


@pytest.mark.parametrize("status", [204, 304])
def test_answers_that_have_no_body_have_none_whatever_they_say(status: int) -> None:
    parsed = head(f"HTTP/1.1 {status} No\nContent-Length: 5\nTransfer-Encoding: chunked")
    assert (parsed.length, parsed.chunked) == (0, False)


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        ("1.1", "", True),
        ("1.1", "Connection: close", False),
        ("1.1", "Connection: x, Close", False),
        ("1.0", "", False),
        ("1.0", "Connection: Keep-Alive", True),
    ],
)
def test_connection_is_kept_by_version_and_option(
    version: str, connection: str, kept: bool
) -> None:
    assert (
        head(f"HTTP/{version} 200 OK\nContent-Length: 1\n{connection or 'A: b'}").keeps_alive
        is kept
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 200", True),
        (b"http/", True),
        (b"ICY 200", True),
        (b"HTT", None),
        (b"I", None),
        (b"", None),
        (b"<html>", False),
        (b"HTTQ", False),
        (b"ICYX", False),
        (b"\0", False),
    ],
)
def test_what_starts_like_http_is_told_early(data: bytes, expected: bool | None) -> None:
    assert starts_like_http(data) is expected


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n", b"\n\r\n", b"\r\n\n"])
def test_head_ends_at_the_empty_line(end: bytes) -> None:
    found = HEAD_END.search(b"HTTP/1.1 200 OK" + end + b"body\r\n\r\n")
    assert found is not None
    assert found.end() == len(b"HTTP/1.1 200 OK" + end)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_no_head_makes_it_raise(junk: bytes) -> None:
    parse_head(junk)
    parsed = parse_head(b"HTTP/1.1 200 OK\r\n" + junk)
    assert parsed is not None or b"\n" not in junk


def test_hostile_heads_take_no_time() -> None:
    for unit in (
        b"A: b\r\n",
        b"\r\n ",
        b"A",
        b"A:" + b" " * 100 + b"\0\r\n",
        b"Content-Length: 1,",
    ):
        block = b"HTTP/1.1 200 OK\r\n" + unit * (262_144 // len(unit))
        began = time.process_time()
        parse_head(block)
        assert time.process_time() - began < 0.5


# ---------------------------------------------------------------- chunks


def read(data: bytes, step: int) -> tuple[bytes, ChunkReader, bytes]:
    """What is read when data arrive `step` bytes at a time; the rest counts what never was fed."""
    reader = ChunkReader()
    body, at = b"", 0
    while at < len(data) and not reader.done and not reader.broken:
        body += reader.feed(data[at : at + step])
        at += step
    return body, reader, reader.rest + data[at:]


# chunks, the body, how it ends: done, broken, or neither (then whether nothing is missing)
CHUNKS: dict[str, tuple[bytes, bytes, str]] = {
    "one": (b"5\r\nhello\r\n0\r\n\r\n", b"hello", "done"),
    "several": (b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"abc", "done"),
    "none": (b"0\r\n\r\n", b"", "done"),
    "hexadecimal": (b"A\r\n0123456789\r\n00000\r\n\r\n", b"0123456789", "done"),
    "extensions": (b'5 ; a=b;c="d"\r\nhello\r\n0;x\r\n\r\n', b"hello", "done"),
    "spaces": (b" 5 \r\nhello\r\n0 \r\n\r\n", b"hello", "done"),
    "bare newlines": (b"5\nhello\n0\n\n", b"hello", "done"),
    "trailers": (b"1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n", b"a", "done"),
    "newlines inside": (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", "done"),
    "no number": (b"5\r\nhello\r\nzz\r\nworld\r\n", b"hello", "broken"),
    "empty number": (b"\r\n5\r\nhello\r\n", b"", "broken"),
    "negative": (b"-1\r\na\r\n", b"", "broken"),
    "prefixed": (b"0x5\r\nhello\r\n", b"", "broken"),
    "underscore": (b"1_0\r\nhello\r\n", b"", "broken"),
    "huge": (b"fffffffffffffffff\r\n", b"", "broken"),
    "chunk longer than said": (b"3\r\nhello\r\n0\r\n\r\n", b"hel", "broken"),
    "endless line": (b"5;" + b"x" * 10_000, b"", "broken"),
    "cut in a chunk": (b"5\r\nhel", b"hel", "cut"),
    "cut after a chunk": (b"5\r\nhello\r\n", b"hello", "cut"),
    "cut in a number": (b"5\r\nhello\r\n1", b"hello", "cut"),
    "cut in the trailers": (b"5\r\nhello\r\n0\r\nA: b\r\n", b"hello", "complete"),
    "cut before the last newline": (b"5\r\nhello\r\n0\r\n", b"hello", "complete"),
}


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
@pytest.mark.parametrize("name", CHUNKS)
def test_chunks_are_read_however_they_arrive(name: str, step: int) -> None:
    data, expected, end = CHUNKS[name]
    body, reader, _ = read(data, step)
    assert body == expected
    assert reader.done is (end == "done")
    assert reader.broken is (end == "broken")
    assert reader.complete is (end in ("done", "complete"))


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_what_follows_the_last_chunk_is_left_over(step: int) -> None:
    assert read(b"1\r\na\r\n0\r\n\r\nHTTP/1.1 200 OK", step)[2] == b"HTTP/1.1 200 OK"


def test_crumbs_without_end_are_given_up() -> None:
    reader = ChunkReader()
    fed = 0
    while not reader.broken:
        reader.feed(b"1\r\nx\r\n" * 1000)
        fed += 6000
        assert fed < 5_000_000
    chunks = b"%x\r\n%s\r\n" % (100, b"x" * 100)
    reader = ChunkReader()
    for _ in range(1000):
        reader.feed(chunks * 100)
    assert not reader.broken


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 9))
def test_no_chunks_make_it_raise(junk: bytes, step: int) -> None:
    read(b"3\r\nabc\r\n" + junk, step)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.integers(1, 40))
def test_whatever_was_chunked_comes_back(pieces: list[bytes], step: int) -> None:
    data = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    body, reader, rest = read(data, step)
    assert (body, reader.done, rest) == (b"".join(pieces), True, b"")
