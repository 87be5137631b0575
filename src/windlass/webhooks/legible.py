"""What a receiver answered, as text that harms neither a database nor a terminal. Pure."""

from __future__ import annotations

import codecs
import re

_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls: PostgreSQL refuses NUL, terminals obey the rest
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # marks that turn text around
)
_UTF8 = codecs.getincrementaldecoder("utf-8")


def legible(data: bytes) -> str:
    """UTF-8 as far as it is; a replacement character for whatever else there is.

    A character that the end of `data` cuts in two is left out.
    """
    text = _UTF8("replace").decode(data).replace("\r\n", "\n")
    return _HARMFUL.sub("\ufffd", text)
