"""Dialect v1's extract request: every accepted form, every refusal."""

from __future__ import annotations

import json
import time
import typing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nimble_python.types import client_extract_async_params as sdk

from windlass.errors import InvalidRequest
from windlass.model.request import Attempts, Cookie, Emulation, ExtractRequest, Place, Session
from windlass.wire.v1_body import AsyncExtractBody, ExtractBody
from windlass.wire.v1_extract import query_of, read_extract
from windlass.wire.v1_places import Country, UsState

NOW = 1_700_000_000.0
URL = "https://shop.test/p/1"


def read(fields: dict[str, Any], *, asynchronous: bool = False) -> ExtractRequest:
    raw = json.dumps({"url": URL} | fields).encode()
    return read_extract(raw, now=NOW, asynchronous=asynchronous).request


def refusal(raw: bytes, *, asynchronous: bool = False) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        read_extract(raw, now=NOW, asynchronous=asynchronous)
    return refused.value


def wrong(fields: dict[str, Any], *, asynchronous: bool = False) -> dict[str, str]:
    """Keyword by place of a refused body."""
    raw = json.dumps({"url": URL} | fields).encode()
    error = refusal(raw, asynchronous=asynchronous)
    return {problem.path: problem.keyword for problem in error.problems}


def test_a_url_alone_is_enough() -> None:
    assert read({}) == ExtractRequest(url=URL)


ACCEPTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("method", {"method": "DELETE"}, {"method": "DELETE"}),
    ("headers", {"headers": {"A": "1", "B": ["2", "3"], "C": None}},
     {"headers": {"A": "1", "B": ["2", "3"], "C": None}}),
    ("body text", {"method": "POST", "body": "a=1"}, {"method": "POST", "body": "a=1"}),
    ("body object", {"method": "PUT", "body": {"a": [1, None]}},
     {"method": "PUT", "body": '{"a":[1,null]}', "body_type": "application/json"}),
    ("body false", {"method": "POST", "body": False},
     {"method": "POST", "body": "false", "body_type": "application/json"}),
    ("cookie string", {"cookies": " a=1; b=x=y ;"},
     {"cookies": (Cookie(name="a", value="1"), Cookie(name="b", value="x=y"))}),
    ("cookie name", {"cookies": [{"name": "a", "value": "1"}]},
     {"cookies": (Cookie(name="a", value="1"),)}),
    ("cookie key", {"cookies": [{"key": "a", "value": "1", "extensions": ["x"], "creation": None}]},
     {"cookies": (Cookie(name="a", value="1"),)}),
    ("cookie domain", {"cookies": [{"name": "a", "domain": ".Shop.Test", "path": "/p"}]},
     {"cookies": (Cookie(name="a", value="", domain="shop.test", path="/p", host_only=False),)}),
    ("cookie flags",
     {"cookies": [{"name": "a", "secure": True, "httpOnly": True, "sameSite": "Lax"}]},
     {"cookies": (Cookie(name="a", value="", secure=True, http_only=True, same_site="lax"),)}),
    ("cookie ISO expiry", {"cookies": [{"name": "a", "expires": "2030-01-01T00:00:00Z"}]},
     {"cookies": (Cookie(name="a", value="", expires=1893456000.0),)}),
    ("cookie HTTP expiry", {"cookies": [{"name": "a", "expires": "Tue, 01 Jan 2030 00:00:00 GMT"}]},
     {"cookies": (Cookie(name="a", value="", expires=1893456000.0),)}),
    ("cookie without end", {"cookies": [{"name": "a", "maxAge": "Infinity", "expires": -1}]},
     {"cookies": (Cookie(name="a", value=""),)}),
    ("cookie maxAge", {"cookies": [{"name": "a", "maxAge": 60}]},
     {"cookies": (Cookie(name="a", value="", expires=NOW + 60),)}),
    ("is_xhr", {"is_xhr": True}, {"is_xhr": True}),
    ("http2", {"http2": True}, {"http2": True}),
    ("locale", {"locale": "de-CH"}, {"locale": "de-CH"}),
    ("no-referer", {"referrer_type": "no-referer"}, {"referrer": "no-referrer"}),
    ("no-referrer", {"referrer_type": "no-referrer"}, {"referrer": "no-referrer"}),
    ("browser name", {"browser": "firefox"}, {"emulation": Emulation(browser="firefox")}),
    ("browser version", {"browser": {"name": "chrome", "version": "131"}, "os": "mac os"},
     {"emulation": Emulation(browser="chrome", browser_version="131", os="mac os")}),
    ("device", {"device": "tablet"}, {"emulation": Emulation(device="tablet")}),
    ("place", {"country": "US", "state": "NY", "city": "new_york"},
     {"place": Place(country="US", state="NY", city="new_york")}),
    ("province", {"country": "CA", "state": "QC"}, {"place": Place(country="CA", state="QC")}),
    ("lower case codes", {"country": "us", "state": "ny"},
     {"place": Place(country="US", state="NY")}),
    ("session", {"session": {"id": "s", "timeout": 5}},
     {"session": Session(id="s", timeout_s=5.0)}),
    ("statuses", {"expected_status_codes": [200, 404]}, {"expected_statuses": (200, 404)}),
    ("timeout", {"request_timeout": 1500.2}, {"timeout_ms": 1501}),
    ("driver", {"driver": "VX6"}, {"driver": "vx6"}),
    ("fast driver", {"driver": "fast-vx6"}, {"driver": "vx6"}),
    ("stealth driver", {"driver": "vx6-stealth"}, {"driver": "vx6-stealth"}),
    ("formats", {"formats": ["links", "plain_text", "text", "links"]},
     {"formats": ("links", "text")}),
    ("no formats", {"formats": []}, {"formats": ()}),
    ("main content", {"markdown_backend": "main_content"}, {"main_content": True}),
    ("tag", {"tag": "nightly"}, {"tag": "nightly"}),
    ("nothing to render", {"browser_actions": [], "network_capture": [], "render": False}, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "expected"), [c[1:] for c in ACCEPTED], ids=[c[0] for c in ACCEPTED]
)
def test_an_accepted_form_becomes_ours(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert read(fields) == ExtractRequest(url=URL, **expected)


WARNED: list[tuple[dict[str, Any], str]] = [
    ({"surprise": 1}, "unknown field 'surprise' is ignored"),
    ({"headers": {"A": "1"}, "cookies": "a=1"}, "headers and cookies were both given"),
    ({"headers": {"Content-Length": "5"}}, "header Content-Length is ignored"),
    ({"body": "x"}, "body is ignored: the method is GET"),
    ({"parser": {"a": "h1"}}, "parser is ignored: parse is not true"),
    ({"parse": True}, "parse is ignored: there is no parser"),
    ({"render_options": {"timeout": 5}}, "render_options is ignored"),
    ({"consent_header": True}, "consent_header is ignored"),
    ({"skill": ["x"]}, "skill is ignored"),
    ({"session": {"retry": True}}, "session is ignored: it has no id"),
    ({"session": {"id": "s", "retry": True}}, "session.retry is ignored"),
    ({"session": {"id": "s", "renew_on_blocked": True}}, "session.renew_on_blocked is ignored"),
    ({"state": "QC"}, "CA is assumed"),
    ({"cookies": [{"name": "a", "maxAge": 0}]}, "cookie a is ignored: it has expired"),
    ({"callback_url": "nonsense"}, "callback_url is ignored: synchronous calls"),
    ({"driver": "vx6", "auto_driver_configuration": {"vx6-fast": 1}}, "is ignored: driver names"),
]


@pytest.mark.parametrize(("fields", "note"), WARNED)
def test_what_is_ignored_is_told(fields: dict[str, Any], note: str) -> None:
    (warning,) = read(fields).warnings
    assert note in warning


def test_a_plan_keeps_the_order_of_its_keys() -> None:
    raw = b'{"url":"https://shop.test/","auto_driver_configuration":' + (
        b'{"vx6-stealth":2,"vx10":1,"vx6-fast":3,"vx8":0}}'
    )
    request = read_extract(raw, now=NOW, asynchronous=True).request
    assert request.plan == (Attempts("vx6-stealth", 2), Attempts("vx10", 1), Attempts("vx6", 3))
    assert request.render == "auto"
    assert request.warnings == ()


def test_a_cookie_header_joins_cookies_given_beside_it() -> None:
    request = read({"headers": {"cookie": "z=9", "A": "1"}, "cookies": "a=1"})
    assert request.headers == {"A": "1"}
    assert [cookie.name for cookie in request.cookies] == ["a", "z"]


def test_a_header_without_a_name_is_refused_beside_cookies_too() -> None:
    assert wrong({"headers": {"": "x"}, "cookies": "a=1"}) == {"/headers": "propertyNames"}


def test_user_and_password_of_the_url_become_a_header() -> None:
    read_ = read_extract(b'{"url":"http://me:p%40ss@shop.test/x"}', now=NOW, asynchronous=False)
    assert read_.request.url == "http://shop.test/x"
    assert read_.request.headers == {"Authorization": "Basic bWU6cEBzcw=="}
    assert b"p%40ss" not in read_.input


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("https://shop.test", "https://shop.test"),
        ("HTTP:\\\\Shop.Test\\x", "http://shop.test/x"),
        (" http://shop.test/a b\n", "http://shop.test/a%20b"),
        ("http:shop.test", "http://shop.test/"),
        ("http://münchen.test/", "http://xn--mnchen-3ya.test/"),
        ("http://2130706433/", "http://127.0.0.1/"),
    ],
)
def test_urls_that_parsers_read_differently_are_normalised(given_: str, kept: str) -> None:
    assert read({"url": given_}).url == kept


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"url": ""}, "/url", "minLength"),
    ({"url": "shop.test"}, "/url", "format"),
    ({"url": "file:///etc/passwd"}, "/url", "format"),
    ({"url": "gopher://shop.test/"}, "/url", "format"),
    ({"url": "http://"}, "/url", "format"),
    ({"url": 5}, "/url", "type"),
    ({"url": "http://a/" + "x" * 17000}, "/url", "maxLength"),
    ({"country": "UK"}, "/country", "enum"),
    ({"country": None}, "/country", "type"),
    ({"state": "XX"}, "/state", "enum"),
    ({"country": "DE", "state": "NY"}, "/state", "dependentSchemas"),
    ({"country": "CA", "state": "NY"}, "/state", "enum"),
    ({"locale": "klingon"}, "/locale", "pattern"),
    ({"method": "TRACE"}, "/method", "enum"),
    ({"formats": ["html", "pdf"]}, "/formats/1", "enum"),
    ({"formats": "html"}, "/formats", "type"),
    ({"formats": ["html"] * 21}, "/formats", "maxItems"),
    ({"render": "yes"}, "/render", "enum"),
    ({"render": 1}, "/render", "type"),
    ({"driver": "vx99"}, "/driver", "enum"),
    ({"parse": True, "parser": {}}, "/parser", "minProperties"),
    ({"parse": True, "parsing": "{"}, "/parsing", "parse"),
    ({"parse": True, "parser": {"a": {"type": "nope"}}}, "/parser/a/type", "enum"),
    ({"parse": True, "parser": {"a": "h1["}}, "/parser/a", "format"),
    ({"auto_driver_configuration": {"vx6-fast": 0}}, "/auto_driver_configuration", "minProperties"),
    ({"auto_driver_configuration": {"vx8": 11}}, "/auto_driver_configuration/vx8", "maximum"),
    ({"auto_driver_configuration": {"vx7": 1}}, "/auto_driver_configuration", "propertyNames"),
    ({"headers": {"a b": "x"}}, "/headers", "propertyNames"),
    ({"headers": {"a": "x\r\nEvil: 1"}}, "/headers/a", "pattern"),
    ({"headers": {"a": 5}}, "/headers/a", "type"),
    ({"headers": {"a/b~c": 5}}, "/headers/a~1b~0c", "type"),
    ({"headers": {"a": "x" * 9000}}, "/headers/a", "maxLength"),
    ({"headers": {str(n): "x" * 8000 for n in range(5)}}, "/headers", "maxLength"),
    ({"cookies": "novalue"}, "/cookies", "pattern"),
    ({"cookies": "a=" + "x" * 5000}, "/cookies", "maxLength"),
    ({"cookies": [{"value": "x"}]}, "/cookies/0", "required"),
    ({"cookies": [{"name": "a"}, {"name": "b", "value": "x;y"}]}, "/cookies/1/value", "pattern"),
    ({"cookies": [{"name": "a", "expires": "soon"}]}, "/cookies/0/expires", "format"),
    ({"cookies": [{"name": "a", "sameSite": "x"}]}, "/cookies/0/sameSite", "enum"),
    ({"session": {"id": ""}}, "/session/id", "minLength"),
    ({"session": {"id": "a\x00"}}, "/session/id", "pattern"),
    ({"session": {"id": "a", "timeout": 0}}, "/session/timeout", "exclusiveMinimum"),
    ({"session": {"id": "a", "timeout": 3601}}, "/session/timeout", "maximum"),
    ({"request_timeout": 0}, "/request_timeout", "exclusiveMinimum"),
    ({"request_timeout": "5"}, "/request_timeout", "type"),
    ({"expected_status_codes": [99]}, "/expected_status_codes/0", "minimum"),
    ({"expected_status_codes": [200.5]}, "/expected_status_codes/0", "type"),
    ({"browser": {"version": "1"}}, "/browser", "required"),
    ({"is_xhr": "true"}, "/is_xhr", "type"),
    ({"http2": 1}, "/http2", "type"),
    ({"tag": 7}, "/tag", "type"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "path", "keyword"), REFUSED)
