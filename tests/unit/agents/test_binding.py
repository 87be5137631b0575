"""An agent and parameters become a request, or every wrong parameter is named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.agents.test_documents import SHOP
from windlass.agents.binding import bind
from windlass.agents.documents import Compiled, compiled, read_agent
from windlass.model.request import ExtractRequest, SearchRequest
from windlass.wire.v1_agents import AgentCall
from windlass.wire.v1_reading import Reading


def made(**changes: Any) -> Compiled:
    return compiled(msgspec.json.encode(read_agent({**SHOP, **changes})))


def bound(agent: Compiled, params: dict[str, Any], **call: Any) -> tuple[Any, Reading]:
    reading = Reading(0.0)
    request = bind(agent, AgentCall(agent="x", params=params, **call), reading, 3)
    return request, reading


def request_of(agent: Compiled, params: dict[str, Any], **call: Any) -> ExtractRequest:
    request, reading = bound(agent, params, **call)
    assert isinstance(request, ExtractRequest), reading.problems
    return request


def mistakes(agent: Compiled, params: dict[str, Any], **call: Any) -> dict[str, str]:
    request, reading = bound(agent, params, **call)
    assert request is None
    return {problem.path: problem.message for problem in reading.problems}


def test_a_run_is_an_extract_with_the_agent_s_recipe() -> None:
    request = request_of(made(), {"sku": "blue mug"})
    assert request.url == "https://shop.test/p/blue%20mug?page=1"
    assert request.headers == {"X-Sku": "blue mug"}
    assert '"h1"' in request.recipe
    assert request.formats == ()
    assert request.agent is not None
    assert (request.agent.name, request.agent.version) == ("shop_pdp", 3)


def test_parameters_that_every_agent_takes() -> None:
    params = {"sku": "a", "country": "de", "locale": "de-DE", "tag": "t"}
    request = request_of(made(), params)
    assert (request.place.country, request.locale, request.tag) == ("DE", "de-DE", "t")


def test_formats_come_only_if_asked_for() -> None:
    assert request_of(made(), {"sku": "a"}, formats=("html", "links")).formats == ("html", "links")
    without = request_of(made(), {"sku": "a", "parse": False})
    assert (without.formats, without.recipe) == (("html",), "")


def test_unknown_parameters_are_told_and_ignored() -> None:
    request = request_of(made(), {"sku": "a", "colour": "blue"})
    assert request.warnings == ("unknown parameter 'colour' is ignored",)


@pytest.mark.parametrize(
    ("params", "path", "message"),
    [
        ({}, "/params", "must have required property 'sku'"),
        ({"sku": None}, "/params", "must have required property 'sku'"),
        ({"sku": 5}, "/params/sku", "must be string"),
        ({"sku": ["a"]}, "/params/sku", "must be string"),
        ({"sku": ""}, "/params/sku", "must NOT have fewer than 1 characters"),
        ({"sku": ".."}, "/params/sku", 'must NOT be "." or ".." in the path of a URL'),
        ({"sku": "a", "page": "2"}, "/params/page", "must be integer"),
        ({"sku": "a", "page": True}, "/params/page", "must be integer"),
        ({"sku": "a", "page": 1.5}, "/params/page", "must be integer"),
        ({"sku": "a", "country": "UK"}, "/params/country", "must be equal to one of"),
        ({"sku": "a", "tag": 5}, "/params/tag", "must be string"),
        ({"sku": "a", "parse": "yes"}, "/params/parse", "must be boolean"),
        ({"sku": "a\r\nX: y"}, "/params/sku", ""),
    ],
)
def test_a_wrong_parameter_is_named(params: dict[str, Any], path: str, message: str) -> None:
    found = mistakes(made(), params)
    assert path in found, found
    assert message in found[path]


def test_several_wrong_parameters_are_named_together() -> None:
    found = mistakes(made(), {"page": "x", "tag": 1, "sku": ""})
    assert found.keys() == {"/params/page", "/params/tag", "/params/sku"}


def test_an_integer_may_be_written_as_a_float() -> None:
    assert request_of(made(), {"sku": "a", "page": 2.0}).url.endswith("?page=2")


LOCAL = [
    *SHOP["input_properties"],
    {"name": "zip_code", "is_localization_param": True, "rules": ["pattern: ^[0-9]{5}$"]},
]


def local() -> Compiled:
    cookies = [{"name": "zip", "value": {"$param": "zip_code"}}, {"name": "seen", "value": "1"}]
    return made(input_properties=LOCAL, extract={"cookies": cookies})


def test_localization_parameters_count_only_with_localization() -> None:
    agent = local()
    request = request_of(agent, {"sku": "a", "zip_code": "10115"}, localization=True)
    assert {cookie.name: cookie.value for cookie in request.cookies} == {
        "zip": "10115",
        "seen": "1",
    }
    assert request.agent is not None and request.agent.localization == "10115"
    found = mistakes(agent, {"sku": "a", "zip_code": "10115"})
    assert found == {"/params/zip_code": "needs localization: true"}


def test_what_an_absent_parameter_belongs_to_is_left_out() -> None:
    request = request_of(local(), {"sku": "a"}, localization=True)
    assert [cookie.name for cookie in request.cookies] == ["seen"]


def test_localization_is_refused_where_there_is_none() -> None:
    found = mistakes(made(), {"sku": "a"}, localization=True)
    assert found == {"/localization": "must be false: this agent has no localization"}


def test_a_parameter_in_a_body_stays_a_value() -> None:
    agent = made(extract={"method": "POST", "body": {"q": {"$param": "sku"}, "n": [1]}})
    request = request_of(agent, {"sku": '"},{"$param":"page"}'})
    assert msgspec.json.decode(request.body or "") == {"q": '"},{"$param":"page"}', "n": [1]}


def test_a_whole_url_is_read_like_the_url_of_an_extract() -> None:
    agent = made(
        url="{+sku}",
        input_properties=[{"name": "sku", "required": True}],
        sample=None,
        extract={},
    )
    request = request_of(agent, {"sku": "http://u:p@shop.test/x"})
    assert request.url == "http://shop.test/x"
    assert request.headers["Authorization"]
    for text in ("ftp://x.test/", "javascript:1", "file:///etc/passwd", "nonsense", ""):
        assert list(mistakes(agent, {"sku": text})) == ["/params/sku"]


def test_in_a_batch_mistakes_stand_in_the_input_or_in_what_is_shared() -> None:
    where: dict[str, Any] = {
        "at": ("inputs", 4),
        "own": frozenset({"sku"}),
        "shared_at": ("shared_inputs",),
    }
    found = mistakes(made(), {"sku": 5, "page": "x"}, **where)
    assert found.keys() == {"/inputs/4/params/sku", "/shared_inputs/params/page"}


def test_a_search_agent_asks_the_backend() -> None:
    from windlass.agents.builtins import builtins

    agent = compiled(builtins()["google_search"].text)
    params = {"query": "mugs", "num_results": 20, "page": 2, "time": "week", "locale": "de"}
    request, _ = bound(agent, params, formats=("html",))
    assert isinstance(request, SearchRequest)
    assert (request.engine, request.query, request.count) == ("google", "mugs", 20)
    assert (request.page, request.time, request.locale) == (2, "week", "de")
    assert request.warnings == ("formats is ignored: a search backend gives no page",)
    found = mistakes(agent, {"query": "", "num_results": 0, "time": "decade"})
    assert found.keys() == {"/params/query", "/params/num_results", "/params/time"}
