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
_LARGE_S = 20.0
_INSISTING_S = 2.0
_TRIES = 6
_WORLD = "windlass"
_REFRESH = """(() => {
  const tag = document.querySelector('meta[http-equiv="refresh" i]');
  return tag ? tag.content : '';
})()"""
_SERIALISED = """(() => {
  let text = document.doctype ? new XMLSerializer().serializeToString(document.doctype) : '';
  if (document.documentElement) text += document.documentElement.outerHTML;
  return [text.length, text.slice(0, LIMIT)];
})()"""


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
    return str(await _evaluate(stage, _REFRESH, _FIRST_S))


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


def _moved_on(error: Error) -> bool:
    """Whether the document that was asked is not the page's any more."""
    return "navigated" in str(error) or not is_gone(error)


async def _answers(stage: Stage) -> bool:
    """Whether the page answers to a word; a large document is something else than a busy page."""
    try:
        await _evaluate(stage, "1", _FIRST_S)
    except TimeoutError:
        return False
    return True


async def _evaluate(stage: Stage, script: str, timeout_s: float) -> Any:
    """The value of a script of ours, in our world of the page's main frame."""
    session = await stage.session()
    for attempt in range(_TRIES):
        try:
            made = await stage.within(
                session.send(
                    "Page.createIsolatedWorld", {"frameId": stage.frame, "worldName": _WORLD}
                ),
                timeout_s,
            )
            answer = await stage.within(
                session.send(
                    "Runtime.evaluate",
                    {
                        "expression": script,
                        "contextId": made["executionContextId"],
                        "returnByValue": True,
                    },
                ),
                timeout_s,
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
