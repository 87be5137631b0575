"""URL templates of agents: what they accept, and that no parameter leaves its place."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.agents.templates import Template, UnfitError, compile_template, in_host
from windlass.errors import Problem
from windlass.parsing.faults import Spot

KNOWN = ("a", "b", "c", "url")


def template(text: str) -> Template:
    problems: list[Problem] = []
    made = compile_template(text, KNOWN, Spot(problems, "/url"))
    assert made is not None, problems
    return made


def refusals(text: str) -> list[str]:
    problems: list[Problem] = []
    assert compile_template(text, KNOWN, Spot(problems, "/url")) is None
    assert {problem.path for problem in problems} == {"/url"}
    return [problem.message for problem in problems]


@pytest.mark.parametrize(
    ("text", "values", "url"),
    [
        ("https://x.test/p/{a}", {"a": "blue mug"}, "https://x.test/p/blue%20mug"),
        ("https://x.test/p/{a}", {"a": 7}, "https://x.test/p/7"),
        ("https://x.test/p/{a}", {"a": True}, "https://x.test/p/true"),
        ("https://x.test/p/{a}", {"a": 1.5}, "https://x.test/p/1.5"),
        ("https://x.test/{a}-{b}.html", {"a": "x", "b": "ü"}, "https://x.test/x-%C3%BC.html"),
        ("https://x.test/s?q={a}", {"a": "a&b=c#d"}, "https://x.test/s?q=a%26b%3Dc%23d"),
        ("https://x.test/s{?a,b}", {"b": "2"}, "https://x.test/s?b=2"),
        ("https://x.test/s{?a,b}", {"a": "1", "b": "2"}, "https://x.test/s?a=1&b=2"),
        ("https://x.test/s{?a,b}", {}, "https://x.test/s"),
        ("https://x.test/s?k=1{&a,b}", {"b": "2"}, "https://x.test/s?k=1&b=2"),
        ("https://x.test/s{?a}{&b}", {"b": "2"}, "https://x.test/s?b=2"),
        ("{+url}", {"url": "http://y.test/a?b=c"}, "http://y.test/a?b=c"),
    ],
)
def test_parameters_stand_where_the_template_puts_them(
    text: str, values: dict[str, Any], url: str
) -> None:
    assert template(text).expand(values) == url


@pytest.mark.parametrize(
    "value",
    [
        "../../admin",
        "..%2f..%2fadmin",
        "x?y=z",
        "x#fragment",
        "//evil.test/",
        "@evil.test",
        "\\\\evil.test\\",
        "x\r\nHost: evil.test",
        "x\tx",
        "x\x00x",
        "%2e%2e",
        "javascript:alert(1)",
        "{b}",
        "\u202e\u3002",
    ],
)
def test_no_value_leaves_its_path_segment(value: str) -> None:
    url = template("https://x.test/p/{a}/end?k=1").expand({"a": value})
    read = ada_url.URL(url)
    assert (read.protocol, read.host, read.username) == ("https:", "x.test", "")
    assert read.pathname.startswith("/p/") and read.pathname.endswith("/end")
    assert read.pathname.count("/") == 3
    assert (read.search, read.hash) == ("?k=1", "")


@given(st.text(max_size=60))
def test_whatever_the_value_the_rest_of_the_url_stays(value: str) -> None:
    made = template("https://x.test/p/{a}/end{?b}")
    try:
        url = made.expand({"a": value, "b": value})
    except UnfitError:
        assert value in (".", "..")
        return
    read = ada_url.URL(url)
    assert (read.protocol, read.host, read.hash) == ("https:", "x.test", "")
    assert read.pathname.count("/") == 3
    assert read.search.count("&") == 0


@pytest.mark.parametrize("values", [{"a": ".", "b": "x"}, {"a": "..", "b": "x"}])
def test_dots_that_would_climb_are_refused(values: dict[str, str]) -> None:
    with pytest.raises(UnfitError) as caught:
        template("https://x.test/p/{a}/{b}").expand(values)
    assert caught.value.name == "a"


def test_dots_of_two_parameters_together_are_refused() -> None:
    with pytest.raises(UnfitError):
        template("https://x.test/p/{a}{b}/").expand({"a": ".", "b": "."})


def test_dots_in_the_query_are_only_text() -> None:
    assert template("https://x.test/s?q={a}").expand({"a": ".."}) == "https://x.test/s?q=.."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ftp://x.test/{a}", "must begin with http:// or https://"),
        ("{a}://x.test/", "must begin with http:// or https://"),
        ("{a}", "must begin with http:// or https://"),
        ("javascript:{a}", "must begin with http:// or https://"),
        ("//x.test/{a}", "must begin with http:// or https://"),
        ("https://x.test/{nope}", "must name parameters of input_properties, not 'nope'"),
        ("https://x.test/{+url}", "must be {+name} and nothing else"),
        ("https://x.test/{a,b}", "in braces, not 'a,b'"),
        ("https://x.test/{}", "in braces, not ''"),
        ("https://x.test/{a.__class__}", "in braces"),
        ("https://x.test/{a", "must be a URL with {name}"),
        ("https://x.test/ {a}", "must be a URL with {name}"),
        ("https://x.test\\@evil.test/{a}", "must be a URL with {name}"),
        ("https://u:p@x.test/{a}", "must NOT hold a user or password"),
        ("https://x.test/#{?a}", "must NOT have {?…} or {&…} after #"),
    ],
)
def test_what_is_no_template_is_refused(text: str, message: str) -> None:
    assert any(message in one for one in refusals(text)), refusals(text)


def test_parameters_of_the_host_are_known_as_such() -> None:
    assert in_host(template("https://{a}.x.test:{b}/{c}")) == ("a", "b")
    assert in_host(template("https://x.test/{c}?{a}")) == ()
    assert in_host(template("{+url}")) == ()


@pytest.mark.parametrize("value", ["evil.test/", "evil.test#", "a@evil.test", "evil.test\\", "e:1"])
def test_a_host_cannot_be_broken_out_of(value: str) -> None:
    """Even where no rule limits it: the URL is then none."""
    url = template("https://{a}.x.test/").expand({"a": value})
    with pytest.raises(ValueError, match=r".*"):
        ada_url.URL(url)
    assert urlsplit(url).path == "/"