def test_a_wrong_field_is_named(fields: dict[str, Any], path: str, keyword: str) -> None:
    assert wrong(fields) == {path: keyword}


def test_all_wrong_fields_are_named_at_once_whatever_is_wrong_with_them() -> None:
    fields = {"tag": 7, "method": "TRACE", "url": "ftp://x", "cookies": [{}]}
    assert wrong(fields) == {
        "/tag": "type",
        "/method": "enum",
        "/url": "format",
        "/cookies/0": "required",
    }


def test_the_message_names_the_fields() -> None:
    error = refusal(b'{"url":"http://a/","tag":7,"http2":1}')
    assert error.message == "Invalid request parameters: http2 must be boolean; tag must be string"


def test_the_message_names_what_is_allowed_unless_that_is_much() -> None:
    (problem,) = refusal(b'{"url":"http://a/","device":"x"}').problems
    among = "must be equal to one of the allowed values: "
    assert problem.message == among + "desktop, mobile, tablet"
    (problem,) = refusal(b'{"url":"http://a/","country":"UK"}').problems
    assert problem.message.startswith(among + "AD, AE, ")
    assert problem.message.endswith(" more")
    assert len(problem.message) < 300
    (problem,) = refusal(b'{"url":"http://a/","auto_driver_configuration":{"vx7":1}}').problems
    assert problem.message.startswith("property name must be valid: ")
    assert "vx6-fast, " in problem.message
    assert problem.params == {"propertyName": "vx7"}


