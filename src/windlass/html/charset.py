"""Which encoding a body is in, decided as a browser decides it, and its text.

Used by document.py, in the worker and in page-reading processes: heavy libraries are imported
only when the answer is not evident. Sources: WHATWG Encoding; HTML, section 13.2.3.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

PRESCAN_BYTES = 1024
LATE_BYTES = 65_536
"""How far a <meta charset> may be from the start to be found at all (the head of a page)."""

_MARKS = ((b"\xef\xbb\xbf", "UTF-8"), (b"\xfe\xff", "UTF-16BE"), (b"\xff\xfe", "UTF-16LE"))
_UTF_8_LABELS = frozenset(
    {
        "unicode-1-1-utf-8",
        "unicode11utf8",
        "unicode20utf8",
        "utf-8",
        "utf8",
        "x-unicode20utf8",
    }
)
_UTF_16_LABELS = frozenset(
    {
        "csunicode",
        "iso-10646-ucs-2",
        "ucs-2",
        "unicode",
        "unicodefeff",
        "unicodefffe",
        "utf-16",
        "utf-16be",
        "utf-16le",
    }
)
# Python's names for what the detector finds, where they are no labels. KOI8-U has the Ukrainian
# letters where KOI8-R has box drawing, which no page that declares nothing consists of.
_DETECTED = {
    "euc_jp": "euc-jp",
    "iso2022_jp": "iso-2022-jp",
    "cp949": "euc-kr",
    "cp932": "shift_jis",
    "mac-cyrillic": "x-mac-cyrillic",
    "koi8-r": "koi8-u",
}
_HEADER_CHARSET = re.compile(r""";\s*charset\s*=\s*("(?:[^"\\]|\\.)*"?|[^;,\s]*)""", re.IGNORECASE)
_META_CHARSET = re.compile(r"charset\s*=\s*", re.IGNORECASE)
_XML_ENCODING = re.compile(
    rb"""<\?xml\b[^>]*?\bencoding[\x00-\x20]*=[\x00-\x20]*(?:"([^">]*)"|'([^'>]*)')"""
)
_UTF_16_XML = ((b"\x3c\x00\x3f\x00\x78\x00", "UTF-16LE"), (b"\x00\x3c\x00\x3f\x00\x78", "UTF-16BE"))


class Encoding(NamedTuple):
    """How to read a body: the WHATWG name, after skipping `mark` bytes of byte-order mark."""

    name: str
    mark: int = 0


def sniff(body: bytes, content_type: str, *, markup: bool, xml: bool = False) -> Encoding:
    """The encoding of a body by byte-order mark, header, declaration inside, detection, in that
    order.

    `markup`: look for <meta> declarations; `xml`: only an XML declaration counts and UTF-8 is
    assumed without. Unknown labels are passed over. Never raises.
    """
    for mark, name in _MARKS:
        if body.startswith(mark):
            return Encoding(name, len(mark))
    for label in _declared(body, content_type, markup=markup, xml=xml):
        known = encoding_of(label)
        if known is not None:
            return Encoding(known)
    if xml and _is_utf_8(body):
        return Encoding("UTF-8")
    return Encoding((_late(body) if markup else None) or detect(body))


def decode(body: bytes, encoding: Encoding) -> str:
    """The text of a body; malformed bytes become U+FFFD."""
    if encoding.mark:
        body = body[encoding.mark :]
    if encoding.name == "UTF-8":
        return body.decode("utf-8", "replace")
    import turbohtml.detect  # noqa: F401 - registers the standard's decoders

    return codecs.lookup(f"whatwg-{encoding.name}").decode(body)[0]


def evidently_utf_8(body: bytes, content_type: str, *, markup: bool) -> bool:
    """Whether `sniff` would call this UTF-8, as far as that is cheap to tell."""
    if body.startswith((b"\xfe\xff", b"\xff\xfe")):
        return False
    if body.startswith(b"\xef\xbb\xbf"):
        return True
    first = next(_declared(body, content_type, markup=markup, xml=False), None)
    if first is not None:
        return first in _UTF_8_LABELS
    return _is_plain_ascii(body) and b"charset" not in body[:LATE_BYTES].lower()


@lru_cache(maxsize=512)
def encoding_of(label: str) -> str | None:
    """The WHATWG name of an encoding label in any case, None if the standard does not know it."""
    if label in _UTF_8_LABELS:
        return "UTF-8"
    import turbohtml

    try:
        return turbohtml.parse(b"", encoding=label).encoding
    except LookupError:
        return None


def detect(body: bytes) -> str:
    """The encoding that undeclared bytes most likely are in."""
    if _is_plain_ascii(body) or _is_utf_8(body):
        return "UTF-8"
    from resiliparse.parse.encoding import detect_encoding

    guess = (detect_encoding(body, html5_compatible=False) or "").lower()
    found = encoding_of(_DETECTED.get(guess, guess))
    if found is not None and found != "UTF-8":
        return found
    return "UTF-8" if _mostly_utf_8(body) else "windows-1252"


# ---------------------------------------------------------------- declarations


