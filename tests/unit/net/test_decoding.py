"""Content codings: whole, stacked, damaged, cut, lying and hostile bodies."""

from __future__ import annotations

import gzip
import random
import resource
import zlib
from collections.abc import Callable

import brotli
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.net.decoding import SLICE, Body, BodyDecoder

TEXT = b"".join(b"<p>line %d of a page that is worth reading</p>\n" % n for n in range(2000))
LIMIT = 1_000_000


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


def checked_zstd(data: bytes) -> bytes:
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


CODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "gzip called deflate": ("deflate", gzip.compress),
    "deflate called gzip": ("gzip", zlib.compress),
    "brotli": ("br", brotli.compress),
    "zstd": ("zstd", checked_zstd),
    "upper case": ("GZIP", gzip.compress),
    "identity": ("identity", bytes),
    "none": ("", bytes),
}


def decode_body(data: bytes, codings: str, limit: int) -> Body:
    return fed_in_steps(data, codings, max(len(data), 1), limit)


def fed_in_steps(data: bytes, codings: str, step: int, limit: int = LIMIT) -> Body:
    decoder = BodyDecoder(codings, limit)
    for start in range(0, len(data), step):
        if not decoder.feed(data[start : start + step]):
            break
    return decoder.finish()


@pytest.mark.parametrize("step", [1, 7, 1000, 10_000_000])
@pytest.mark.parametrize("name", CODERS)
def test_each_coding_is_undone_however_it_arrives(name: str, step: int) -> None:
    codings, encode = CODERS[name]
    assert fed_in_steps(encode(TEXT), codings, step) == Body(TEXT)


def test_stacked_codings_are_undone_in_reverse() -> None:
    data = gzip.compress(zlib.compress(gzip.compress(TEXT)))
    assert decode_body(data, "gzip, deflate, gzip", LIMIT) == Body(TEXT)
    mixed = checked_zstd(brotli.compress(gzip.compress(TEXT)))
    assert fed_in_steps(mixed, "gzip,br , zstd", 3) == Body(TEXT)


def test_members_that_follow_each_other_are_all_read() -> None:
    data = gzip.compress(TEXT) + gzip.compress(b"more") + gzip.compress(b"")
    assert decode_body(data, "gzip", LIMIT) == Body(TEXT + b"more")
    frames = checked_zstd(TEXT) + b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc" + checked_zstd(b"more")
    assert fed_in_steps(frames, "zstd", 5) == Body(TEXT + b"more")


@pytest.mark.parametrize("step", [1, 100_000])
@pytest.mark.parametrize("name", ["gzip", "deflate", "raw deflate", "brotli", "zstd"])
def test_junk_behind_the_data_is_ignored(name: str, step: int) -> None:
    codings, encode = CODERS[name]
    assert fed_in_steps(encode(TEXT) + b"\0\0 junk <!-- cache -->", codings, step) == Body(TEXT)


def test_endless_junk_behind_the_data_stops_the_reading() -> None:
    decoder = BodyDecoder("gzip", LIMIT)
    assert decoder.feed(gzip.compress(TEXT))
    fed = 0
    while decoder.feed(b"j" * 1000):
        fed += 1000
    assert fed <= 70_000
    assert decoder.finish() == Body(TEXT)


