"""Robots files and feeds of real sites are read in no time, without a failure."""

from __future__ import annotations

import time

import msgspec

from tests.support.downloads import sdist
from windlass.site.robots import Robots, rules_of
from windlass.site.sitemaps import Sitemap


def test_four_thousand_robots_files_are_read_and_survive_being_stored() -> None:
    files = sorted((sdist("protego", "0.7.0") / "tests" / "test_data").iterdir())
    assert len(files) > 4000
    standing = delays = sitemaps = closed = 0
    began = time.process_time()
    for file in files:
        robots = rules_of(200, file.read_bytes(), "windlass")
        assert msgspec.json.decode(msgspec.json.encode(robots), type=Robots) == robots
        standing += bool(robots.rules)
        delays += robots.crawl_delay_s is not None
        sitemaps += bool(robots.sitemaps)
        closed += not robots.allows("https://site.test/")
    assert time.process_time() - began < 60
    # Counted by reading the same files with another program.
    # Another reader finds 3683, 533, 2198 and 55: it takes no UTF-16, and lets lines that the
    # standard does not know end a group.
    assert (standing, delays, sitemaps, closed) == (3688, 533, 2200, 56)


def test_two_thousand_odd_feeds_are_read_as_sitemaps() -> None:
    files = sorted((sdist("feedparser", "6.0.14") / "tests").rglob("*.xml"))
    assert len(files) > 2000
    found = 0
    for file in files:
        for entry in Sitemap("https://site.test/feed", [file.read_bytes()]):
            assert entry.url.startswith(("http://", "https://"))
            found += 1
    assert found > 60