def _declared(body: bytes, content_type: str, *, markup: bool, xml: bool) -> Iterator[str]:
    """Labels in order of precedence, lower case."""
    if (match := _HEADER_CHARSET.search(content_type)) is not None:
        yield match[1].strip("\"' \t").lower()
    for start, encoding in _UTF_16_XML:
        if body.startswith(start):
            yield encoding.lower()
    if markup and not xml:
        yield from prescan(body[:PRESCAN_BYTES])
    if (match_xml := _XML_ENCODING.match(body, 0, PRESCAN_BYTES)) is not None:
        label = (match_xml[1] or match_xml[2] or b"").decode("latin-1").strip().lower()
        # Readable as ASCII, so it cannot be UTF-16 whatever it says.
        yield _meant(label)


def _late(body: bytes) -> str | None:
    """What a <meta> beyond the prescan says: a browser restarts its parser when it meets one."""
    if b"charset" not in body[PRESCAN_BYTES:LATE_BYTES].lower():
        return None
    import turbohtml

    document = turbohtml.parse(body[:LATE_BYTES], scripting=True)
    for meta in document.find_all("meta"):
        label = meta.attr("charset")
        if label is None and (meta.attr("http-equiv") or "").lower() == "content-type":
            label = _charset_in(meta.attr("content") or "")
        if label and (known := encoding_of(_meant(label))) is not None:
            return known
    return None


def _meant(label: str) -> str:
    """A label as a <meta> means it (HTML, section 13.2.3.2, last steps)."""
    label = label.strip("\t\n\x0c\r ").lower()
    if label in _UTF_16_LABELS:
        return "utf-8"
    return "windows-1252" if label == "x-user-defined" else label


def prescan(start: bytes) -> Iterator[str]:
    """Labels that <meta> tags among these bytes declare (HTML, "prescan a byte stream").

    The standard takes the first that names an encoding; which labels do is for the caller.
    """
    if b"charset" not in start.lower():
        return
    position = 0
    while (position := start.find(b"<", position)) >= 0:
        if start.startswith(b"<!--", position):
            position = _after(start, b"-->", position + 2)
        elif _META_START.match(start, position):
            label, position = _meta(start, position + 5)
            if label is not None:
                yield _meant(label)
        elif (tag := _TAG_START.match(start, position)) is not None:
            _, position = _attributes(start, tag.end())
        elif start[position + 1 : position + 2] in (b"!", b"/", b"?"):
            position = _after(start, b">", position)
        else:
            position += 1


def _after(start: bytes, mark: bytes, position: int) -> int:
    end = start.find(mark, position)
    return len(start) if end < 0 else end + len(mark)


_META_START = re.compile(rb"<meta[\t\n\x0c\r /]", re.IGNORECASE)
_TAG_START = re.compile(rb"</?[A-Za-z][^\t\n\x0c\r >]*")
_ATTRIBUTE = re.compile(
    rb"[\t\n\x0c\r /]*"
    rb"(=?[^\t\n\x0c\r />=]*)"
    rb"(?:[\t\n\x0c\r ]*=[\t\n\x0c\r ]*"
    rb"""(?:"([^"]*)"|'([^']*)'|(?!["'])([^\t\n\x0c\r >]*)))?"""
)


def _attributes(start: bytes, position: int) -> tuple[dict[str, str], int]:
    """Attributes of the tag whose inside begins at `position`, and where its inside ends."""
    found: dict[str, str] = {}
    while (match := _ATTRIBUTE.match(start, position)) is not None and match[1]:
        value = match[2] or match[3] or match[4] or b""
        found.setdefault(match[1].decode("latin-1").lower(), value.decode("latin-1"))
        position = match.end()
    return found, match.end() if match is not None else position


def _meta(start: bytes, position: int) -> tuple[str | None, int]:
    attributes, position = _attributes(start, position)
    if position >= len(start):
        return None, position  # the tag does not end within what may be looked at
    if "charset" in attributes:
        return attributes["charset"], position
    if attributes.get("http-equiv", "").lower() == "content-type":
        return _charset_in(attributes.get("content", "")), position
    return None, position


def _charset_in(content: str) -> str | None:
    """The encoding that a <meta content> names (HTML, "extracting a character encoding")."""
    match = _META_CHARSET.search(content)
    if match is None:
        return None
    value = content[match.end() :]
    if value[:1] in ('"', "'"):
        label, quote, _ = value[1:].partition(value[0])
        return label if quote else None
    return re.split(r"[\t\n\x0c\r ;]", value, maxsplit=1)[0] or None


# ---------------------------------------------------------------- the bytes themselves


def _is_plain_ascii(body: bytes) -> bool:
    # ESC opens the shifts of ISO-2022, which is ASCII to the eye.
    return body.isascii() and b"\x1b" not in body


def _is_utf_8(body: bytes) -> bool:
    """Whether this is UTF-8, perhaps cut in its last character."""
    if b"\x1b" in body and body.isascii():
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(body, final=False)
    except UnicodeDecodeError:
        return False
    return True


def _mostly_utf_8(body: bytes) -> bool:
    text = body.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    whole = len(text) - broken - sum(1 for byte in body if byte < 0x80)
    return whole > broken
