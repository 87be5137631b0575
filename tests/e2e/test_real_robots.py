"""Robots files and feeds of real sites are read in no time, without a failure."""

from __future__ import annotations

import re
import runpy
import time
from collections.abc import Iterator

import msgspec
import pytest

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


# What that reader has and we do not (visiting hours, request rates, a preferred host, its own
# counters and types), and what it takes for an agent's name beyond a product token; and that a line
# with an unknown name ends a group, which RFC 9309 does not say.
_NOT_OURS = re.compile(
    "visit_time|request_rate|preferred_host|global_directives|unknown_colon|line_endings|bytestrings"
    "|unicode_url_and_useragent|generosity$|grouping_unknown_keys"
)


class _Read:
    """Our rules behind the face of that reader."""

    def __init__(self, content: str) -> None:
        self._content = content.encode("utf-8", "surrogatepass")

    @classmethod
    def parse(cls, content: str) -> _Read:
        return cls(content)

    def _for(self, agent: str) -> Robots:
        return rules_of(200, self._content, "nobody" if agent == "*" else agent)

    def can_fetch(self, url: str, agent: str) -> bool:
        return self._for(agent).allows(url)

    def crawl_delay(self, agent: str) -> float | None:
        return self._for(agent).crawl_delay_s

    @property
    def sitemaps(self) -> Iterator[str]:
        return iter(self._for("nobody").sitemaps)


def test_the_cases_of_another_reader_come_out_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    source = sdist("protego", "0.7.0")
    monkeypatch.syspath_prepend(str(source / "src"))
    cases = runpy.run_path(str(source / "tests" / "test_protego.py"))["TestProtego"]
    monkeypatch.setitem(cases.test_allowed.__globals__, "Protego", _Read)
    ran = 0
    for name in dir(cases):
        case = getattr(cases, name)
        if name.startswith("test_") and not _NOT_OURS.search(name):
            marks = [one for one in getattr(case, "pytestmark", ()) if one.name == "parametrize"]
            for given in [value for one in marks for value in one.args[1]] or [()]:
                case(cases(), *(given if isinstance(given, tuple) else (given,)))
                ran += 1
    assert ran > 50
