"""Dialect v1's extract request (contract 7.1) read into ours.

The API calls `read_extract`, readers of larger requests `read_fields`. Types live in
wire/v1_body.py; what it refuses lists every wrong field, what it ignores is told in a warning.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET

from windlass.model.delivery import DeliveryOptions
from windlass.model.request import Cookie, ExtractRequest, HeaderValue, Submission
from windlass.wire import ajv
from windlass.wire.document import parse_object, refusal, unexplained
from windlass.wire.v1_actions import read_actions
from windlass.wire.v1_body import AsyncExtractBody, DeliveryFields, ExtractBody
from windlass.wire.v1_delivery import delivery_layer, read_delivery
from windlass.wire.v1_headers import parse_cookies, read_cookies, read_headers
from windlass.wire.v1_masking import echo
from windlass.wire.v1_options import (
    REFERRERS,
    check_others,
    given,
    read_emulation,
    read_formats,
    read_parser,
    read_place,
    read_session,
)
from windlass.wire.v1_reading import Reading
from windlass.wire.v1_rendering import Wishes, read_rendering
from windlass.wire.v1_urls import read_web_url

PLACEHOLDER = "http://placeholder.invalid/"
"""Stands for a URL that is read elsewhere, or cannot be read."""
_FOLDS = {"driver": str.lower, "country": str.upper, "state": str.upper}


def read_extract(
    raw: bytes,
    *,
    now: float,
    asynchronous: bool,
    may_store: Callable[[str], bool] = lambda _: True,
) -> Submission:
    """Reads a body at `now` (Unix seconds). Raises InvalidRequest naming all wrong fields.

    `may_store` tells whether the caller may have results stored in a folder ("s3://bucket/x/").
    """
    kind: type[ExtractBody] = AsyncExtractBody if asynchronous else ExtractBody
    document = parse_object(raw, kind)
    reading = Reading(now, may_store)
    read = read_fields(document, kind, reading)
    if read is None or reading.problems:
        raise refusal(reading.problems)
    request, delivery = read
    return Submission(request, echo(document, raw), delivery)


def read_fields(
    document: dict[str, Any], kind: type[ExtractBody], reading: Reading
) -> tuple[ExtractRequest, DeliveryOptions | None] | None:
    """The request in a document and its delivery, None if the document does not fit `kind`.

    Everything wrong is noted; what is returned beside noted problems is of no use.
    """
    plain = folded(document)
    try:
        body = msgspec.convert(plain, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        _note_problems(plain, kind, reading, str(error))
        return None
    request, delivery = _translate(body, reading), _read_delivery(body, reading)
    reading.warn_unknown(document, _KNOWN[kind], DeliveryFields.__struct_fields__)
    if reading.warnings:
        request = msgspec.structs.replace(request, warnings=tuple(reading.warnings))
    return request, delivery


def query_of(shown: Any) -> Any:
    """The effective query of an echoed request: the same with defaults (contract 5.1)."""
    return {**DEFAULTS, **shown} if isinstance(shown, dict) else shown


DEFAULTS = {
    "method": "GET",
    "render": False,
    "formats": ["html"],
    "markdown_backend": "full_page",
    "parse": False,
    "is_xhr": False,
    "http2": False,
}


def folded(document: dict[str, Any]) -> dict[str, Any]:
    """The document with those names in the case that the schema lists, which callers may vary."""
    changed = {
        field: fold(value)
        for field, fold in _FOLDS.items()
        if isinstance(value := document.get(field), str)
    }
    return {**document, **changed} if changed else document


def _note_problems(
    document: dict[str, Any], kind: type[ExtractBody], reading: Reading, first: str
) -> None:
    """Notes schema problems, and those that the well-formed rest of the document has beyond."""
    found = ajv.problems(kind, document)
    reading.problems += found or [unexplained(first)]
    if not found:
        return
    bad = {problem.path.split("/")[1] for problem in found if problem.path}
    if "browser_actions" in bad and isinstance(document["browser_actions"], list):
        read_actions(document["browser_actions"], reading)
    rest = {key: value for key, value in document.items() if key not in bad}
    try:
        body = msgspec.convert({"url": PLACEHOLDER, **rest}, kind)
    except (msgspec.ValidationError, OverflowError):  # found is capped, so the rest may be bad too
        return
    _translate(body, reading)
    _read_delivery(body, reading)


_KNOWN = {kind: frozenset(kind.__struct_fields__) for kind in (ExtractBody, AsyncExtractBody)}


def _read_delivery(body: ExtractBody, reading: Reading) -> DeliveryOptions | None:
    if not isinstance(body, AsyncExtractBody):
        return None
    return read_delivery((delivery_layer(body),), reading)


def _translate(body: ExtractBody, reading: Reading) -> ExtractRequest:
    check_others(body, reading)
    url, authorization = read_target(body.url, reading)
    headers, cookies = _read_headers(body, authorization, reading)
    text, body_type = _read_body(body, reading)
    wishes = read_rendering(body, reading)
    timeout_ms = given(body.request_timeout, 0.0)
    return ExtractRequest(
        url=url,
        method=body.method,
        headers=headers,
        body=text,
        body_type=body_type,
        cookies=cookies,
        is_xhr=_read_is_xhr(body, wishes, reading),
        referrer=REFERRERS[given(body.referrer_type, "")],
        http2=body.http2,
        locale=given(body.locale, ""),
        emulation=read_emulation(body),
        place=read_place(body, reading),
        session=read_session(body, reading),
        expected_statuses=tuple(body.expected_status_codes),
        timeout_ms=math.ceil(timeout_ms) or None,
        render=wishes.render,
        driver=wishes.driver,
        plan=wishes.plan,
        render_options=wishes.options,
        actions=wishes.actions,
        captures=wishes.captures,
        consent=given(body.consent_header, False),
        formats=read_formats(body),
        recipe=read_parser(body, reading),
        main_content=body.markdown_backend == "main_content",
        tag=given(body.tag, None),
    )


def read_target(text: str, reading: Reading) -> tuple[str, str]:
    """The URL without user and password, and the Authorization value they stand for."""
    read = read_web_url(text)
    if read is not None:
        return read
    message = 'must match format "uri" with http or https'
    reading.wrong(("url",), message, "format", {"format": "uri"})
    return PLACEHOLDER, ""


def _read_headers(
    body: ExtractBody, authorization: str, reading: Reading
) -> tuple[dict[str, HeaderValue], tuple[Cookie, ...]]:
    """Headers and cookies; given both, a Cookie header joins the cookies (contract 7.1)."""
    headers = read_headers(given(body.headers, {}), reading)
    cookies = read_cookies("" if body.cookies is UNSET else body.cookies, reading)
    names = {name.lower(): name for name in headers}
    headers = authorized(headers, authorization)
    if body.headers and body.cookies:
        reading.warn("headers and cookies were both given: they are merged")
        name = names.get("cookie")
        line = None if name is None else headers[name]
        if name is not None and isinstance(line, str):
            del headers[name]
            cookies += parse_cookies(line, ("headers", name), reading)
    return headers, cookies


def authorized(headers: dict[str, HeaderValue], authorization: str) -> dict[str, HeaderValue]:
    """The headers with what a user and password in the URL stand for, unless they say it
    themselves."""
    if not authorization or any(name.lower() == "authorization" for name in headers):
        return headers
    return headers | {"Authorization": authorization}


def _read_is_xhr(body: ExtractBody, wishes: Wishes, reading: Reading) -> bool:
    if body.is_xhr and wishes.render is True:
        reading.warn("is_xhr is ignored: a rendered page is no XHR")
        return False
    return body.is_xhr


def _read_body(body: ExtractBody, reading: Reading) -> tuple[str | None, str]:
    """The body's text and the Content-Type it implies."""
    if body.body is None:
        return None, ""
    if body.method == "GET":
        reading.warn("body is ignored: the method is GET")
        return None, ""
    if isinstance(body.body, str):
        return body.body, ""
    return msgspec.json.encode(body.body).decode(), "application/json"
