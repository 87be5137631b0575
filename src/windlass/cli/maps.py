"""`windlass map`: the URLs of a site, over HTTP."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from windlass.cli.client import connect, settings_of
from windlass.cli.crawls import read_options
from windlass.cli.output import note, print_json, print_table, progress
from windlass.settings import Settings


def show_map(
    body: Mapping[str, Any], options: Sequence[str], as_json: bool, data: Path | None
) -> None:
    """Prints the URLs of a site: with their titles on a terminal, one a line in a pipe. `options`
    are "name=value"."""
    url = str(body["url"])
    body = {**read_options(options), **body, "url": url if "://" in url else f"https://{url}"}
    answer = asyncio.run(_map(settings_of(data), body, quiet=as_json))
    if as_json:
        print_json(answer)
        return
    for warning in answer.get("warnings", ()):
        note(f"warning: {warning}")
    links = answer["links"]
    if sys.stdout.isatty():
        print_table(("url", "title"), [(link["url"], link.get("title", "")) for link in links])
        note(f"{len(links)} URLs")
    else:
        sys.stdout.writelines(f"{link['url']}\n" for link in links)


async def _map(settings: Settings, body: Mapping[str, Any], *, quiet: bool) -> dict[str, Any]:
    async with progress(f"mapping {body['url']}", quiet=quiet), connect(settings) as client:
        answer: dict[str, Any] = await client.call("POST", "/v1/map", body)
        return answer
