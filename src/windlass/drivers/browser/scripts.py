"""JavaScript of the caller in the page, and calls from there (contract 7.6). Used by actions.py.

What comes back is JSON of bounded size.
"""

from __future__ import annotations

from typing import Any

import msgspec
from playwright.async_api import Error

from windlass.drivers.browser.pointing import UnfitError
from windlass.drivers.browser.stage import Stage
from windlass.model.render import Eval, Fetch, FetchedCall

_PACK = """async (made, limit) => {
  const first = await made;
  const value = typeof first === 'function' ? await first() : first;
  const text = JSON.stringify(value, (key, one) => typeof one === 'bigint' ? String(one)
    : one instanceof Node ? (one.outerHTML ?? one.textContent) : one);
  if (text === undefined) return 'null';
  if (text.length > limit) throw new Error(`the result is longer than ${limit} characters`);
  return text;
}"""
_FETCH = """async ({url, init, limit}) => {
  const answer = await fetch(url, {credentials: 'include', ...init});
  const reader = answer.body ? answer.body.getReader() : null, parts = [];
  let size = 0;
  while (reader) {
    const {done, value} = await reader.read();
    if (done) break;
    size += value.length;
    if (size > limit) {
      await reader.cancel();
      throw new Error(`the answer is larger than ${limit} bytes`);
    }
    parts.push(value);
  }
  return {url: answer.url, status: answer.status, headers: Object.fromEntries(answer.headers),
    body: await new Blob(parts).text()};
}"""
_NO_EXPRESSION = "SyntaxError"


class _Answer(msgspec.Struct):
    url: str
    status: int
    headers: dict[str, str]
    body: str


async def evaluate(stage: Stage, action: Eval, timeout_s: float | None) -> Any:
    """What the code makes: an expression's value, a function's result, what the last of several
    statements makes, or what they return. Raises UnfitError with the page's own error."""
    code = action.code
    answer = await _run(stage, _packed(stage, f"(\n{code}\n)"), timeout_s)
    if _is_syntax_error(answer):
        made = await _run(stage, code, timeout_s, packed=False)
        if _is_syntax_error(made):
            body = f"await (async () => {{\n{code}\n}})()"
            answer = await _run(stage, _packed(stage, body), timeout_s)
        else:
            answer = await _pack(stage, made, timeout_s)
    text = _value(answer)
    return msgspec.json.decode(text) if isinstance(text, str) else None


def _packed(stage: Stage, expression: str) -> str:
    return f"(async () => ({_PACK})(({expression}), {stage.limit_bytes}))()"


async def _run(
    stage: Stage, expression: str, timeout_s: float | None, *, packed: bool = True
) -> dict[str, Any]:
    """Runs a script past the page's content security policy. Chromium ends it when it spins."""
    options: dict[str, Any] = {"timeout": stage.left_ms(timeout_s)} if timeout_s else {}
    try:
        return await stage.send(
            "Runtime.evaluate",
            timeout_s,
            expression=expression,
            awaitPromise=True,
            returnByValue=packed,
            replMode=not packed,
            **options,
        )
    except Error as error:
        if "Internal error" in error.message:  # what Chromium says of a script that it ended
            raise TimeoutError("the script was ended") from error
        raise


async def _pack(stage: Stage, made: dict[str, Any], timeout_s: float | None) -> dict[str, Any]:
    """The JSON of a value that was left in the page."""
    _value(made)  # raises what the script has thrown
    result = made["result"]
    if "objectId" not in result:
        wish = {"value": result["value"]} if "value" in result else {}
    else:
        wish = {"objectId": result["objectId"]}
    context = await stage.send("Runtime.evaluate", timeout_s, expression="globalThis")
    return await stage.send(
        "Runtime.callFunctionOn",
        timeout_s,
        functionDeclaration=_PACK,
        objectId=_object_id(context),
        arguments=[wish, {"value": stage.limit_bytes}],
        awaitPromise=True,
        returnByValue=True,
    )


def _object_id(answer: dict[str, Any]) -> str:
    return str(answer["result"]["objectId"])


def _is_syntax_error(answer: dict[str, Any]) -> bool:
    """Whether the code was not even run."""
    thrown = answer.get("exceptionDetails", {})
    described = thrown.get("exception", {}).get("description", "")
    # An error of this class that code has thrown has a stack.
    return described.startswith(_NO_EXPRESSION) and "\n    at " not in described


def _value(answer: dict[str, Any]) -> Any:
    thrown = answer.get("exceptionDetails")
    if thrown:
        exception = thrown.get("exception", {})
        said = exception.get("description") or exception.get("value") or thrown.get("text", "")
        raise UnfitError(str(said).partition("\n    at ")[0][:1000] or "the script failed")
    return answer.get("result", {}).get("value")


async def fetch(stage: Stage, action: Fetch, timeout_s: float | None) -> FetchedCall:
    """The answer to a call that the page's own script makes. Raises TimeoutError, and the library's
    Error when the page may not make it or nobody answers."""
    init: dict[str, Any] = {"method": action.method, "headers": action.headers}
    if action.body is not None:
        init["body"] = action.body
    wish = {"url": action.url, "init": init, "limit": stage.limit_bytes}
    answer = await stage.within(stage.page.evaluate(_FETCH, wish), timeout_s)
    got = msgspec.convert(answer, _Answer)
    return FetchedCall(
        url=got.url, method=action.method, status=got.status, headers=got.headers, body=got.body
    )