def test_a_missing_url_is_the_documented_entry() -> None:
    (problem,) = refusal(b"{}").problems
    assert problem.path == ""
    assert problem.schema_path == "#/required"
    assert problem.params == {"missingProperty": "url"}
    assert problem.message == "must have required property 'url'"


def test_limits_are_told_in_the_wording_of_ajv() -> None:
    (problem,) = refusal(b'{"url":"http://a/","session":{"id":"s","timeout":9999}}').problems
    assert problem.message == "must be <= 3600"
    assert problem.params == {"comparison": "<=", "limit": 3600}
    assert problem.schema_path == "#/properties/session/properties/timeout/maximum"


@pytest.mark.parametrize(
    ("raw", "keyword"),
    [
        (b"", "parse"),
        (b"{", "parse"),
        (b'{"url":"http://a/"}x', "parse"),
        (b"\xff\xfe", "parse"),
        (b'{"url":"\\ud800"}', "parse"),
        (b'{"x":' + b"1" * 5000 + b"}", "parse"),
        (b'{"x":1e999}', "parse"),
        (b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}", "parse"),
        (b'{"x":' + b"[" * 200 + b"]" * 200 + b"}", "parse"),
        (b"[]", "type"),
        (b"null", "type"),
        (b'"x"', "type"),
    ],
)
def test_a_body_that_is_no_object_is_refused_whole(raw: bytes, keyword: str) -> None:
    (problem,) = refusal(raw).problems
    assert (problem.path, problem.keyword) == ("", keyword)


def test_problems_are_capped_and_found_quickly_in_large_bodies() -> None:
    many = {"formats": ["x"] * 20, "headers": {f"h{n}": n for n in range(200)}}
    assert len(wrong(many)) == 100
    huge = {"cookies": [{"value": 5}] * 100_000, "headers": {str(n): [5] for n in range(100_000)}}
    started = time.process_time()
    assert wrong(huge) == {"/cookies": "maxItems", "/headers": "maxProperties"}
    assert time.process_time() - started < 5


def test_unknown_fields_are_not_listed_without_end() -> None:
    warnings = read({f"unknown{n}": n for n in range(1000)}).warnings
    assert len(warnings) == 21
    assert warnings[-1] == "980 more unknown fields are ignored"


# ---------------------------------------------------------------- what is echoed


def test_the_request_is_echoed_as_received_when_it_holds_no_secrets() -> None:
    raw = b'{ "url":"https://shop.test/",  "x": [1.0] }'
    assert read_extract(raw, now=NOW, asynchronous=True).input == raw


