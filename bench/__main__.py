"""`python -m bench [QUESTION…]`: asks the questions one after the other and prints a report."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from bench import (
    accept,
    backlog,
    crawl,
    deliver_backlog,
    deliver_dead,
    deliver_large,
    deliver_latency,
    deliver_uploads,
    deliver_webhooks,
    hostile,
    latency,
    pages,
    peers,
    recipes,
    report,
    resting,
)
from tests.support import sites
from tests.support.loopback import cache_folder
from tests.support.sites import Site

PACKAGE = "postgresql-doc-15"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=", ".join(QUESTIONS))
    parser.add_argument("--passes", type=int, default=3, help="how often over all the pages")
    parser.add_argument("--out", type=Path, help="JSON file for all figures")
    chosen = parser.parse_args()
    if unknown := set(chosen.questions) - set(QUESTIONS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(QUESTIONS)}")
    return chosen


async def _accept(answers: report.Answers, site: Site, passes: int) -> None:
    answers.accept = await accept.measure()


async def _pages(answers: report.Answers, site: Site, passes: int) -> None:
    answers.pages = await pages.measure(site, passes)


async def _peers(answers: report.Answers, site: Site, passes: int) -> None:
    urls = [site.url(page) for page in site.pages()]
    concurrency = pages.CONCURRENCY
    answers.peers = [peers.run(urls, concurrency=concurrency, processes=n) for n in (1, 2)]


async def _latency(answers: report.Answers, site: Site, passes: int) -> None:
    answers.latency = await latency.measure()


async def _resting(answers: report.Answers, site: Site, passes: int) -> None:
    answers.resting = await resting.measure(site)


async def _backlog(answers: report.Answers, site: Site, passes: int) -> None:
    answers.backlog = await backlog.measure(site)


async def _webhooks(answers: report.Answers, site: Site, passes: int) -> None:
    answers.webhooks = await deliver_webhooks.measure()


async def _arrival(answers: report.Answers, site: Site, passes: int) -> None:
    answers.arrival = await deliver_latency.measure()


async def _uploads(answers: report.Answers, site: Site, passes: int) -> None:
    answers.uploads = await deliver_uploads.measure()


async def _large(answers: report.Answers, site: Site, passes: int) -> None:
    answers.large = await deliver_large.measure()


async def _dead(answers: report.Answers, site: Site, passes: int) -> None:
    answers.dead = await deliver_dead.measure()


async def _unheard(answers: report.Answers, site: Site, passes: int) -> None:
    answers.unheard = await deliver_backlog.measure()


async def _crawl(answers: report.Answers, site: Site, passes: int) -> None:
    answers.crawl = await crawl.measure()


async def _recipes(answers: report.Answers, site: Site, passes: int) -> None:
    answers.recipes = recipes.measure(passes)


async def _hostile(answers: report.Answers, site: Site, passes: int) -> None:
    answers.hostile = await hostile.measure()


QUESTIONS: dict[str, Callable[[report.Answers, Site, int], Awaitable[None]]] = {
    "accept": _accept,
    "pages": _pages,
    "peers": _peers,
    "latency": _latency,
    "idle": _resting,
    "backlog": _backlog,
    "webhooks": _webhooks,
    "arrival": _arrival,
    "uploads": _uploads,
    "large": _large,
    "dead": _dead,
    "unheard": _unheard,
    "crawl": _crawl,
    "recipes": _recipes,
    "hostile": _hostile,
}


async def _ask(chosen: argparse.Namespace) -> report.Answers:
    answers = report.Answers(machine=report.machine())
    with sites.serving(PACKAGE) as served:
        for name in chosen.questions or QUESTIONS:
            began = time.monotonic()
            await QUESTIONS[name](answers, served[PACKAGE], chosen.passes)
            print(f"{name}: asked for {time.monotonic() - began:.0f} s", file=sys.stderr)
    return answers


def main() -> None:
    """See the module."""
    chosen = _arguments()
    answers = uvloop.run(_ask(chosen))
    file = chosen.out or cache_folder("bench-results") / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    report.write_json(answers, file)
    print(report.markdown(answers))
    print(f"All figures: {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
