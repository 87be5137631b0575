"""The tables of the report about crawls. Called by report.py."""

from __future__ import annotations

from bench.crawl import SiteCrawl


def crawl_table(found: SiteCrawl) -> str:
    """Who crawled how much of one site, how fast, at what cost; and where our time goes."""
    lines = [
        "| crawler | pages | pages/s | CPU ms per page | peak memory | ours is faster by |",
        "|---|---|---|---|---|---|",
    ]
    ours = found.runs[0]
    for run in found.runs:
        ratio = "" if run is ours else f"{ours.per_second / run.per_second:.1f} ×"
        lines.append(
            f"| {run.name} | {run.pages:,} | {run.per_second:,.0f} | {run.cpu_ms:.2f} "
            f"| {run.peak_mb:.0f} MB | {ratio} |"
        )
    ordered = sorted(found.ours_by_role.items(), key=lambda item: -item[1])
    spent = ", ".join(f"{role} {cost:.2f}" for role, cost in ordered if cost >= 0.005)
    return "\n".join([*lines, "", f"CPU ms per page of ours by process: {spent}."])
