"""Dialect v1's map (contract section 11): its body read into ours, its answer.

The API calls `read_map`, the map kind `map_body`; /openapi.json publishes the types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from windlass.frontier.identity import MAX_URL
from windlass.model.crawl import Sitemaps
from windlass.model.map import DomainFilter, MapLink, MapPlan, MapWish
from windlass.model.page import Failure
from windlass.model.request import ExtractRequest, Place
from windlass.wire import ajv
from windlass.wire.document import parse_object, refusal, unexplained
from windlass.wire.v1_body import (
    CallbackUrl,
    DeliveryFields,
    StorageCompress,
    StorageName,
    StorageType,
    StorageUrl,
    TargetUrl,
)
from windlass.wire.v1_delivery import delivery_layer, read_delivery
from windlass.wire.v1_extract import authorized, folded, read_target
from windlass.wire.v1_masking import echo
from windlass.wire.v1_options import given
from windlass.wire.v1_places import Country, Locale
from windlass.wire.v1_reading import Reading
from windlass.wire.v1_terms import ErrorType, error_type


class MapBody(msgspec.Struct, kw_only=True):
    """Body of a map. Unknown fields are ignored with a warning."""

    url: TargetUrl
    sitemap: Annotated[
        Sitemaps, Meta(description="include: and links; only: no links; skip: links only.")
    ] = "include"
    domain_filter: Annotated[
        DomainFilter,
        Meta(description="domain: the URL's host; subdomain: and those below it; all: any."),
    ] = "all"
    limit: Annotated[int, Meta(ge=1, le=100_000, description="Most links.")] = 5000
    country: Country | UnsetType = UNSET
    locale: Locale | UnsetType = UNSET


class AsyncMapBody(MapBody, kw_only=True):
    """Body of an asynchronous map: the same plus delivery."""

    callback_url: CallbackUrl | UnsetType = UNSET
    storage_type: StorageType | UnsetType = UNSET
    storage_url: StorageUrl | UnsetType = UNSET
    storage_compress: StorageCompress | UnsetType = UNSET
    storage_object_name: StorageName | UnsetType = UNSET


class MapReply(msgspec.Struct, kw_only=True):
    """The URLs of a site, the start page's first. `title` and `description` where they are known;
    `warnings` only if there are any: what is missing and why."""

    task_id: UUID
    success: bool
    links: list[MapLink]
    warnings: list[str] | UnsetType = UNSET
    error: str | UnsetType = UNSET
    error_code: str | UnsetType = UNSET
    error_type: ErrorType | UnsetType = UNSET


MAP_DEFAULTS = {"sitemap": "include", "domain_filter": "all", "limit": 5000}


def read_map(
    raw: bytes,
    *,
    now: float,
    asynchronous: bool,
    may_store: Callable[[str], bool] = lambda _: True,
) -> MapWish:
    """Reads a body at `now` (Unix seconds). Raises InvalidRequest naming all wrong fields.

    `may_store` tells whether the caller may have results stored in a folder ("s3://bucket/x/").
    """
    kind: type[MapBody] = AsyncMapBody if asynchronous else MapBody
    document = parse_object(raw, kind)
    reading = Reading(now, may_store)
    body = _fitting(folded(document), kind, reading)
    if body is None:
        raise refusal(reading.problems)
    request = _request(body, reading)
    delivery = None
    if isinstance(body, AsyncMapBody):
        delivery = read_delivery((delivery_layer(body),), reading)
    reading.warn_unknown(document, kind.__struct_fields__, DeliveryFields.__struct_fields__)
    if reading.problems:
        raise refusal(reading.problems)
    plan = MapPlan(
        request=request,
        sitemap=body.sitemap,
        domain_filter=body.domain_filter,
        limit=body.limit,
        warnings=tuple(reading.warnings),
    )
    return MapWish(plan, echo(document, raw), delivery)


def _fitting(document: dict[str, Any], kind: type[MapBody], reading: Reading) -> MapBody | None:
    """The body, None if it does not fit; everything wrong is noted then, its URL as well."""
    try:
        return msgspec.convert(document, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        found = ajv.problems(kind, document) or [unexplained(str(error))]
    reading.problems += found
    if isinstance(document.get("url"), str) and all(one.path != "/url" for one in found):
        _address(document["url"], reading)
    return None


def _address(text: str, reading: Reading) -> tuple[str, str]:
    """The start page and the Authorization value that its user and password stand for."""
    url, authorization = read_target(text, reading)
    if len(url) > MAX_URL:
        message = f"must NOT have more than {MAX_URL} characters"
        reading.wrong(("url",), message, "maxLength", {"limit": MAX_URL})
    return url.partition("#")[0], authorization


def _request(body: MapBody, reading: Reading) -> ExtractRequest:
    url, authorization = _address(body.url, reading)
    return ExtractRequest(
        url=url,
        headers=authorized({}, authorization),
        place=Place(country=given(body.country, "")),
        locale=given(body.locale, ""),
    )


def map_body(
    task_id: UUID,
    links: Sequence[MapLink],
    warnings: Sequence[str] = (),
    failure: Failure | None = None,
) -> bytes:
    """The answer as stored and sent; `failure` says why there are no links."""
    reply = MapReply(
        task_id=task_id,
        success=failure is None,
        links=list(links),
        warnings=list(warnings) or UNSET,
        error=failure.message if failure else UNSET,
        error_code=failure.code if failure else UNSET,
        error_type=error_type(failure.code) if failure else UNSET,
    )
    return msgspec.json.encode(reply)
