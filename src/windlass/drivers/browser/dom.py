"""The page's document as text, whatever its scripts are doing. Used by the driver.

Read in a world of its own, where a page's scripts cannot change what our words mean. A script
that never ends is ended; a page that then still does not answer is given up.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from playwright.async_api import Error

from windlass.drivers.browser.stage import Stage, is_gone
from windlass.errors import BrowserCrashed

_FIRST_S = 3.0
"""How long a page may do something else before it answers, unless it is due anyway."""
_OVERDUE_S = 1.0
_LARGE_S = 20.0
_INSISTING_S = 0.5
_GLANCE = 1_000_000
"""Characters of a document that is taken with the first look; a larger one takes its time."""
_TRIES = 6
_WORLD = "windlass"
_REFRESH = """(() => {
  const tag = document.querySelector('meta[http-equiv="refresh" i]');
  return tag ? tag.content : '';
})()"""
_TEXT = """(() => {
  let text = document.doctype ? new XMLSerializer().serializeToString(document.doctype) : '';
  if (document.documentElement) text += document.documentElement.outerHTML;
  return text;
})()"""
_SERIALISED = f"(text => [text.length, text.slice(0, LIMIT)])({_TEXT})"
_GLIMPSE = f"""(() => {{
  const refresh = {_REFRESH};
  const text = refresh ? '' : {_TEXT};
  return [refresh, text.length, text.length > LIMIT ? '' : text];
}})()"""


class Serialised(msgspec.Struct, frozen=True):
    """A document in UTF-8, `whole` or cut at the limit. `stopped`: its scripts had to be ended."""

    body: bytes
    whole: bool
    stopped: bool = False


async def serialised(stage: Stage, limit_bytes: int) -> Serialised:
    """The document as it is now, at most so many bytes. Raises BrowserCrashed, Error."""
    script = _SERIALISED.replace("LIMIT", str(limit_bytes))
    stopped = stage.busy or not await _answers(stage)
    if stopped:
        await stop_scripts(stage)
    try:
        length, text = await _evaluate(stage, script, _LARGE_S)
    except TimeoutError as error:
        raise BrowserCrashed("The page does not let go of its document.") from error
    body = text.encode(errors="replace")
    whole = length <= limit_bytes and len(body) <= limit_bytes
    return Serialised(body[:limit_bytes], whole, stopped)


async def refresh(stage: Stage) -> str:
    """The content of the page's refresh, "" if it has none. Raises TimeoutError, Error."""
    return str(await _evaluate(stage, _REFRESH, _patience_s(stage)))


async def glimpse(stage: Stage, limit_bytes: int) -> tuple[str, Serialised | None]:
    """`refresh`, and the document in the same breath if there is none and it is of usual size.

    Raises TimeoutError, Error.
    """
    script = _GLIMPSE.replace("LIMIT", str(min(_GLANCE, limit_bytes)))
    answer = await _evaluate(stage, script, _patience_s(stage))
    content, length, text = answer or ("", 0, "")
    body = text.encode(errors="replace")
    if not body or len(text) < length or len(body) > limit_bytes:
        return content, None
    return content, Serialised(body, whole=True)


async def stop_scripts(stage: Stage) -> None:
    """Ends the script that runs and lets no other run. Raises Error.

    These two reach a page whose scripts keep it busy. One that is busy laying itself out answers
    later, or never.
    """
    session = await stage.session()
    ending = asyncio.gather(
        session.send("Emulation.setScriptExecutionDisabled", {"value": True}),
        session.send("Runtime.terminateExecution"),
    )
    try:
        await stage.within(ending, _INSISTING_S)
    except TimeoutError:
        return
    except Error as error:
        if not _moved_on(error):
            raise


def _patience_s(stage: Stage) -> float:
    left = stage.due - asyncio.get_running_loop().time()
    return min(_FIRST_S, max(_OVERDUE_S, left))


def _moved_on(error: Error) -> bool:
    """Whether the document that was asked is not the page's any more."""
    return "navigated" in str(error) or not is_gone(error)


async def _answers(stage: Stage) -> bool:
    """Whether the page answers to a word; a large document is something else than a busy page."""
    try:
        await _evaluate(stage, "1", _patience_s(stage))
    except TimeoutError:
        return False
    return True


async def _evaluate(stage: Stage, script: str, timeout_s: float) -> Any:
    """The value of a script of ours, in our world of the page's main frame.

    Raises TimeoutError after so many seconds, or at the stage's deadline; Error.
    """
    async with asyncio.timeout(stage.left_s(timeout_s)):
        return await _insistently(stage, script)


async def _insistently(stage: Stage, script: str) -> Any:
    session = await stage.session()
    for attempt in range(_TRIES):
        try:
            made = await session.send(
                "Page.createIsolatedWorld", {"frameId": stage.frame, "worldName": _WORLD}
            )
            answer = await session.send(
                "Runtime.evaluate",
                {
                    "expression": script,
                    "contextId": made["executionContextId"],
                    "returnByValue": True,
                },
            )
        except Error as error:
            # The page moved on in between: its world went with it.
            if attempt == _TRIES - 1 or not _moved_on(error):
                raise
            if attempt == _TRIES // 2:  # a page that never stops moving on
                await stop_scripts(stage)
            continue
        return answer.get("result", {}).get("value")
    return None
