"""Dialect v1's extract request as callers may write it (contract 7.1). Types only.

wire/v1_extract.py makes an ExtractRequest of it; /openapi.json publishes it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from windlass.wire.v1_browser_body import BrowserActions, Captures, RenderOptionsSpec
from windlass.wire.v1_places import Country, Locale, State

Format = Literal[
    "html", "markdown", "screenshot", "headers", "links", "text", "plain_text", "cookies"
]
DriverName = Literal[
    "auto",
    "vx6",
    "vx6-stealth",
    "vx8",
    "vx8-pro",
    "vx10",
    "vx10-pro",
    "vx12",
    "vx12-pro",
    "media-vx6",
    "fast-vx6",
]
CallbackEvent = Literal["started", "page", "completed", "failed"]
PlanName = Literal["vx6-fast", "vx6-stealth", "vx8", "vx8-pro", "vx10", "vx10-pro"]
BrowserName = Literal["chrome", "firefox"]
ReferrerType = Literal[
    "random",
    "no-referer",
    "no-referrer",
    "same-origin",
    "google",
    "bing",
    "facebook",
    "twitter",
    "instagram",
]
Plan = Annotated[
    dict[PlanName, Annotated[int, Meta(ge=0, le=10)]],
    Meta(
        min_length=1,
        description="Attempts by driver, in the order to try them; 0 skips one.",
        extra_json_schema={"propertyNames": {"enum": list(get_args(PlanName))}},
    ),
]
Formats = Annotated[
    list[Format],
    Meta(max_length=20, description="What to make of the page; html if the field is absent."),
]
ShortText = Annotated[str, Meta(max_length=4096)]
TargetUrl = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=16384,
        description="Target, http or https.",
        extra_json_schema={"format": "uri"},
    ),
]
HeaderLines = Annotated[list[str], Meta(max_length=64)]
Headers = Annotated[
    dict[str, str | HeaderLines | None],
    Meta(
        max_length=200,
        description="Headers to send: null suppresses one that would be sent, a list repeats one.",
    ),
]
StatusCode = Annotated[int, Meta(ge=100, le=999)]
JsonObjects = Annotated[list[dict[str, Any]], Meta(max_length=1000)]


class BrowserSpec(msgspec.Struct):
    """A browser to emulate."""

    name: BrowserName
    version: ShortText | UnsetType = UNSET


class CookieItem(msgspec.Struct, kw_only=True):
    """A cookie to send: `name` (or `key`) and `value`, the rest as captured cookies have it."""

    name: ShortText | UnsetType = UNSET
    key: ShortText | UnsetType = UNSET
    value: str = ""
    domain: ShortText | None = None
    path: ShortText | None = None
    expires: ShortText | float | None = None
    max_age: float | Literal["Infinity", "-Infinity"] | None = msgspec.field(
        name="maxAge", default=None
    )
    secure: bool = False
    http_only: bool | None = msgspec.field(name="httpOnly", default=None)
    host_only: bool | None = msgspec.field(name="hostOnly", default=None)
    same_site: Literal["strict", "lax", "none", "Strict", "Lax", "None"] | None = msgspec.field(
        name="sameSite", default=None
    )


class SessionSpec(msgspec.Struct, kw_only=True):
    """Requests with the same id share cookies until `timeout` seconds after the last."""

    id: Annotated[str, Meta(min_length=1, max_length=256)] | UnsetType = UNSET
    timeout: Annotated[float, Meta(gt=0, le=3600)] = 300.0
    retry: bool = False
    prefetch_userbrowser: bool = False
    renew_on_blocked: bool = False


class ExtractBody(msgspec.Struct, kw_only=True):
    """Body of a synchronous extract. Unknown fields are ignored with a warning."""

    url: TargetUrl
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: Headers | UnsetType = UNSET
    cookies: str | Annotated[list[CookieItem], Meta(max_length=300)] | UnsetType = UNSET
    body: Any = None
    country: Country | UnsetType = UNSET
    state: State | UnsetType = UNSET
    city: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    locale: Locale | UnsetType = UNSET
    render: bool | Literal["auto"] | UnsetType = UNSET
    driver: DriverName | UnsetType = UNSET
    auto_driver_configuration: Plan | UnsetType = UNSET
    formats: Formats | UnsetType = UNSET
    markdown_backend: Literal["full_page", "main_content"] = "full_page"
    parse: bool = False
    parser: dict[str, Any] | str | UnsetType = UNSET
    parsing: dict[str, Any] | str | UnsetType = UNSET
    network_capture: Captures | UnsetType = UNSET
    browser_actions: BrowserActions | UnsetType = UNSET
    render_options: RenderOptionsSpec | UnsetType = UNSET
    render_flow: JsonObjects | UnsetType = UNSET
    browser: BrowserName | BrowserSpec | UnsetType = UNSET
    os: Literal["windows", "mac os", "linux", "android", "ios"] | UnsetType = UNSET
    device: Literal["desktop", "mobile", "tablet"] | UnsetType = UNSET
    no_userbrowser: bool | UnsetType = UNSET
    is_xhr: bool = False
    http2: bool = False
    referrer_type: ReferrerType | UnsetType = UNSET
    expected_status_codes: Annotated[list[StatusCode], Meta(max_length=100)] = []
    session: SessionSpec | UnsetType = UNSET
    request_timeout: (
        Annotated[float, Meta(gt=0, le=86_400_000, description="Milliseconds.")] | UnsetType
    ) = UNSET
    consent_header: bool | UnsetType = UNSET
    skill: ShortText | Annotated[list[ShortText], Meta(max_length=100)] | UnsetType = UNSET
    tag: ShortText | UnsetType = UNSET


CallbackUrl = Annotated[
    str,
    Meta(
        max_length=4096,
        description="Receives a POST with the task, never its result, when the task has ended "
        "and its result is stored: http or https.",
        extra_json_schema={"format": "uri"},
    ),
]
StorageType = Annotated[
    Literal["s3", "gs", "gcs"],
    Meta(
        description="Amazon S3 or Google Cloud Storage; may be left out, storage_url says it too.",
    ),
]
StorageUrl = Annotated[
    str,
    Meta(
        max_length=4096,
        description="Where the result is stored besides here: s3://bucket/prefix/ or "
        "gs://bucket/prefix/.",
        examples=["s3://your-bucket/results/"],
    ),
]
StorageCompress = Annotated[
    bool, Meta(description="Store the object as a gzip file; .gz is added to its name.")
]
StorageName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=1024,
        description="Name of the object without its extension; the task's id if absent.",
        examples=["my-result"],
    ),
]


class DeliveryFields(msgspec.Struct, kw_only=True):
    """The options of how results reach their owner (contract 6.1), wherever they stand."""

    callback_url: CallbackUrl | UnsetType = UNSET
    storage_type: StorageType | UnsetType = UNSET
    storage_url: StorageUrl | UnsetType = UNSET
    storage_compress: StorageCompress | UnsetType = UNSET
    storage_object_name: StorageName | UnsetType = UNSET


class AsyncExtractBody(ExtractBody, kw_only=True):
    """Body of an asynchronous extract: the same plus delivery."""

    callback_url: CallbackUrl | UnsetType = UNSET
    storage_type: StorageType | UnsetType = UNSET
    storage_url: StorageUrl | UnsetType = UNSET
    storage_compress: StorageCompress | UnsetType = UNSET
    storage_object_name: StorageName | UnsetType = UNSET


class BatchInput(AsyncExtractBody, kw_only=True):
    """One input of a batch, or what all its inputs share. Fields of an input go before shared ones,
    each as a whole; `url` must be in one of the two."""

    url: TargetUrl | UnsetType = UNSET  # type: ignore[assignment]  # nobody takes it for its base


BatchInputs = Annotated[
    list[BatchInput],
    Meta(
        min_length=1,
        description="A task each; at most 1000, or as many as WINDLASS_BATCH_LIMIT says.",
    ),
]


class BatchBody(msgspec.Struct, kw_only=True):
    """Body of a batch of extracts."""

    inputs: BatchInputs
    shared_inputs: BatchInput | UnsetType = UNSET


class LegacyBatchBody(BatchInput, kw_only=True):
    """Body of a batch as the legacy API has it: `requests`, and beside them what they share. What
    BatchBody has is accepted as well."""

    requests: BatchInputs | UnsetType = UNSET
    inputs: BatchInputs | UnsetType = UNSET
    shared_inputs: BatchInput | UnsetType = UNSET


class CallbackSpec(msgspec.Struct, kw_only=True):
    """Who hears of a crawl (contract 6.8): `headers` are sent as they are, `metadata` is in every
    body, `events` are all unless named."""

    url: CallbackUrl
    headers: Annotated[dict[str, str], Meta(max_length=100)] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    events: Annotated[list[CallbackEvent], Meta(min_length=1, max_length=20)] | UnsetType = UNSET
