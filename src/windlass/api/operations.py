"""Every operation of the API as data: the router, /openapi.json and /docs are made from it.

A path missing here does not exist. Handlers are bound by name in app.py.
"""

from __future__ import annotations

import msgspec

from windlass.api.agent_operations import AGENT_OPERATIONS
from windlass.api.keys import KeyBody, KeyCreated, KeyList
from windlass.api.operation import SYNC, Operation, Parameter, listing, parameters
from windlass.api.webhooks import RotateBody, SecretList
from windlass.wire.deliveries import (
    DeliveryDetail,
    DeliveryList,
    DeliveryQuery,
    ResendBody,
    ResendReply,
)
from windlass.wire.v1_batches import (
    BatchDetail,
    BatchList,
    BatchProgress,
    BatchReply,
    Canceled,
)
from windlass.wire.v1_body import AsyncExtractBody, BatchBody, ExtractBody, LegacyBatchBody
from windlass.wire.v1_crawl_body import CrawlBody
from windlass.wire.v1_crawls import CrawlCollection, CrawlDetail, CrawlQuery, CrawlView
from windlass.wire.v1_errors import Error400, ErrorText
from windlass.wire.v1_maps import AsyncMapBody, MapBody, MapReply
from windlass.wire.v1_results import ExtractResult, LegacyResult, MapTaskResult, TaskResult
from windlass.wire.v1_tasks import CreationReply, LegacyTaskList, TaskList, TaskReply


class Health(msgspec.Struct):
    """The process answers."""

    status: str


class Readiness(msgspec.Struct):
    """What must work for requests to be served, by name: "ok" or what is wrong."""

    status: str
    checks: dict[str, str]


_LISTING = listing("Tasks per page; more than 1000 are answered 1000 at a time.")
_BATCHES = listing(
    "Batches per page; more than 1000, or 50000 tasks in all, are answered so many at a time."
)
_INCLUDE = Parameter(
    "include", "result: the task's result inside it, once there is one.", {"type": "string"}
)


