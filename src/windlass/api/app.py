"""The ASGI app: one resource per path of the operations table, bound to handlers by name.

The server calls `create_app` and runs what it gets; nothing else constructs handlers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from windlass.api.agents import AgentRuns, AgentShelf
from windlass.api.batches import Batches
from windlass.api.call import Handler
from windlass.api.crawls import Crawls
from windlass.api.deliveries import DeliveryLog
from windlass.api.door import Absent, Door, Entry, Resource
from windlass.api.keys import Keys
from windlass.api.metrics import Metrics, watching_loop
from windlass.api.operations import OPERATIONS
from windlass.api.records import Records
from windlass.api.standing import Standing
from windlass.api.verbs import Verbs
from windlass.api.webhooks import WebhookSecrets
from windlass.api.work import Work
from windlass.errors import NotFound
from windlass.settings import Settings


def create_app(settings: Settings, service: Verbs) -> ASGIApp:
    """The whole HTTP API over a service. The caller opens and closes the service."""
    metrics = Metrics()
    door = Door(settings, service, metrics)
    handlers = _handlers(settings, service, metrics)
    entries: dict[str, dict[str, Entry]] = {}
    for operation in OPERATIONS:
        entry = Entry(operation.name, handlers[operation.name], operation.guarded)
        for path in (operation.path, *operation.aliases):
            entries.setdefault(path, {})[operation.method] = entry

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        async with watching_loop():
            yield

    resources = {path: Resource(door, entries[path]) for path in entries}
    literal = {path: resource for path, resource in resources.items() if "{" not in path}
    # Literal paths first: "/v1/tasks/list" is not the task called "list".
    ordered = literal | resources
    router = Router(
        [Route(path, resource) for path, resource in ordered.items()],
        redirect_slashes=False,
        default=Absent(door, NotFound()),
        lifespan=lifespan,
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Most calls name a literal path; they need no pattern matching."""
        resource = None
        if scope["type"] == "http":
            if b"%2" in scope.get("raw_path", b""):
                scope["path"] = _segments_kept(scope["raw_path"])
            if not scope.get("root_path"):
                resource = literal.get(scope["path"])
        await (resource or router)(scope, receive, send)

    return app


def _segments_kept(raw_path: bytes) -> str:
    """The decoded path in which an encoded slash still belongs to its segment (RFC 3986 2.2)."""
    return "/".join(
        unquote(segment).replace("/", "%2F") for segment in raw_path.decode("latin-1").split("/")
    )


def _handlers(settings: Settings, service: Verbs, metrics: Metrics) -> dict[str, Handler]:
    """A handler for every operation."""
    work = Work(settings, service)
    records = Records(settings, service)
    batches = Batches(settings, service)
    crawls = Crawls(settings, service)
    runs = AgentRuns(settings, service, work, batches)
    shelf = AgentShelf(service, work)
    deliveries = DeliveryLog(service)
    secrets = WebhookSecrets(service)
    keys = Keys(service)
    standing = Standing(service, metrics)
    return {
        "extract": work.extract,
        "extract_async": work.extract_async,
        "extract_legacy": work.extract_legacy,
        "map": work.map,
        "map_async": work.map_async,
        "list_tasks": records.list,
        "list_tasks_legacy": records.list_legacy,
        "get_task": records.get,
        "get_results": records.results,
        "cancel_task": records.cancel,
        "extract_batch": batches.create,
        "extract_batch_legacy": batches.create_legacy,
        "list_batches": batches.list,
        "get_batch": batches.get,
        "get_batch_progress": batches.progress,
        "cancel_batch": batches.cancel,
        "start_crawl": crawls.create,
        "list_crawls": crawls.list,
        "get_crawl": crawls.get,
        "cancel_crawl": crawls.cancel,
        "run_agent": runs.run,
        "run_agent_async": runs.run_async,
        "run_agent_batch": runs.run_batch,
        "list_agents": shelf.list,
        "list_templates": shelf.list_templates,
        "get_agent": shelf.get,
        "save_agent": shelf.save,
        "delete_agent": shelf.delete,
        "export_agent": shelf.export,
        "test_agent": shelf.test,
        "list_deliveries": deliveries.list,
        "get_delivery": deliveries.get,
        "resend_delivery": deliveries.resend,
        "resend_deliveries": deliveries.resend_all,
        "show_webhook_secret": secrets.show,
        "rotate_webhook_secret": secrets.rotate,
        "create_key": keys.create,
        "list_keys": keys.list,
        "revoke_key": keys.revoke,
        "health": standing.health,
        "readiness": standing.readiness,
        "metrics": standing.metrics,
        "openapi": standing.openapi,
        "docs": standing.docs,
    }