def test_secrets_are_masked_in_what_is_echoed() -> None:
    document = {
        "url": "https://user:hunter2@shop.test/",
        "headers": {"Authorization": "Bearer s3cret", "X-Api-Key": ["s3cret"], "Accept": "x/y"},
        "cookies": [{"name": "sid", "value": "s3cret", "domain": "shop.test"}],
        "session": {"id": "s3cret", "timeout": 5},
    }
    echoed = read_extract(json.dumps(document).encode(), now=NOW, asynchronous=True).input
    assert b"s3cret" not in echoed
    assert b"hunter2" not in echoed
    assert json.loads(echoed) == {
        "url": "https://***@shop.test/",
        "headers": {"Authorization": "***", "X-Api-Key": "***", "Accept": "x/y"},
        "cookies": [{"name": "sid", "value": "***", "domain": "shop.test"}],
        "session": {"id": "***", "timeout": 5},
    }


def test_a_cookie_string_is_masked_whole() -> None:
    raw = b'{"url":"http://a/","cookies":"sid=s3cret"}'
    assert json.loads(read_extract(raw, now=NOW, asynchronous=True).input)["cookies"] == "***"


def test_large_fields_are_not_echoed() -> None:
    raw = json.dumps({"url": URL, "method": "POST", "body": "x" * 200_000}).encode()
    read_ = read_extract(raw, now=NOW, asynchronous=True)
    assert json.loads(read_.input) == {
        "url": URL,
        "method": "POST",
        "body": "200002 bytes not shown",
    }
    assert read_.request.body == "x" * 200_000


@pytest.mark.parametrize(
    "extra",
    [
        {f"field{number}": "x" * 8000 for number in range(100)},
        {f"field{number}": 1 for number in range(20_000)},
        {"x" * 100_000: 1},
        {"x" * 60: "x" * 100_000},
    ],
    ids=["many fields", "very many fields", "a long name", "a long value"],
)
def test_what_is_echoed_of_a_large_request_is_small(extra: dict[str, Any]) -> None:
    raw = json.dumps({"url": URL, "method": "POST"} | extra).encode()
    echoed = read_extract(raw, now=NOW, asynchronous=True).input
    assert len(echoed) < 70_000
    assert json.loads(echoed)["url"] == URL


def test_the_query_is_the_input_with_defaults() -> None:
    query = query_of({"url": URL, "formats": ["links"]})
    assert query["formats"] == ["links"]
    assert query["method"] == "GET"
    assert query_of(None) is None


# ---------------------------------------------------------------- the SDK's types


def test_every_field_that_the_sdk_sends_is_known() -> None:
    fields = set(typing.get_type_hints(sdk.ClientExtractAsyncParams))
    assert fields <= set(AsyncExtractBody.__struct_fields__)


def test_countries_and_states_are_those_of_the_sdk() -> None:
    hints = typing.get_type_hints(sdk.ClientExtractAsyncParams)
    assert set(typing.get_args(Country)) == set(typing.get_args(hints["country"]))
    assert set(typing.get_args(UsState)) == set(typing.get_args(hints["state"]))


def test_every_locale_of_the_sdk_is_accepted() -> None:
    for locale in typing.get_args(typing.get_type_hints(sdk.ClientExtractAsyncParams)["locale"]):
        assert read({"locale": locale}).locale == locale


def test_every_choice_of_the_sdk_is_accepted_or_refused_by_name() -> None:
    hints = typing.get_type_hints(sdk.ClientExtractAsyncParams)
    for field in ("driver", "device", "os", "method", "referrer_type", "markdown_backend"):
        for choice in typing.get_args(hints[field]):
            try:
                read({field: choice})
            except InvalidRequest as error:
                assert [problem.keyword for problem in error.problems] == ["unsupported"]


# ---------------------------------------------------------------- whatever comes

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(ExtractBody.__struct_fields__), _json, max_size=6))
def test_any_values_are_read_or_refused_with_places(fields: dict[str, Any]) -> None:
    raw = json.dumps({"url": URL} | fields).encode()
    try:
        read_extract(raw, now=NOW, asynchronous=True)
    except InvalidRequest as error:
        assert error.problems


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_extract(raw, now=NOW, asynchronous=True)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=40))
def test_any_cookie_expiry_is_read_or_refused(text: str) -> None:
    raw = json.dumps({"url": URL, "cookies": [{"name": "a", "expires": text}]}).encode()
    try:
        read_extract(raw, now=NOW, asynchronous=True)
    except InvalidRequest as error:
        assert error.problems[0].path == "/cookies/0/expires"