_LOG = (
    *parameters(DeliveryQuery),
    *listing("Deliveries per page; more than 1000 are answered 1000 at a time."),
)
_CRAWLS = (
    *parameters(CrawlQuery),
    *listing(
        "Crawls per page; more than 1000, or 20000 pages in all, are answered so many at a time."
    ),
)
_INCLUDE_PAGES = tuple(one for one in _CRAWLS if one.name == "include_tasks")
OPERATIONS = (
    Operation(
        name="extract",
        method="POST",
        path="/v1/extract",
        aliases=("/v2/extract", "/v1/realtime/web"),
        group="Extract",
        summary="Extract a page now",
        doc="Waits for the page. A target that answers with an unexpected status still gives 200 "
        "with status failed; 500, 501 and 555 mean that it gave none, and error_code says why.",
        body=ExtractBody,
        answers={200: ExtractResult, **SYNC},
    ),
    Operation(
        name="extract_async",
        method="POST",
        path="/v1/extract/async",
        aliases=("/v2/extract/async", "/api/v1/async/web"),
        group="Extract",
        summary="Extract a page later",
        doc="Answers as soon as the task is stored for good.",
        body=AsyncExtractBody,
        answers={200: CreationReply},
        creating=True,
    ),
    Operation(
        name="extract_batch",
        method="POST",
        path="/v1/extract/batch",
        aliases=("/v2/extract/batch",),
        group="Extract",
        summary="Extract many pages later",
        doc="A task for each input, all or none: one wrong input refuses the batch. Answers as "
        "soon as all tasks are stored for good.",
        body=BatchBody,
        answers={200: BatchReply},
        creating=True,
    ),
    Operation(
        name="list_tasks",
        method="GET",
        path="/v1/tasks",
        aliases=("/v1/tasks/list", "/v2/tasks"),
        group="Tasks",
        summary="List tasks",
        doc="Newest first. Cursors stay valid while tasks arrive.",
        query=_LISTING,
        answers={200: TaskList, 400: Error400},
    ),
    Operation(
        name="list_tasks_legacy",
        method="GET",
        path="/api/v1/tasks/list",
        aliases=("/api/v1/tasks", "/api/v2/tasks"),
        group="Legacy",
        summary="List tasks, legacy spelling",
        query=_LISTING,
        answers={200: LegacyTaskList, 400: Error400},
        legacy=True,
    ),
    Operation(
        name="get_task",
        method="GET",
        path="/v1/tasks/{task_id}",
        aliases=("/v2/tasks/{task_id}", "/api/v1/tasks/{task_id}", "/api/v2/tasks/{task_id}"),
        group="Tasks",
        summary="Read a task",
        query=(_INCLUDE,),
        answers={200: TaskReply, 400: Error400, 404: ErrorText},
    ),
    Operation(
        name="get_results",
        method="GET",
        path="/v1/tasks/{task_id}/results",
        aliases=(
            "/v2/tasks/{task_id}/results",
            "/api/v1/tasks/{task_id}/results",
            "/api/v2/tasks/{task_id}/results",
        ),
        group="Tasks",
        summary="Read a task's result",
        doc="404 while the task runs (Task results not ready) and after retention (Task results "
        "expired).",
        answers={200: (TaskResult, MapTaskResult), 404: ErrorText},
    ),
    Operation(
        name="cancel_task",
        method="DELETE",
        path="/v1/tasks/{task_id}",
        aliases=("/v2/tasks/{task_id}",),
        group="Tasks",
        summary="Cancel a task",
        doc="It ends as an error with error_type canceled; one that has ended stays as it is.",
        answers={200: Canceled, 404: ErrorText},
    ),
    Operation(
        name="list_batches",
        method="GET",
        path="/v1/batches",
        aliases=("/v1/batches/list", "/v2/batches", "/api/v1/batches/list", "/api/v1/batches"),
        group="Batches",
        summary="List batches",
        doc="Newest first. Cursors stay valid while batches arrive.",
        query=_BATCHES,
        answers={200: BatchList, 400: Error400},
    ),
    Operation(
        name="get_batch",
        method="GET",
        path="/v1/batches/{batch_id}",
        aliases=("/v2/batches/{batch_id}", "/api/v1/batches/{batch_id}"),
        group="Batches",
        summary="Read a batch with its tasks",
        answers={200: BatchDetail, 404: ErrorText},
    ),
    Operation(
        name="get_batch_progress",
        method="GET",
        path="/v1/batches/{batch_id}/progress",
        aliases=("/v2/batches/{batch_id}/progress", "/api/v1/batches/{batch_id}/progress"),
        group="Batches",
        summary="Read how far a batch is",
        answers={200: BatchProgress, 404: ErrorText},
    ),
    Operation(
        name="cancel_batch",
        method="DELETE",
        path="/v1/batches/{batch_id}",
        aliases=("/v2/batches/{batch_id}",),
        group="Batches",
        summary="Cancel a batch",
        doc="Its tasks end as errors with error_type canceled; those that have ended stay as they "
        "are.",
        answers={200: Canceled, 404: ErrorText},
    ),
    Operation(
        name="start_crawl",
        method="POST",
        path="/v1/crawl",
        aliases=("/v2/crawl",),
        group="Crawls",
        summary="Crawl a site",
        doc="Answers as soon as the crawl is stored for good. Each page is a task like any other.",
        body=CrawlBody,
        answers={200: CrawlView},
        creating=True,
    ),
    Operation(
        name="list_crawls",
        method="GET",
        path="/v1/crawl",
        aliases=("/v2/crawl",),
        group="Crawls",
        summary="List crawls",
        doc="Newest first. Cursors stay valid while crawls arrive.",
        query=_CRAWLS,
        answers={200: CrawlCollection, 400: Error400},
    ),
    Operation(
        name="get_crawl",
        method="GET",
        path="/v1/crawl/{crawl_id}",
        aliases=("/v2/crawl/{crawl_id}",),
        group="Crawls",
        summary="Read a crawl with its pages",
        doc="Its numbers are those of the pages shown.",
        query=_INCLUDE_PAGES,
        answers={200: CrawlDetail, 400: Error400, 404: ErrorText},
    ),
    Operation(
        name="cancel_crawl",
        method="DELETE",
        path="/v1/crawl/{crawl_id}",
        aliases=("/v2/crawl/{crawl_id}",),
        group="Crawls",
        summary="Cancel a crawl",
        doc="Pages that have not ended end as errors with error_type canceled, others stay "
        "readable. A crawl that has ended stays as it is.",
        answers={200: Canceled, 404: ErrorText},
    ),
    Operation(
        name="map",
        method="POST",
        path="/v1/map",
        aliases=("/v2/map",),
        group="Maps",
        summary="Name the URLs of a site",
        doc="From the start page, the sitemaps and the pages that no sitemap lists, as far as time "
        "and limit reach; warnings say what is missing. An error only if nothing was found.",
        body=MapBody,
        answers={200: MapReply, **SYNC},
    ),
    Operation(
        name="map_async",
        method="POST",
        path="/v1/map/async",
        aliases=("/v2/map/async",),
        group="Maps",
        summary="Name the URLs of a site later",
        doc="Answers as soon as the task is stored for good; its result is the map.",
        body=AsyncMapBody,
        answers={200: CreationReply},
        creating=True,
    ),
    Operation(
        name="extract_batch_legacy",
        method="POST",
        path="/api/v1/batch/web",
        group="Legacy",
        summary="Extract many pages later, as the legacy API asks for it",
        body=LegacyBatchBody,
        answers={200: BatchReply},
        creating=True,
        legacy=True,
    ),
    Operation(
        name="extract_legacy",
        method="POST",
        path="/api/v1/realtime/web",
        group="Legacy",
        summary="Extract a page now, with the legacy API's flat keys as well",
        body=ExtractBody,
        answers={200: LegacyResult, **SYNC},
        legacy=True,
    ),
    *AGENT_OPERATIONS,
    Operation(
        name="list_deliveries",
        method="GET",
        path="/v1/deliveries",
        group="Deliveries",
        summary="List deliveries",
        doc="Uploads and webhooks of your tasks, newest first. Cursors stay valid while "
        "deliveries arrive.",
        query=_LOG,
        answers={200: DeliveryList, 400: Error400},
    ),
    Operation(
        name="get_delivery",
        method="GET",
        path="/v1/deliveries/{delivery_id}",
        group="Deliveries",
        summary="Read a delivery with its attempts",
        answers={200: DeliveryDetail, 404: ErrorText},
    ),
    Operation(
        name="resend_delivery",
        method="POST",
        path="/v1/deliveries/{delivery_id}/resend",
        group="Deliveries",
        summary="Send a delivery again",
        doc="Under the same id, with all its tries before it. 409 unless it has succeeded or "
        "failed. An open circuit of the receiver postpones it: see postponed_until. The task that "
        "it belongs to stays as it is.",
        answers={200: DeliveryDetail, 404: ErrorText, 409: ErrorText},
    ),
    Operation(
        name="resend_deliveries",
        method="POST",
        path="/v1/deliveries/resend",
        group="Deliveries",
        summary="Send all deliveries again that failed since a time",
        body=ResendBody,
        answers={200: ResendReply},
    ),
    Operation(
        name="show_webhook_secret",
        method="GET",
        path="/v1/webhooks/secret",
        group="Webhooks",
        summary="Read what webhooks are signed with",
        answers={200: SecretList},
    ),
    Operation(
        name="rotate_webhook_secret",
        method="POST",
        path="/v1/webhooks/secret/rotate",
        group="Webhooks",
        summary="Make a new secret to sign webhooks with",
        doc="The one before stays active for a while, and webhooks carry signatures of both.",
        body=RotateBody,
        body_required=False,
        answers={200: SecretList},
    ),
    Operation(
        name="create_key",
        method="POST",
        path="/v1/keys",
        group="Keys",
        summary="Make an API key",
        doc="Account main only.",
        body=KeyBody,
        body_required=False,
        answers={200: KeyCreated, 404: ErrorText},
    ),
    Operation(
        name="list_keys",
        method="GET",
        path="/v1/keys",
        group="Keys",
        summary="List API keys",
        doc="Account main only.",
        answers={200: KeyList, 404: ErrorText},
    ),
    Operation(
        name="revoke_key",
        method="DELETE",
        path="/v1/keys/{key_id}",
        group="Keys",
        summary="Revoke an API key",
        doc="Account main only. Takes effect within ten seconds.",
        answers={204: None, 404: ErrorText},
    ),
    Operation(
        name="health",
        method="GET",
        path="/healthz",
        group="Server",
        summary="Whether the process answers",
        answers={200: Health},
        guarded=False,
    ),
    Operation(
        name="readiness",
        method="GET",
        path="/readyz",
        group="Server",
        summary="Whether requests can be served",
        answers={200: Readiness, 503: Readiness},
        guarded=False,
    ),
    Operation(
        name="metrics",
        method="GET",
        path="/metrics",
        group="Server",
        summary="Numbers for Prometheus",
        answers={200: "text/plain"},
        guarded=False,
    ),
    Operation(
        name="openapi",
        method="GET",
        path="/openapi.json",
        group="Server",
        summary="This description as OpenAPI 3.1",
        answers={200: "application/json"},
        guarded=False,
    ),
    Operation(
        name="docs",
        method="GET",
        path="/docs",
        group="Server",
        summary="This description as a page",
        answers={200: "text/html"},
        guarded=False,
    ),
)
