"""Dialect v1's crawl as callers write it (contract 10.1), read into ours.

The API calls `read_crawl`; /openapi.json publishes the types. What it refuses lists every wrong
field, those of `extract_options` at the place where they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from windlass.errors import Problem
from windlass.frontier import patterns
from windlass.frontier.identity import MAX_URL
from windlass.model.crawl import CrawlPlan, Sitemaps
from windlass.model.delivery import DeliveryOptions, Webhook
from windlass.model.request import ExtractRequest
from windlass.model.visit import Bounds
from windlass.wire import ajv
from windlass.wire.document import parse_object, refusal, unexplained
from windlass.wire.v1_body import (
    BatchInput,
    CallbackSpec,
    CallbackUrl,
    DeliveryFields,
    ExtractBody,
    StorageCompress,
    StorageName,
    StorageType,
    StorageUrl,
    TargetUrl,
)
from windlass.wire.v1_delivery import Layer, read_callback, read_delivery
from windlass.wire.v1_extract import PLACEHOLDER, authorized, folded, read_fields, read_target
from windlass.wire.v1_masking import echo_fields, hide_callback, hide_userinfo, masked
from windlass.wire.v1_places import Country, Locale
from windlass.wire.v1_reading import Reading

Limit = Annotated[int, Meta(ge=1, le=10_000, description="Most pages.")]
Depth = Annotated[
    int, Meta(ge=1, le=20, description="Clicks from the start page, which has depth 0.")
]
Patterns = Annotated[
    list[Annotated[str, Meta(max_length=patterns.MAX_PATTERN)]],
    Meta(
        max_length=patterns.MAX_PATTERNS,
        description="Regular expressions (RE2), each found in a URL's path or else in the URL.",
    ),
]
Name = Annotated[
    str,
    Meta(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$", description="A label of your own."),
]


class CrawlBody(msgspec.Struct, kw_only=True):
    """Body of a crawl. `extract_options` are applied to each page; storage options may stand
    there or beside it."""

    url: TargetUrl
    name: Name | None = None
    sitemap: Annotated[
        Sitemaps, Meta(description="include: and links; only: no links; skip: links only.")
    ] = "include"
    crawl_entire_domain: Annotated[
        bool, Meta(description="Also pages that do not lie under the start page's path.")
    ] = False
    limit: Limit = 5000
    max_discovery_depth: Depth = 5
    include_paths: Patterns | None = None
    exclude_paths: Patterns | None = None
    ignore_query_parameters: Annotated[
        bool, Meta(description="URLs that are equal up to their query are one page.")
    ] = False
    allow_external_links: Annotated[bool, Meta(description="Other hosts, too.")] = False
    allow_subdomains: Annotated[
        bool, Meta(description="All hosts under the start page's registrable domain.")
    ] = False
    callback: CallbackSpec | CallbackUrl | None = None
    extract_options: BatchInput | None = None
    country: Country | UnsetType = UNSET
    locale: Locale | UnsetType = UNSET
    storage_type: StorageType | UnsetType = UNSET
    storage_url: StorageUrl | UnsetType = UNSET
    storage_compress: StorageCompress | UnsetType = UNSET
    storage_object_name: StorageName | UnsetType = UNSET


class CrawlWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asks for. The plan's URL is without user and password; `input` is the JSON that
    answers repeat."""

    name: str | None
    plan: CrawlPlan
    delivery: DeliveryOptions | None
    input: bytes


class CrawlOptions(msgspec.Struct, kw_only=True):
    """A crawl's options with their defaults, headers of the callback masked."""

    sitemap: Sitemaps
    crawl_entire_domain: bool
    limit: int
    max_discovery_depth: int
    ignore_query_parameters: bool
    allow_external_links: bool
    allow_subdomains: bool
    include_paths: list[str] | UnsetType = UNSET
    exclude_paths: list[str] | UnsetType = UNSET
    callback: Any = UNSET


class CrawlEcho(msgspec.Struct, kw_only=True):
    """What answers repeat of a crawl's request; stored with it as it is."""

    url: str
    crawl_options: CrawlOptions
    extract_options: Any = None
    warnings: list[str] = []


_STORAGE = tuple(name for name in DeliveryFields.__struct_fields__ if name != "callback_url")
_APART = frozenset(("url", *DeliveryFields.__struct_fields__))
"""What is not read with a page's options."""


def read_crawl(
    raw: bytes, *, now: float, may_store: Callable[[str], bool] = lambda _: True
) -> CrawlWish:
    """Reads a body at `now` (Unix seconds). Raises InvalidRequest naming all wrong fields."""
    document = parse_object(raw, CrawlBody)
    reading = Reading(now, may_store)
    fitting = _fitting(document, reading)
    body = msgspec.convert(fitting, CrawlBody)
    wish = _read(body, fitting, reading)
    if reading.problems:
        raise refusal(reading.problems[: ajv.MOST])
    return wish


def _fitting(document: dict[str, Any], reading: Reading) -> dict[str, Any]:
    """The document as the schema spells it. What does not fit is noted and left out, so that the
    rest can be read for what else is wrong."""
    plain = folded(document)
    if isinstance(options := plain.get("extract_options"), dict):
        plain = {**plain, "extract_options": folded(options)}
    try:
        msgspec.convert(plain, CrawlBody)
    except (msgspec.ValidationError, OverflowError) as error:
        found = ajv.problems(CrawlBody, plain) or [unexplained(str(error))]
        reading.problems += found
        bad = {problem.path.split("/")[1] for problem in found if problem.path}
        rest = {key: value for key, value in plain.items() if key not in bad}
        return _convertible({"url": PLACEHOLDER, **rest})
    return plain


