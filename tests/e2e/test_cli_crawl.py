"""`windlass crawl` as people and scripts use it: output, exit statuses, one line per error."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.server import WindlassServer, running
from tests.support.smallsite import SmallSite, page, plain, small_site

MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindlassServer]:
    """One server for all commands."""
    with running(tmp_path_factory.mktemp("cli") / "data", rate_limit="0") as started:
        yield started


@pytest.fixture
def site() -> Iterator[SmallSite]:
    replies = {
        "/": page("/a", "/b", "/private", text="home"),
        "/a": page("/b", text="a"),
        "/b": page("/missing", text="b"),
        "/robots.txt": plain("User-agent: *\nDisallow: /private"),
    }
    with small_site(replies) as served:
        yield served


def rows(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_a_crawl_is_started_waited_for_and_shown(server: WindlassServer, site: SmallSite) -> None:
    done = server.command("crawl", "start", f"{site.base}/", "--wait")
    shown = {row[4].removeprefix(site.base): (row[1], row[2], row[3]) for row in rows(done)}
    assert shown == {
        "/": ("completed", "200", "0"),
        "/a": ("completed", "200", "1"),
        "/b": ("completed", "200", "1"),
        "/missing": ("failed", "404", "2"),
    }
    (last,) = done.stderr.splitlines()
    assert last.endswith(": succeeded, 3 completed, 1 failed, 0 pending, 1 excluded")


def test_options_are_those_of_the_api(server: WindlassServer, site: SmallSite) -> None:
    options = ["limit=2", "exclude_paths=/a$", "exclude_paths=^/x", "name=42", "colour=blue"]
    given = [word for option in options for word in ("--set", option)]
    done = server.command("crawl", "start", f"{site.base}/", *given, "--format", "links")
    crawl_id = done.stdout.strip()
    assert done.stderr == "warning: unknown field 'colour' is ignored\n"
    crawl = json.loads(server.command("crawl", "get", crawl_id, "--wait", "--json").stdout)
    assert (crawl["name"], crawl["total"]) == ("42", 2)
    assert crawl["crawl_options"]["exclude_paths"] == ["/a$", "^/x"]
    assert crawl["extract_options"] == {"formats": ["links"]}


def test_wrong_options_are_usage_errors(server: WindlassServer, site: SmallSite) -> None:
    for option in ("limit=0", "limit", "include_paths=("):
        done = server.command("crawl", "start", site.base, "--set", option, check=False)
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1


def test_a_crawl_without_any_page_is_status_3(server: WindlassServer, site: SmallSite) -> None:
    done = server.command("crawl", "start", f"{site.base}/nowhere", "--wait", check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == "windlass: the crawl failed"


def test_crawls_are_listed_newest_first(server: WindlassServer, site: SmallSite) -> None:
    ids = []
    for path in ("/a", "/b", "/nowhere"):
        done = server.command("crawl", "start", site.base + path, "--json")
        ids.append(json.loads(done.stdout)["crawl_id"])
        server.command("crawl", "get", ids[-1], "--wait", check=False)
    done = server.command("crawl", "list", "--limit", "2")
    assert [(row[0], row[1]) for row in rows(done)] == [(ids[2], "failed"), (ids[1], "succeeded")]
    cursor = done.stderr.removeprefix("more: --cursor ").strip()
    assert rows(server.command("crawl", "list", "--cursor", cursor))[0][0] == ids[0]
    only = server.command("crawl", "list", "--status", "failed", "--limit", "1")
    assert rows(only)[0][0] == ids[2]


def test_a_crawl_is_cancelled(server: WindlassServer, site: SmallSite) -> None:
    site.slow.add("/")
    site.open.clear()
    crawl_id = server.command("crawl", "start", f"{site.base}/").stdout.strip()
    done = server.command("crawl", "cancel", crawl_id)
    assert done.stderr == f"crawl {crawl_id} goes no further\n"
    answer = server.command("crawl", "cancel", crawl_id, "--json").stdout
    assert json.loads(answer) == {"status": "canceled"}
    shown = json.loads(server.command("crawl", "get", crawl_id, "--json").stdout)
    assert (shown["status"], shown["pending"]) == ("canceled", 0)


@pytest.mark.parametrize("verb", ["get", "cancel"])
def test_an_unknown_crawl_is_status_4(server: WindlassServer, verb: str) -> None:
    done = server.command("crawl", verb, MISSING, check=False)
    assert (done.returncode, done.stderr) == (4, "windlass: Crawl not found\n")
