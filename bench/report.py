"""Turns the answers into a Markdown report and a JSON file. Called by `python -m bench`."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path

import msgspec

from bench.accept import Acceptance
from bench.backlog import Backlog
from bench.crawl import SiteCrawl
from bench.crawl_report import crawl_table
from bench.deliver_backlog import Unheard
from bench.deliver_dead import Dead
from bench.deliver_large import Large
from bench.deliver_latency import Arrival
from bench.deliver_report import (
    arrival_rows,
    dead_rows,
    large_rows,
    unheard_rows,
    uploads_rows,
    webhooks_rows,
)
from bench.deliver_uploads import Uploads
from bench.deliver_webhooks import Webhooks
from bench.hostile import Hostile
from bench.latency import Latency
from bench.pages import Pages
from bench.peers import PINS, PeerRun
from bench.recipes import Recipes
from bench.resting import Rest, Resting


class Answers(msgspec.Struct, omit_defaults=True):
    """What was asked in this run; the rest stays None."""

    machine: str = ""
    accept: Acceptance | None = None
    pages: Pages | None = None
    peers: list[PeerRun] | None = None
    latency: Latency | None = None
    resting: Resting | None = None
    backlog: Backlog | None = None
    webhooks: Webhooks | None = None
    arrival: Arrival | None = None
    uploads: Uploads | None = None
    large: list[Large] | None = None
    dead: Dead | None = None
    unheard: Unheard | None = None
    crawl: list[SiteCrawl] | None = None
    recipes: Recipes | None = None
    hostile: Hostile | None = None


def machine() -> str:
    """The machine in a line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, Python {platform.python_version()}"