def _convertible(rest: dict[str, Any]) -> dict[str, Any]:
    """What is left of a wrong document; nothing if its problems were too many to be told all."""
    try:
        msgspec.convert(rest, CrawlBody)
    except (msgspec.ValidationError, OverflowError):
        return {"url": PLACEHOLDER}
    return rest


def _read(body: CrawlBody, document: dict[str, Any], reading: Reading) -> CrawlWish:
    options: dict[str, Any] = document.get("extract_options") or {}
    reading.warn_unknown(document, CrawlBody.__struct_fields__)
    _warn_useless(options, reading)
    url, authorization = read_target(body.url, reading)
    bounds = _bounds(body, reading)
    webhook = None
    if document.get("callback") is not None:
        webhook = read_callback(document["callback"], ("callback",), reading)
    delivery = _delivery(document, options, webhook, reading)
    request = _page_request(document, options, reading)
    if len(url) > MAX_URL:
        message = f"must NOT have more than {MAX_URL} characters"
        reading.wrong(("url",), message, "maxLength", {"limit": MAX_URL})
    if authorization and body.allow_external_links:
        message = "must NOT hold a password when allow_external_links sends it to other hosts"
        reading.wrong(("url",), message, "not", {"property": "allow_external_links"})
    headers = authorized(request.headers, authorization)
    plan = CrawlPlan(
        url=url.partition("#")[0],
        request=msgspec.structs.replace(request, headers=headers),
        bounds=bounds,
        sitemap=body.sitemap,
        limit=body.limit,
        ignore_query=body.ignore_query_parameters,
    )
    return CrawlWish(
        name=body.name, plan=plan, delivery=delivery, input=_echo(body, document, reading)
    )


def _warn_useless(options: Mapping[str, Any], reading: Reading) -> None:
    if "url" in options:
        reading.warn("extract_options.url is ignored: pages have URLs of their own")
    if "callback_url" in options:
        reading.warn("extract_options.callback_url is ignored: a crawl has callback")


def _bounds(body: CrawlBody, reading: Reading) -> Bounds:
    return Bounds(
        crawl_entire_domain=body.crawl_entire_domain,
        allow_subdomains=body.allow_subdomains,
        allow_external_links=body.allow_external_links,
        max_discovery_depth=body.max_discovery_depth,
        include_paths=_patterns("include_paths", body.include_paths, reading),
        exclude_paths=_patterns("exclude_paths", body.exclude_paths, reading),
    )


def _patterns(name: str, given: list[str] | None, reading: Reading) -> tuple[str, ...]:
    for number, pattern in enumerate(given or ()):
        if wrong := patterns.fault(pattern):
            message = f'must match format "regex": {wrong}'
            reading.wrong((name, number), message, "format", {"format": "regex"})
    return tuple(dict.fromkeys(given or ()))


def _delivery(
    document: Mapping[str, Any],
    options: Mapping[str, Any],
    webhook: Webhook | None,
    reading: Reading,
) -> DeliveryOptions | None:
    """Where pages are stored (beside `extract_options` before inside), and who hears of them."""
    layers = [
        Layer(where, {name: part[name] for name in _STORAGE if name in part}, shared=True)
        for where, part in (((), document), (("extract_options",), options))
    ]
    stored = read_delivery(layers, reading)
    folder = stored.folder if stored else None
    return DeliveryOptions(folder=folder, webhook=webhook) if folder or webhook else None


def _page_request(
    document: Mapping[str, Any], options: Mapping[str, Any], reading: Reading
) -> ExtractRequest:
    """The request of every page; where it is wrong, one of no use."""
    defaults = {name: document[name] for name in ("country", "locale") if name in document}
    own = {name: value for name, value in options.items() if name not in _APART}
    inner = Reading(reading.now, reading.may_store)
    read = read_fields({**defaults, **own, "url": PLACEHOLDER}, ExtractBody, inner)
    for problem in inner.problems:
        reading.adopt(_where(problem, own), [problem])
    return read[0] if read else ExtractRequest(url=PLACEHOLDER)


def _where(problem: Problem, own: Mapping[str, Any]) -> tuple[str, ...]:
    name = problem.path.partition("/")[2].partition("/")[0]
    beside = name in ("country", "locale") and name not in own
    return () if beside else ("extract_options",)


def _echo(body: CrawlBody, document: Mapping[str, Any], reading: Reading) -> bytes:
    fields = CrawlOptions.__struct_fields__
    shown = {name: getattr(body, name) for name in fields if name in CrawlBody.__struct_fields__}
    for name in ("include_paths", "exclude_paths"):
        shown[name] = UNSET if shown[name] is None else shown[name]
    shown["callback"] = UNSET if body.callback is None else hide_callback(document["callback"])
    options = document.get("extract_options")
    if options is not None:
        raw = {name: msgspec.Raw(msgspec.json.encode(each)) for name, each in options.items()}
        hidden = {
            name: msgspec.Raw(msgspec.json.encode(each)) for name, each in masked(options).items()
        }
        options = msgspec.Raw(echo_fields(raw | hidden))
    view = CrawlEcho(
        url=hide_userinfo(body.url),
        crawl_options=CrawlOptions(**shown),
        extract_options=options,
        warnings=reading.warnings,
    )
    return msgspec.json.encode(view)