@pytest.mark.parametrize("name", ["gzip", "deflate", "brotli", "zstd"])
def test_cut_data_give_the_part_that_came(name: str) -> None:
    codings, encode = CODERS[name]
    long = random.Random(1).randbytes(300_000).hex().encode()
    data = encode(long)
    body = decode_body(data[: len(data) // 2], codings, LIMIT)
    assert body.failure is not None
    assert body.failure.code == "body_truncated"
    assert len(body.data) > 0.2 * len(long)
    assert long.startswith(body.data)


@pytest.mark.parametrize("step", [1, 50, 1_000_000])
@pytest.mark.parametrize("size", [40, len(TEXT)])
@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_wrong_checksum_keeps_all_of_the_text(name: str, size: int, step: int) -> None:
    codings, encode = CODERS[name]
    data = bytearray(encode(TEXT[:size]))
    at = -1 if name == "zstd" else -6  # zstd ends with its checksum, gzip's is before its length
    data[at] ^= 0xFF
    body = fed_in_steps(bytes(data), codings, step)
    assert body.failure is not None
    assert body.failure.code == "bad_encoding"
    if name == "gzip":
        assert body.data == TEXT[:size]
    else:  # its decoder holds back the block that the checksum follows
        assert TEXT.startswith(body.data)


@pytest.mark.parametrize("name", ["gzip", "deflate", "brotli"])
def test_damage_in_the_middle_keeps_what_precedes_it(name: str) -> None:
    codings, encode = CODERS[name]
    data = bytearray(encode(TEXT))
    middle = len(data) // 2
    data[middle : middle + 40] = b"\xff" * 40
    body = decode_body(bytes(data), codings, LIMIT)
    assert body.failure is not None
    assert body.failure.code in ("bad_encoding", "body_truncated")
    assert body.data[: len(TEXT) // 10] == TEXT[: len(TEXT) // 10]


BOMBS = {
    "gzip": lambda n: gzip.compress(b"\0" * n),
    "deflate": lambda n: zlib.compress(b"\0" * n),
    "br": lambda n: brotli.compress(b"\0" * n),
    "zstd": lambda n: zstd.compress(b"\0" * n),
    "gzip, gzip": lambda n: gzip.compress(gzip.compress(b"\0" * n)),
}


@pytest.mark.parametrize("codings", BOMBS)
def test_bomb_stops_at_the_limit(codings: str) -> None:
    bomb = BOMBS[codings](60_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    body = decode_body(bomb, codings, LIMIT)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(body.data) == LIMIT
    assert body.failure is not None
    assert body.failure.code == "decompression_bomb"
    assert grown_kb < 20_000


def test_bomb_between_two_codings_is_stopped_too() -> None:
    empty_members = gzip.compress(b"\0") + b"\x01\x00\x00\xff\xff" * 10  # noise behind the data
    inner = b"\x00\x00\x00\xff\xff" * 4_000_000  # empty stored blocks: output of none
    body = decode_body(gzip.compress(inner), "deflate, gzip", LIMIT)
    assert body.failure is not None
    assert body.failure.code == "decompression_bomb"
    assert body.data == b""
    assert decode_body(empty_members, "gzip", LIMIT) == Body(b"\0")


def test_many_tiny_members_end_soon() -> None:
    decoder = BodyDecoder("gzip", LIMIT)
    data = gzip.compress(b"x") * 20_000
    fed = 0
    while fed < len(data) and decoder.feed(data[fed : fed + SLICE]):
        fed += SLICE
    assert 0 < len(decoder.finish().data) <= 1024


@pytest.mark.parametrize("name", ["gzip", "none"])
def test_body_beyond_the_limit_is_kept_up_to_it(name: str) -> None:
    codings, encode = CODERS[name]
    body = fed_in_steps(encode(TEXT), codings, 4096, limit=50_000)
    assert body.data == TEXT[:50_000]
    assert body.failure is not None
    assert body.failure.code == "body_too_large"
    assert not body.failure.retryable


@pytest.mark.parametrize("codings", ["", "compress", "gzip", "zstd", "utf-8", "deflate", "br"])
def test_no_endless_body_is_collected_beyond_the_limit(codings: str) -> None:
    decoder = BodyDecoder(codings, 50_000)
    fed = 0
    while decoder.feed(b"<p>endless text</p>" * 100):
        fed += 1900
        assert fed < 200_000
    decoder.feed(b"x" * 100_000)  # a caller that does not listen
    body = decoder.finish()
    assert len(body.data) <= 50_000
    assert body.failure is not None


def test_body_of_exactly_the_limit_is_whole() -> None:
    assert decode_body(gzip.compress(TEXT), "gzip", len(TEXT)) == Body(TEXT)
    assert decode_body(TEXT, "", len(TEXT)) == Body(TEXT)


@pytest.mark.parametrize("codings", ["gzip", "zstd"])
def test_plain_text_under_a_false_label_is_kept_and_flagged(codings: str) -> None:
    body = fed_in_steps(TEXT, codings, 1000)
    assert body.data == TEXT
    assert body.failure is not None
    assert body.failure.code == "bad_encoding"


def test_unknown_coding_is_taken_as_it_came() -> None:
    decoder = BodyDecoder("UTF-8, gzip", LIMIT)
    decoder.feed(gzip.compress(TEXT))
    assert decoder.finish() == Body(TEXT)
    assert decoder.unknown == ("utf-8",)


@pytest.mark.parametrize("codings", ["compress", "gzip, dcb", "gzip,gzip,gzip,gzip,gzip,gzip"])
def test_coding_that_cannot_be_undone_is_flagged(codings: str) -> None:
    body = decode_body(b"anything", codings, LIMIT)
    assert body.failure is not None
    assert body.failure.code == "bad_encoding"


@pytest.mark.parametrize("codings", ["gzip", "deflate", "br", "zstd", "gzip, br"])
def test_empty_body_is_whole_whatever_its_label(codings: str) -> None:
    assert BodyDecoder(codings, LIMIT).finish() == Body(b"")


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from(["gzip", "deflate", "br", "zstd", "br, gzip"]),
    st.integers(1, 50),
)
def test_no_bytes_make_it_raise(junk: bytes, codings: str, step: int) -> None:
    body = fed_in_steps(b"\x1f\x8b\x08" + junk, codings, step)
    assert len(body.data) <= LIMIT


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000), st.integers(0, 200), st.integers(0, 255))
def test_one_wrong_byte_is_never_passed_off_as_sound(data: bytes, at: int, value: int) -> None:
    encoded = bytearray(gzip.compress(data, mtime=0))
    at %= len(encoded)
    if at in range(3, 10) or encoded[at] == value:
        return  # fields of the gzip header that change nothing about the data
    encoded[at] = value
    body = decode_body(bytes(encoded), "gzip", LIMIT)
    assert body.failure is not None or body.data == data