def write_json(answers: Answers, file: Path) -> None:
    """The answers with every figure they are made of."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(answers)))


def markdown(answers: Answers) -> str:
    """The report."""
    parts = [f"Machine: {answers.machine}.", _table(_rows(answers))]
    if answers.pages is not None:
        parts += ["### Where the time of a page goes", _cpu_table(answers.pages)]
    if answers.resting is not None:
        parts += ["### Memory and CPU at rest", _rest_table(answers.resting)]
    for found in answers.crawl or ():
        parts += [f"### Crawling {found.package} ({found.pages:,} pages)", crawl_table(found)]
    return "\n\n".join(parts) + "\n"


Row = tuple[str, str, str]


def _rows(answers: Answers) -> list[Row]:
    rows: list[Row] = []
    if answers.accept is not None:
        rows += _accept_rows(answers.accept)
    if answers.pages is not None:
        rows += _pages_rows(answers.pages)
    if answers.peers is not None:
        rows += _peer_rows(answers.peers, answers.pages)
    if answers.latency is not None:
        rows += _latency_rows(answers.latency)
    if answers.resting is not None:
        rows += _resting_rows(answers.resting)
    if answers.backlog is not None:
        rows += _backlog_rows(answers.backlog)
    if answers.recipes is not None:
        rows += _recipes_rows(answers.recipes)
    if answers.hostile is not None:
        rows += _hostile_rows(answers.hostile)
    return rows + _delivery_rows(answers)


def _delivery_rows(answers: Answers) -> list[Row]:
    rows: list[Row] = []
    if answers.webhooks is not None:
        rows += webhooks_rows(answers.webhooks)
    if answers.arrival is not None:
        rows += arrival_rows(answers.arrival)
    if answers.uploads is not None:
        rows += uploads_rows(answers.uploads)
    if answers.large is not None:
        rows += large_rows(answers.large)
    if answers.dead is not None:
        rows += dead_rows(answers.dead)
    if answers.unheard is not None:
        rows += unheard_rows(answers.unheard)
    return rows


def _hostile_rows(asked: Hostile) -> list[Row]:
    alone = f"{asked.alone_p50_ms:.0f} / {asked.alone_p95_ms:.0f} ms"
    beside = f"{asked.beside_p50_ms:.0f} / {asked.beside_p95_ms:.0f} ms"
    return [
        ("plain extract, p50 / p95", alone, ""),
        ("the same beside a flood of hostile recipes", beside, ""),
    ]


def _recipes_rows(asked: Recipes) -> list[Row]:
    pages = f"{asked.pages} pages of {asked.megabytes / asked.pages * 1000:.0f} kB"
    return [
        (
            f"A recipe of {asked.fields} fields over {pages}, one core",
            f"{asked.per_second:.0f} pages/s, {asked.cpu_ms:.2f} ms of CPU each",
            "2 times parsel",
        ),
        (
            "The same fields with parsel",
            f"{asked.parsel_per_second:.0f} pages/s, {asked.parsel_cpu_ms:.2f} ms; "
            f"{asked.differing:.2%} of the values differ",
            "",
        ),
    ]


def _accept_rows(accept: Acceptance) -> list[Row]:
    cpu = sum(accept.cpu_ms.values())
    return [
        ("accepted async tasks, 32 connections", f"{accept.per_second:,.0f}/s", ""),
        ("one submission p50 / p99", f"{accept.p50_ms:.1f} / {accept.p99_ms:.1f} ms", ""),
        ("CPU per accepted task", f"{cpu:.2f} ms", ""),
    ]


def _pages_rows(pages: Pages) -> list[Row]:
    return [
        (f"pages end to end ({pages.pages:,} pages)", f"{pages.per_second:,.0f}/s", ""),
        ("CPU per page, PostgreSQL included", f"{pages.cpu_ms:.2f} ms", "≤ 3 ms"),
        _others_row(pages.others_cores),
        ("beside it: nginx, client", f"{pages.nginx_cpu_ms:.2f}, {pages.client_cpu_ms:.2f} ms", ""),
        ("peak memory (PSS, PostgreSQL included)", f"{pages.peak_pss_mb:,.0f} MB", ""),
    ]


def _peer_rows(peers: list[PeerRun], pages: Pages | None) -> list[Row]:
    rows: list[Row] = []
    for peer in peers:
        rate = peer.pages / peer.wall_s
        name = f"{PINS[0]} + {PINS[1]}, {peer.processes} process(es)".replace("==", " ")
        cpu = f"{peer.cpu_s / peer.pages * 1000:.2f} ms CPU"
        rows += [(name, f"{rate:,.0f}/s, {cpu}", ""), _others_row(peer.others_cores)]
        if pages is not None:
            rows.append(("Windlass is faster by", f"{pages.per_second / rate:.1f} ×", "≥ 4 ×"))
    return rows


def _others_row(cores: float) -> Row:
    """What makes two runs of a busy machine differ."""
    return ("  taken by other programs meanwhile", f"{cores:.2f} cores", "")


def _latency_rows(latency: Latency) -> list[Row]:
    polled = f"{latency.async_p50_ms:.1f} / {latency.async_p99_ms:.1f} ms"
    waited = f"{latency.sync_p50_ms:.1f} / {latency.sync_p99_ms:.1f} ms"
    return [
        ("submit to result by polling, idle, p50 / p99", polled, "p50 < 30 ms"),
        ("synchronous extract, idle, p50 / p99", waited, ""),
    ]


def _resting_rows(resting: Resting) -> list[Row]:
    return [
        ("idle memory, fresh (PSS)", f"{resting.fresh.pss_mb:.0f} MB", "< 300 MB"),
        ("idle memory after work (PSS)", f"{resting.after_work.pss_mb:.0f} MB", "< 300 MB"),
        ("idle CPU, fresh", f"{resting.fresh.cpu_percent:.2f} % of a core", "< 1 %"),
        ("idle CPU after work", f"{resting.after_work.cpu_percent:.2f} % of a core", "< 1 %"),
    ]


def _backlog_rows(backlog: Backlog) -> list[Row]:
    return [
        ("pages without a backlog (median)", f"{backlog.without:,.0f}/s", ""),
        (f"pages behind {backlog.queued:,} queued tasks", f"{backlog.with_backlog:,.0f}/s", ""),
        ("slower by", f"{backlog.slowdown_percent:.1f} %", "< 10 %"),
    ]


def _table(rows: Iterable[Row]) -> str:
    lines = ["| what | measured | target |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {what} | {value} | {goal} |" for what, value, goal in rows)])


def _cpu_table(pages: Pages) -> str:
    ordered = sorted(pages.cpu_ms_by_role.items(), key=lambda item: -item[1])
    lines = ["| process | CPU ms per page | share |", "|---|---|---|"]
    for role, cost in ordered:
        lines.append(f"| {role} | {cost:.2f} | {cost / pages.cpu_ms * 100:.0f} % |")
    return "\n".join(lines)


def _rest_table(resting: Resting) -> str:
    lines = ["| process | MB fresh | MB after work | CPU % fresh | CPU % after work |"]
    lines.append("|---|---|---|---|---|")
    roles = dict.fromkeys([*resting.fresh.pss_mb_by_role, *resting.after_work.pss_mb_by_role])
    for role in roles:
        cells = " | ".join(_cells(rest, role) for rest in (resting.fresh, resting.after_work))
        memory_fresh, cpu_fresh, memory_after, cpu_after = cells.split(" | ")
        lines.append(f"| {role} | {memory_fresh} | {memory_after} | {cpu_fresh} | {cpu_after} |")
    return "\n".join(lines)


def _cells(rest: Rest, role: str) -> str:
    memory = rest.pss_mb_by_role.get(role, 0.0)
    return f"{memory:.0f} | {rest.cpu_percent_by_role.get(role, 0.0):.2f}"
