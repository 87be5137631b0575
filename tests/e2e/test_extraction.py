"""Extractions from misbehaving sites on loopback: what is there comes out, what failed says so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.badanswers import CHARSETS
from tests.support.badsite import BadSite
from windlass.errors import (
    AddressRefused,
    BrowserMissing,
    ConnectionLost,
    ConnectionRefused,
    RequestTimeout,
)
from windlass.extraction import Extractor
from windlass.model.page import Extraction
from windlass.model.request import Attempts, ExtractRequest
from windlass.net.cookies import CookieJar
from windlass.settings import Settings, parse_networks

LOOPS = ("uvloop",)
LOOPBACK = parse_networks("127.0.0.0/8")


@pytest.fixture
async def site() -> AsyncIterator[BadSite]:
    async with BadSite() as running:
        yield running


@contextlib.asynccontextmanager
async def an_extractor(**settings: object) -> AsyncIterator[Extractor]:
    made = Extractor(Settings(**{"allow_addresses": LOOPBACK, **settings}))
    try:
        yield made
    finally:
        await made.aclose()


@pytest.fixture
async def extractor() -> AsyncIterator[Extractor]:
    async with an_extractor() as made:
        yield made


async def extract(extractor: Extractor, url: str, **wish: object) -> Extraction:
    return await extractor.extract(ExtractRequest(url=url, **wish), CookieJar())  # type: ignore[arg-type]


async def test_page_comes_in_every_format(extractor: Extractor, site: BadSite) -> None:
    got = await extract(
        extractor,
        site.url("redirect", to="/set-cookie?line=a%3D1", status=302),
        formats=("html", "markdown", "links", "text", "headers", "cookies"),
    )
    assert (got.status, got.failure, got.partial, got.driver) == (200, None, False, "vx6")
    assert set(got.values) == {"html", "markdown", "links", "text", "headers", "cookies"}
    assert [hop.status for hop in got.redirects] == [302]
    assert [cookie.name for cookie in got.values["cookies"]] == ["a"]
    assert got.url.startswith(site.url("set-cookie"))


@pytest.mark.parametrize("name", CHARSETS)
async def test_charsets_are_read_as_a_browser_reads_them(
    extractor: Extractor, site: BadSite, name: str
) -> None:
    got = await extract(extractor, site.url(name), formats=("html", "text", "markdown"))
    text = CHARSETS[name][1]
    assert text in got.values["html"]
    shown = text.partition("<p>")[2]
    assert shown in got.values["text"]
    assert shown in got.values["markdown"]


async def test_unexpected_status_fails_with_its_data(extractor: Extractor, site: BadSite) -> None:
    got = await extract(extractor, site.url("missing"), formats=("markdown",))
    assert got.failure is not None
    assert (got.failure.code, got.failure.message) == (
        "unexpected_status",
        "Unexpected status code 404",
    )
    assert (got.status, got.values, got.partial) == (404, {"markdown": "no such thing"}, False)


async def test_expected_statuses_decide_what_success_is(
    extractor: Extractor, site: BadSite
) -> None:
    good = await extract(extractor, site.url("missing"), expected_statuses=(404,))
    assert good.failure is None
    bad = await extract(extractor, site.url("page"), expected_statuses=(404,))
    assert bad.failure is not None


@pytest.mark.parametrize("name", ["truncated", "broken-chunk", "cut-chunk", "no-last-chunk"])
async def test_cut_body_fails_as_partial_with_what_came(
    extractor: Extractor, site: BadSite, name: str
) -> None:
    got = await extract(extractor, site.url(name), formats=("html", "markdown"))
    assert got.failure is not None
    assert got.failure.code in ("body_truncated", "invalid_response")
    assert got.partial
    assert "bytes" in got.values["html"]
    assert "bytes" in got.values["markdown"]


async def test_capped_body_is_partial_too(site: BadSite) -> None:
    async with an_extractor(fetch_limit=50_000) as extractor:
        got = await extract(extractor, site.url("endless"), formats=("html",))
    assert got.failure is not None
    assert got.failure.code == "body_too_large"
    assert got.partial
    assert 0 < len(got.values["html"]) <= 50_000


async def test_no_answer_raises_and_never_becomes_content(
    extractor: Extractor, site: BadSite
) -> None:
    with pytest.raises(ConnectionLost):
        await extract(extractor, site.url("empty-answer"))
    with pytest.raises(ConnectionRefused):
        await extract(extractor, "http://127.0.0.1:1/")


async def test_whole_budget_covers_everything(extractor: Extractor, site: BadSite) -> None:
    started = asyncio.get_running_loop().time()
    with pytest.raises(RequestTimeout):
        await extract(extractor, site.url("silence"), timeout_ms=300)
    assert asyncio.get_running_loop().time() - started < 3


async def test_what_came_before_the_budget_ended_is_kept(
    extractor: Extractor, site: BadSite
) -> None:
    got = await extract(extractor, site.url("silence-after-16"), timeout_ms=500)
    assert got.partial
    assert got.failure is not None
    assert got.failure.code == "request_timeout"
    assert got.values["html"]


async def test_private_addresses_are_refused_unless_allowed(site: BadSite) -> None:
    async with an_extractor(allow_addresses=()) as extractor:
        with pytest.raises(AddressRefused):
            await extract(extractor, site.url("page"))
    assert site.seen == []


async def test_plan_tries_again_after_a_failure_and_keeps_the_best_answer(
    extractor: Extractor, site: BadSite
) -> None:
    plan = (Attempts("vx6", 2), Attempts("vx6-stealth", 1))
    got = await extract(extractor, site.url("truncated"), plan=plan)
    assert got.partial
    assert len(site.seen) == 3


async def test_plan_stops_at_the_first_page_that_will_do(
    extractor: Extractor, site: BadSite
) -> None:
    plan = (Attempts("vx6", 3), Attempts("vx6-stealth", 2))
    assert (await extract(extractor, site.url("page"), plan=plan)).failure is None
    assert (await extract(extractor, site.url("missing"), plan=plan)).status == 404
    assert len(site.seen) == 2


async def test_answer_that_is_no_page_is_told_apart(extractor: Extractor, site: BadSite) -> None:
    got = await extract(extractor, site.url("echo"), formats=("html", "markdown", "links"))
    assert got.values["markdown"].startswith("```json\n{")
    assert got.values["links"] == []
    assert any(warning.startswith("links is empty") for warning in got.warnings)


async def test_what_no_driver_can_do_is_refused(site: BadSite, tmp_path: Path) -> None:
    missing = str(tmp_path / "chromium")
    async with an_extractor(chromium=missing) as extractor:
        with pytest.raises(BrowserMissing, match="WINDLASS_CHROMIUM names"):
            await extract(extractor, site.url("page"), render=True)
        assert site.seen == []
        assert (await extract(extractor, site.url("page"))).driver == "vx6"


async def test_many_extractions_at_once_do_not_mix(extractor: Extractor, site: BadSite) -> None:
    names = [*CHARSETS, "page", "missing", "truncated"] * 8
    got = await asyncio.gather(
        *(
            extract(extractor, site.url(name, n=n), formats=("html",))
            for n, name in enumerate(names)
        )
    )
    for n, (name, one) in enumerate(zip(names, got, strict=True)):
        assert one.url == site.url(name, n=n)
        if name in CHARSETS:
            assert CHARSETS[name][1] in one.values["html"]
