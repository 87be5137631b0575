"""`windlass crawl`: names, arguments and help; what they do lies in cli/crawls.py."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from windlass.cli.commands.arguments import Cursor, Data, Json, Limit

crawl = typer.Typer(help="Crawls of your account.", no_args_is_help=True)

CrawlId = Annotated[str, typer.Argument(metavar="ID", help="The crawl's id.")]
CrawlWait = Annotated[
    bool, typer.Option("--wait", help="Wait until it has ended, showing how far it is.")
]


@crawl.command("start")
def crawl_start(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to start.")],
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="An option of POST /v1/crawl, such as limit=100, sitemap=skip, "
            "include_paths=^/docs or callback=https://…; repeat.",
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="html, markdown, text, links, headers or cookies; repeat."),
    ] = None,
    wait: CrawlWait = False,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Crawl a site. With --wait status 3 if no page could be had."""
    from windlass.cli.crawls import start

    body = {"url": url, "extract_options": {"formats": formats or ["markdown"]}}
    start(body, options or [], wait, as_json, data)


@crawl.command("list")
def crawl_list(
    status: Annotated[
        Literal["queued", "running", "succeeded", "failed", "canceled"] | None,
        typer.Option(help="Only those in this status."),
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """List crawls, newest first."""
    from windlass.cli.crawls import show_list

    show_list(status, limit, cursor, as_json, data)


@crawl.command("get")
def crawl_get(
    crawl_id: CrawlId, wait: CrawlWait = False, as_json: Json = False, data: Data = None
) -> None:
    """Show a crawl's pages, and what it left out and why. Status 3 if no page could be had."""
    from windlass.cli.crawls import show_crawl

    show_crawl(crawl_id, wait, as_json, data)


@crawl.command("cancel")
def crawl_cancel(crawl_id: CrawlId, as_json: Json = False, data: Data = None) -> None:
    """End a crawl; pages that it has brought stay."""
    from windlass.cli.crawls import cancel

    cancel(crawl_id, as_json, data)
