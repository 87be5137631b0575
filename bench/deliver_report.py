"""The rows of the report about deliveries. Called by report.py."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench.deliver_backlog import Unheard
from bench.deliver_dead import DEAD_ENDPOINTS, Dead
from bench.deliver_large import Large
from bench.deliver_latency import Arrival
from bench.deliver_scene import Run, slower_percent
from bench.deliver_uploads import Uploads
from bench.deliver_webhooks import Webhooks

Row = tuple[str, str, str]


def webhooks_rows(found: Webhooks) -> list[Row]:
    """Rates and costs by number of endpoints."""
    rows: list[Row] = []
    for sent in found.sent:
        to = "one endpoint" if sent.endpoints == 1 else f"{sent.endpoints} endpoints"
        parts = {role: cost for role, cost in sent.cpu_ms_by_role.items() if cost >= 0.005}
        spent = ", ".join(f"{role} {cost:.2f}" for role, cost in parts.items())
        rows += [
            (f"webhooks to {to}", f"{sent.per_second:,.0f}/s", ""),
            ("  CPU per webhook", f"{sent.cpu_ms:.2f} ms ({spent})", ""),
            ("  taken by other programs meanwhile", f"{sent.others_cores:.2f} cores", ""),
        ]
    return [*rows, ("  the receiver alone could take", f"{found.ceiling:,.0f}/s", "")]


def arrival_rows(found: Arrival) -> list[Row]:
    """Latency on an idle server."""
    shown = f"{found.p50_ms:.1f} / {found.p99_ms:.1f} ms"
    return [
        ("end of a task to arrival of its webhook, idle, p50 / p99", shown, "p50 < 20 ms"),
        ("  of this until a worker has it, p50", f"{found.started_p50_ms:.1f} ms", ""),
    ]


def uploads_rows(found: Uploads) -> list[Row]:
    """Ours beside the peer's."""
    rows: list[Row] = []
    for run in found.runs:
        how = "gzipped" if run.compress else "plain"
        what = f"uploads of {found.result_bytes // 1024} KiB, {how}, {run.who}"
        rows.append((what, f"{run.per_second:,.0f}/s, {run.cpu_ms:.2f} ms CPU", ""))
    return rows


def large_rows(found: Sequence[Large]) -> list[Row]:
    """Memory of uploads of 1 GiB."""
    return [
        (
            f"memory of an upload of 1 GiB, {'gzipped' if each.compress else 'plain'}",
            f"{each.peak_mb} MB at the peak, {each.before_mb} before; "
            f"{each.parts} parts, {each.took_s} s",
            "bounded",
        )
        for each in found
    ]


def dead_rows(found: Dead) -> list[Row]:
    """The live ones with and without the dead ones."""
    arriving, standing = (
        f"{slower_percent(runs, found.without):.1f} %" for runs in (found.arriving, found.standing)
    )
    return [
        ("webhooks to live endpoints alone (median)", _middle(found.without), ""),
        (f"with {DEAD_ENDPOINTS} dead ones that get work", _middle(found.arriving), ""),
        ("  slower by", arriving, "< 5 %"),
        (f"with {DEAD_ENDPOINTS} dead ones that stand by", _middle(found.standing), ""),
        ("  slower by", standing, "< 5 %"),
    ]


def unheard_rows(found: Unheard) -> list[Row]:
    """A backlog that nobody takes."""
    rows = [
        ("webhooks to others without a backlog (median)", _middle(found.without), ""),
        (f"behind {found.waiting:,} webhooks that nobody takes", _middle(found.behind), ""),
        ("  slower by", f"{slower_percent(found.behind, found.without):.1f} %", "< 5 %"),
    ]
    for role in ("worker", "api", "postgres"):
        before, after = found.pss_mb_without[role], found.pss_mb_behind[role]
        target = "" if role == "postgres" else "flat"
        rows.append((f"  memory (PSS) of {role}", f"{before:.0f}, then {after:.0f} MB", target))
    return rows


def _middle(runs: Sequence[Run]) -> str:
    rate = statistics.median(run.per_second for run in runs)
    cpu = statistics.median(run.cpu_ms for run in runs)
    return f"{rate:,.0f}/s, {cpu:.2f} ms CPU for each"
