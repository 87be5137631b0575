"""Reading the operator's list of proxies and choosing one of it."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from windlass.drivers.proxies import Proxies, Proxy
from windlass.errors import SettingsError
from windlass.model.request import Place
from windlass.net.upstream import parse_upstream
from windlass.settings import Settings


def load(tmp_path: Path, entries: Any) -> Proxies:
    file = tmp_path / "proxies.json"
    file.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return Proxies.load(Settings(proxies=str(file)))


LISTED: list[dict[str, Any]] = [
    {"url": "http://any:1", "label": "any"},
    {"url": "http://de:1", "country": "de", "label": "de"},
    {"url": "http://us:1", "country": "US", "label": "us"},
    {"url": "http://ny:1", "country": "US", "state": "ny", "label": "us-ny"},
    {
        "url": "http://nyc:1",
        "country": "US",
        "state": "NY",
        "city": "New York",
        "label": "us-ny-nyc",
    },
    {"url": "http://miami:1", "country": "US", "city": "miami", "label": "us-miami"},
    {"url": "socks5h://fr:1", "country": "FR", "driver": "VX6-Stealth", "label": "fr-stealth"},
]


@pytest.mark.parametrize(
    ("place", "driver", "labels", "warning"),
    [
        (Place(), "vx6", {"any"}, None),
        (Place(country="ALL"), "vx6", {"any"}, None),
        (Place(country="DE"), "vx6", {"de"}, None),
        (Place(country="de"), "vx6", {"de"}, None),
        (Place(country="US"), "vx6", {"us", "us-ny", "us-ny-nyc", "us-miami"}, None),
        (Place(country="US", state="NY"), "vx6", {"us-ny", "us-ny-nyc"}, None),
        (Place(country="US", state="NY", city="new_york"), "vx6", {"us-ny-nyc"}, None),
        (Place(country="US", city="new_york"), "vx6", {"us-ny-nyc"}, None),
        (Place(country="US", state="FL", city="miami"), "vx6", {"us-miami"}, None),
        (Place(city="miami"), "vx6", {"us-miami"}, None),
        (
            Place(country="US", state="NY", city="albany"),
            "vx6",
            {"us-ny", "us-ny-nyc"},
            "country=US state=NY city=albany requested, country=US state=NY used",
        ),
        (
            Place(country="US", state="TX"),
            "vx6",
            {"us", "us-ny", "us-ny-nyc", "us-miami"},
            "country=US state=TX requested, country=US used",
        ),
        (Place(country="FR"), "vx6-stealth", {"fr-stealth"}, None),
        (Place(country="FR"), "vx6", {None}, "country=FR requested, no matching proxy"),
        (Place(country="JP"), "vx6", {None}, "country=JP requested, no matching proxy"),
        (Place(city="paris"), "vx6", {None}, "city=paris requested, no matching proxy"),
        (
            Place(country="DE", city="miami"),
            "vx6",
            {"de"},
            "country=DE city=miami requested, country=DE used",
        ),
    ],
)
def test_closest_proxy_in_the_place_is_chosen(
    tmp_path: Path, place: Place, driver: str, labels: set[str | None], warning: str | None
) -> None:
    proxies = load(tmp_path, LISTED)
    seen = set()
    for _ in range(200):
        choice = proxies.choose(place, driver)
        assert choice.warning == warning
        seen.add(choice.proxy and choice.proxy.label)
    assert seen == labels


def test_weights_decide_how_often_each_is_chosen() -> None:
    listed = [
        Proxy(upstream=parse_upstream(f"http://{name}:1"), weight=weight, label=name)
        for name, weight in (("often", 3), ("rarely", 1))
    ]
    proxies = Proxies(listed, random.Random(7))
    chosen = (proxies.choose(Place(), "vx6").proxy for _ in range(4000))
    count = Counter(proxy.label for proxy in chosen if proxy)
    assert 2800 < count["often"] < 3200


def test_without_a_list_a_place_is_answered_with_a_warning() -> None:
    proxies = Proxies.load(Settings())
    assert proxies.choose(Place(), "vx6") == (None, None)
    assert proxies.choose(Place(country="DE"), "vx6").warning == (
        "country=DE requested, no matching proxy"
    )


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ("{", ("JSON",)),
        ({"url": "http://a"}, ("JSON list",)),
        (["http://a:1"], ("entry 0", "object")),
        ([{"url": "http://a:1"}, {}], ("entry 1", "url is missing", "http://")),
        ([{"url": 3}], ("entry 0", "url")),
        ([{"url": "ftp://user:hunter2@a:1"}], ("entry 0", "socks5")),
        ([{"url": "http://user:hunter2@a:99999"}], ("entry 0", "host:port")),
        ([{"url": "http://user:hunter2@a:0"}], ("entry 0", "1 to 65535")),
        ([{"url": "http://user:hunter2@a:1/path"}], ("entry 0", "no path")),
        ([{"url": f"socks5://u:{'hunter2' * 60}@a"}], ("entry 0", "255")),
        ([{"url": "http://a", "land": "DE"}], ("entry 0", "'land'", "country")),
        ([{"url": "http://a", "country": "Germany"}], ("entry 0", "two letters", "DE")),
        ([{"url": "http://a", "country": 49}], ("entry 0", "country must be text")),
        ([{"url": "http://a", "city": "paris"}], ("entry 0", "need a country")),
        ([{"url": "http://a", "driver": "vx7"}], ("entry 0", "driver", "vx6-stealth")),
        ([{"url": "http://a", "weight": 0}], ("entry 0", "weight", "above 0")),
        ([{"url": "http://a", "weight": True}], ("entry 0", "weight")),
        ('[{"url": "http://a", "weight": 1e400}]', ("weight",)),
    ],
)
def test_a_wrong_list_is_named_with_its_file_and_entry(
    tmp_path: Path, entries: Any, words: tuple[str, ...]
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, entries)
    message = str(caught.value)
    assert "WINDLASS_PROXIES" in message
    assert "proxies.json" in message
    assert all(word in message for word in words), message
    assert "hunter2" not in message


def test_a_missing_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Proxies.load(Settings(proxies=str(tmp_path / "nothing.json")))


def test_credentials_are_read_but_never_shown(tmp_path: Path) -> None:
    proxies = load(tmp_path, [{"url": "http://us%40er:hunt%3Aer2@proxy.test:3128"}])
    proxy = proxies.choose(Place(), "vx6").proxy
    assert proxy is not None
    assert (proxy.upstream.username, proxy.upstream.password) == ("us@er", "hunt:er2")
    assert proxy.label == "proxy.test:3128"
    assert "hunt" not in repr(proxy)
    assert "us@er" not in f"{proxy} {proxy.upstream!r}"
