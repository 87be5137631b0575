"""The documents of a page's frames, to stand in its HTML instead of them (`include_iframes`).

Called by rendering.py, last of all: it marks the page's elements.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from playwright.async_api import Error, Frame

from windlass.drivers.browser.stage import Stage, is_gone

_FRAMES = 50
_DEPTH = 5
_FRAME_S = 5.0

_MARK = """(e, number) => e.setAttribute('data-inlined-frame', number)"""
_INNER = """(limit) => {
  for (const name of ['href', 'src', 'action', 'poster']) {
    for (const e of document.querySelectorAll('[' + name + ']')) {
      const to = e.getAttribute(name);
      if (to && !/^(#|data:|javascript:)/i.test(to)) {
        try { e.setAttribute(name, new URL(to, document.baseURI).href); } catch { continue; }
      }
    }
  }
  const body = document.body || document.documentElement;
  const text = body ? body.innerHTML : '';
  return {text: text.slice(0, limit), cut: text.length > limit};
}"""


class Frames(msgspec.Struct, frozen=True):
    """HTML of the page's frames, by the number that the elements were marked with."""

    inner: dict[int, str] = {}
    warnings: tuple[str, ...] = ()

    def put_into(self, body: bytes) -> bytes:
        """The page's HTML in UTF-8 with what its frames hold in their places."""
        return inlined(body.decode(errors="replace"), self.inner).encode() if self.inner else body


async def read_frames(stage: Stage) -> Frames:
    """The documents of the frames, of theirs, and so on, together within the stage's limit.

    Raises the library's Error only if the page is gone.
    """
    inlining = _Inlining(stage)
    inner = await inlining.children(stage.page.main_frame, 0)
    return Frames(inner, tuple(inlining.warnings))


class _Inlining:
    """The documents of a page's frames, outermost first, at most so many."""

    def __init__(self, stage: Stage) -> None:
        self.warnings: dict[str, None] = {}
        self._stage = stage
        self._count = 0
        self._room = stage.limit_bytes

    async def children(self, parent: Frame, depth: int) -> dict[int, str]:
        """HTML by the number that the frame's element was marked with."""
        found: dict[int, str] = {}
        for frame in parent.child_frames:
            if self._count >= _FRAMES or depth >= _DEPTH or self._room <= 0:
                self._warn(f"frames beyond {_FRAMES} of them or {_DEPTH} levels are left out")
                break
            self._count += 1
            number = self._count
            try:
                found[number] = await self._one(frame, number, depth)
            except TimeoutError:
                self._warn("a frame did not answer and is left out")
            except Error as error:
                if is_gone(error):
                    raise
                self._warn("a frame was gone before it could be read")
        return found

    async def _one(self, frame: Frame, number: int, depth: int) -> str:
        element = await self._stage.within(frame.frame_element(), _FRAME_S)
        await self._stage.within(element.evaluate(_MARK, number), _FRAME_S)
        inner = await self.children(frame, depth + 1)
        wanted = frame.evaluate(_INNER, self._room)
        read: Any = await self._stage.within(wanted, _FRAME_S)
        if read["cut"]:
            self._warn("the documents of frames are too large together: some are cut")
        self._room -= len(read["text"])
        return inlined(str(read["text"]), inner)

    def _warn(self, note: str) -> None:
        self.warnings[f"include_iframes: {note}"] = None


_MARKED = re.compile(
    r'<i?frame(?P<attributes>(?:\s[^<>"]*(?:"[^"]*")?)*?\sdata-inlined-frame="(?P<number>\d+)"'
    r'(?:[^>"]|"[^"]*")*)>(?:.*?</iframe>)?',
    re.DOTALL,
)
_SOURCE = re.compile(r'\ssrc="([^"]*)"')


def inlined(html: str, inner: dict[int, str]) -> str:
    """The HTML with a <div> in place of every marked frame, holding what the frame held."""

    def replaced(found: re.Match[str]) -> str:
        number = int(found["number"])
        if number not in inner:
            return found[0]
        source = _SOURCE.search(found["attributes"])
        where = f' data-iframe-src="{source[1]}"' if source else ""
        return f"<div{where}>{inner[number]}</div>"

    return _MARKED.sub(replaced, html) if inner else html
