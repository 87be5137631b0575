"""`windlass map` as people and scripts use it: output, exit statuses, one line per error."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.loopback import free_port
from tests.support.server import WindlassServer
from tests.support.smallsite import SmallSite, page, plain, small_site


@pytest.fixture
def site() -> Iterator[SmallSite]:
    home = page("/a", "/private", "http://other.test/", head="<title>Home</title>")
    replies = {
        "/": home,
        "/a": page("/b"),
        "/b": page(),
        "/robots.txt": plain("User-agent: *\nDisallow: /private"),
    }
    with small_site(replies) as served:
        yield served


def test_a_pipe_gets_one_url_a_line(server: WindlassServer, site: SmallSite) -> None:
    done = server.command("map", f"{site.base}/")
    assert done.stdout.splitlines() == [
        f"{site.base}/", f"{site.base}/a", f"{site.base}/b", "http://other.test/"
    ]  # fmt: skip
    assert done.stderr == "warning: 1 URLs that robots.txt disallows are left out\n"


def test_options_reach_the_server(server: WindlassServer, site: SmallSite) -> None:
    options = ["sitemap=skip", "domain_filter=domain", "country=US", "locale=en-US"]
    given = [word for option in options for word in ("--set", option)]
    done = server.command("map", f"{site.base}/", "--limit", "2", *given, "--json")
    answer = json.loads(done.stdout)
    assert [link["url"] for link in answer["links"]] == [f"{site.base}/", f"{site.base}/a"]
    assert answer["links"][0]["title"] == "Home"
    assert not any("sitemap" in path for path in site.paths())


def test_a_site_that_cannot_be_reached_is_status_3(server: WindlassServer) -> None:
    done = server.command("map", f"http://127.0.0.1:{free_port()}/", check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_url_is_status_2(server: WindlassServer) -> None:
    done = server.command("map", "http://", check=False)
    assert done.returncode == 2 and "url" in done.stderr
