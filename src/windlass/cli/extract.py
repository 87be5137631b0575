"""`windlass extract`: one page, through a server or in this process."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from windlass.cli.client import connect, settings_of
from windlass.cli.output import Target, note, progress, write_result
from windlass.errors import TargetError
from windlass.settings import Settings


def extract(url: str, formats: tuple[str, ...], target: Target, data: Path | None) -> None:
    """Prints what `formats` make of the page. Raises TargetError if it is not whole."""
    settings = settings_of(data)
    body = {"url": url, "formats": list(formats)}
    if "://" not in url:
        body["url"] = f"https://{url}"
    finish(asyncio.run(_extract(settings, body, target)), target)


def finish(answer: dict[str, Any], target: Target) -> None:
    """Writes a result; raises TargetError afterwards if the extraction failed."""
    if answer.get("status") == "success":
        write_result(answer, target)
        return
    if target.as_json or any(name != "redirects" for name in answer.get("data") or ()):
        write_result(answer, target)
    raise TargetError(str(answer.get("error") or "the page could not be extracted"))


async def _extract(settings: Settings, body: dict[str, Any], target: Target) -> dict[str, Any]:
    async with progress(f"extracting {body['url']}", quiet=target.as_json):
        async with connect(settings) as client:
            if await client.answers():
                answer: dict[str, Any] = await client.call("POST", "/v1/extract", body)
                return answer
            if not target.as_json:
                note(f"no server at {client.url}: extracting in this process")
        return await _extract_here(settings, body)


async def _extract_here(settings: Settings, body: dict[str, Any]) -> dict[str, Any]:
    """What a server would answer."""
    from windlass.extraction import Extractor
    from windlass.model.request import ExtractRequest
    from windlass.net.cookies import CookieJar
    from windlass.wire.v1_extract import read_extract
    from windlass.wire.v1_results import result_body

    began, clock = datetime.now(UTC), time.monotonic()
    request = read_extract(
        msgspec.json.encode(body), now=began.timestamp(), asynchronous=False
    ).request
    assert isinstance(request, ExtractRequest)
    extractor = Extractor(settings)
    try:
        async with asyncio.timeout(settings.task_timeout):
            extraction = await extractor.extract(request, CookieJar(()))
    finally:
        await extractor.aclose()
    rendered = result_body(
        extraction=extraction,
        failure=extraction.failure,
        task_id=uuid4(),
        request=request,
        received_at=began,
        duration_ms=int((time.monotonic() - clock) * 1000),
    )
    answer: dict[str, Any] = msgspec.json.decode(rendered)
    return answer
