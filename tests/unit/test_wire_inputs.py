"""Batches as callers write them: what an input becomes, and where each fault is told."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.errors import InvalidRequest
from windlass.model.delivery import DeliveryOptions
from windlass.model.request import Submission
from windlass.wire.v1_extract import read_extract
from windlass.wire.v1_inputs import Inputs
from windlass.wire.v1_reading import Reading

NOW = 1_700_000_000.0
ID = UUID("5f0c0000-0000-4000-8000-000000000001")
A, B = "https://shop.test/a", "https://shop.test/b"
HOOK, OTHER_HOOK = "https://receiver.test/hook", "https://other.test/hook"


def opened(body: Any, *, limit: int = 1000, legacy: bool = False) -> Inputs:
    reading = Reading(NOW, lambda folder: not folder.startswith("s3://theirs/"))
    return Inputs(json.dumps(body).encode(), reading, limit=limit, legacy=legacy)


def read(body: Any, **options: Any) -> list[Submission]:
    wanted = list(opened(body, **options))
    assert None not in wanted
    return [one for one in wanted if one is not None]


def batch(*inputs: Any, **shared: Any) -> list[Submission]:
    return read({"inputs": inputs, "shared_inputs": shared})


def wrong(body: Any, **options: Any) -> list[tuple[str, str]]:
    """Place and keyword of everything that a body is refused for, in the order told."""
    with pytest.raises(InvalidRequest) as refused:
        list(opened(body, **options))
    for problem in refused.value.problems:
        assert problem.schema_path.startswith("#/")
    return [(problem.path, problem.keyword) for problem in refused.value.problems]


def delivery_of(wanted: Submission) -> DeliveryOptions:
    assert wanted.delivery is not None
    return wanted.delivery


def object_of(wanted: Submission) -> str:
    upload = delivery_of(wanted).for_task(ID)
    assert upload is not None and upload.upload is not None
    return upload.upload.url


# ---------------------------------------------------------------- merging


def test_an_input_s_own_fields_go_before_shared_ones() -> None:
    first, second = batch(
        {"url": A}, {"url": B, "formats": ["text"]}, formats=["markdown"], country="DE"
    )
    assert (first.request.url, first.request.formats) == (A, ("markdown",))
    assert (second.request.url, second.request.formats) == (B, ("text",))
    assert first.request.place.country == second.request.place.country == "DE"


def test_nested_objects_are_replaced_as_a_whole() -> None:
    (only,) = batch({"url": A, "headers": {"B": "2"}}, headers={"A": "1", "C": "3"})
    assert only.request.headers == {"B": "2"}


def test_the_url_may_be_shared() -> None:
    wanted = batch({"country": "DE"}, {"country": "FR"}, {"url": B}, url=A)
    assert [one.request.url for one in wanted] == [A, A, B]
    assert [one.request.place.country for one in wanted] == ["DE", "FR", ""]


def test_shared_inputs_may_be_left_out() -> None:
    (only,) = read({"inputs": [{"url": A}]})
    assert only.request.url == A and only.delivery is None


def test_answers_repeat_an_input_with_all_that_it_shares() -> None:
    first, second = batch({"url": A}, {"url": B, "tag": "x"}, tag="shared", formats=["text"])
    assert json.loads(first.input) == {"tag": "shared", "formats": ["text"], "url": A}
    assert json.loads(second.input) == {"tag": "x", "formats": ["text"], "url": B}


def test_answers_repeat_numbers_and_texts_as_they_came() -> None:
    raw = (
        b'{"inputs": [{"url": "https://a.test/", "method": "POST", "body": {"n": 1.50, "m": 1e3}}]}'
    )
    (only,) = Inputs(raw, Reading(NOW), limit=1)
    assert only is not None
    assert b'{"n": 1.50, "m": 1e3}' in only.input


def test_secrets_are_masked_wherever_they_stand() -> None:
    first, second = batch(
        {"url": "https://user:s3cret@shop.test/"},
        {"url": A, "headers": {"Authorization": "s3cret"}, "callback_url": HOOK + "?token=s3cret"},
        headers={"Cookie": "a=s3cret"},
        callback_url="https://receiver.test/?key=s3cret",
    )
    for one in (first, second):
        assert b"s3cret" not in one.input
        assert b"***" in one.input
    assert first.request.headers["Cookie"] == "a=s3cret"
    assert first.request.headers["Authorization"].startswith("Basic ")  # type: ignore[union-attr]
    assert second.request.headers == {"Authorization": "s3cret"}


def test_a_long_input_is_repeated_in_short() -> None:
    (only,) = batch({"url": A}, method="POST", body="x" * 100_000)
    assert len(only.input) < 65_536
    assert json.loads(only.input) == {"method": "POST", "body": "100002 bytes not shown", "url": A}
    assert only.request.body == "x" * 100_000


def test_a_user_in_the_url_is_no_part_of_other_inputs() -> None:
    first, second, third = batch(
        {"url": "https://u:p@shop.test/a"}, {"url": A}, {"url": "https://u:p@shop.test/a"}
    )
    assert first.request == third.request
    assert second.request.headers == {}


FIELDS: list[dict[str, Any]] = [
    {"formats": ["markdown", "links"]},
    {"method": "POST", "body": {"a": 1}},
    {"headers": {"A": "1", "Cookie": "b=2"}, "cookies": "a=1"},
    {"cookies": [{"name": "a", "value": "1", "expires": 1.0}, {"key": "b", "value": "2"}]},
    {"country": "us", "state": "CA"},
    {"render": "auto", "skill": "x", "nonsense": 1},
    {"browser_actions": [{"fill": {"selector": "#p", "value": "x"}}], "network_capture": [{}]},
    {"session": {"id": "x", "retry": True}},
    {"callback_url": HOOK},
    {"storage_url": "s3://lake/p/", "storage_object_name": "n"},
    {"storage_compress": True},
    {"request_timeout": 5000, "tag": "t"},
    {"url": "https://u:p@shop.test/?q=ä"},
]


@given(
    st.lists(st.sampled_from(FIELDS), max_size=5),
    st.lists(st.lists(st.sampled_from(FIELDS), max_size=4), min_size=2, max_size=6),
)
@settings(max_examples=150, deadline=None)
def test_an_input_means_what_the_same_request_alone_means(
    shared_parts: list[dict[str, Any]], parts: list[list[dict[str, Any]]]
) -> None:
    """Whatever was read for the inputs before it. Only the names of objects differ."""
    shared = {name: value for part in shared_parts for name, value in part.items()}
    inputs = [{"url": A} | {k: v for part in own for k, v in part.items()} for own in parts]
    for one, own in zip(batch(*inputs, **shared), inputs, strict=True):
        raw = json.dumps(shared | own).encode()
        alone = read_extract(raw, now=NOW, asynchronous=True)
        assert sorted(one.request.warnings) == sorted(alone.request.warnings)
        assert unwarned(one) == unwarned(alone)
        assert json.loads(one.input) == json.loads(alone.input)
        assert (one.delivery is None) == (alone.delivery is None)
        if one.delivery and alone.delivery:
            assert one.delivery.webhook == alone.delivery.webhook


def unwarned(wanted: Submission) -> dict[str, Any]:
    request = wanted.request
    return {
        name: getattr(request, name) for name in request.__struct_fields__ if name != "warnings"
    }


# ---------------------------------------------------------------- delivery


def test_delivery_options_are_shared_and_an_input_s_own_go_first() -> None:
    first, second = batch(
        {"url": A},
        {"url": B, "callback_url": OTHER_HOOK},
        callback_url=HOOK,
        storage_url="s3://lake/p/",
    )
    assert delivery_of(first).webhook.url == HOOK  # type: ignore[union-attr]
    assert delivery_of(second).webhook.url == OTHER_HOOK  # type: ignore[union-attr]
    assert object_of(first) == object_of(second) == f"s3://lake/p/{ID}.json"


def test_a_shared_object_name_gets_the_task_s_id() -> None:
    first, second = batch(
        {"url": A},
        {"url": B, "storage_object_name": "mine"},
        storage_url="s3://lake/p/",
        storage_object_name="all.json",
        storage_compress=True,
    )
    assert object_of(first) == f"s3://lake/p/all-{ID}.json.gz"
    assert object_of(second) == "s3://lake/p/mine.json.gz"


def test_the_object_name_of_a_batch_of_one_is_exact() -> None:
    (only,) = batch({"url": A}, storage_url="s3://lake/p/", storage_object_name="all")
    assert object_of(only) == "s3://lake/p/all.json"


def test_options_of_one_folder_may_come_from_both() -> None:
    first, second = batch(
        {"url": A, "storage_url": "s3://lake/a/"}, {"url": B}, storage_compress=True
    )
    assert object_of(first) == f"s3://lake/a/{ID}.json.gz"
    assert second.delivery is None
    assert second.request.warnings == ("storage_compress is ignored: there is no storage_url",)
    assert first.request.warnings == ()


# ---------------------------------------------------------------- faults


def test_faults_of_inputs_are_told_at_their_index() -> None:
    body = {"inputs": [{"url": A}, {"url": "ftp://x"}, {"url": B, "formats": ["pdf"]}, 7, {}]}
    assert wrong(body) == [
        ("/inputs/1/url", "format"),
        ("/inputs/2/formats/0", "enum"),
        ("/inputs/3", "type"),
        ("/inputs/4", "required"),
    ]


@pytest.mark.parametrize(
    ("shared", "path", "keyword"),
    [
        ({"formats": "html"}, "/formats", "type"),
        ({"country": "DE", "state": "NY"}, "/state", "dependentSchemas"),
        ({"url": 7}, "/url", "type"),
        ({"url": "ftp://x"}, "/url", "format"),
        ({"callback_url": "nowhere"}, "/callback_url", "format"),
        ({"callback_url": 7}, "/callback_url", "type"),
        ({"storage_url": "s3://theirs/"}, "/storage_url", "allowed"),
        ({"storage_type": "s3"}, "", "dependentRequired"),
        ({"headers": {"A B": "1"}}, "/headers", "propertyNames"),
    ],
)
def test_a_shared_fault_is_told_once_where_it_stands(
    shared: dict[str, Any], path: str, keyword: str
) -> None:
    url = {} if "url" in shared else {"url": A}
    body = {"inputs": [{**url, "tag": str(n)} for n in range(5)], "shared_inputs": shared}
    assert wrong(body) == [(f"/shared_inputs{path}", keyword)]


def test_a_shared_value_that_no_input_uses_must_still_be_of_its_type() -> None:
    body = {"inputs": [{"url": A, "formats": ["html"]}], "shared_inputs": {"formats": ["pdf"]}}
    assert wrong(body) == [("/shared_inputs/formats/0", "enum")]


def test_what_only_the_whole_can_tell_is_judged_after_merging() -> None:
    shared = {"state": "CA", "country": "DE"}
    (only,) = batch({"url": A, "country": "US"}, **shared)
    assert (only.request.place.country, only.request.place.state) == ("US", "CA")
    body = {"inputs": [{"url": A, "country": "US"}, {"url": B}], "shared_inputs": shared}
    assert wrong(body) == [("/shared_inputs/state", "dependentSchemas")]


def test_faults_of_both_are_told_at_once() -> None:
    body = {
        "inputs": [{"url": A, "callback_url": "x"}, {"url": B, "storage_url": "s3://theirs/x/"}],
        "shared_inputs": {"os": "amiga", "storage_compress": "yes"},
    }
    assert sorted(wrong(body)) == [
        ("/inputs/0/callback_url", "format"),
        ("/inputs/1/storage_url", "allowed"),
        ("/shared_inputs/os", "enum"),
        ("/shared_inputs/storage_compress", "type"),
    ]


def test_the_same_fault_of_two_inputs_is_told_of_both() -> None:
    item = {"url": A, "render": False, "browser_actions": [{"wait": 1}]}
    assert wrong({"inputs": [item, item]}) == [
        ("/inputs/0/browser_actions", "dependentSchemas"),
        ("/inputs/1/browser_actions", "dependentSchemas"),
    ]


def test_inputs_are_read_one_by_one_and_a_wrong_one_stands_for_none() -> None:
    inputs = iter(opened({"inputs": [{"url": A}, {"url": B, "formats": 1}, {"url": B}]}))
    assert [next(inputs) is None for _ in range(3)] == [False, True, False]
    with pytest.raises(InvalidRequest):
        next(inputs)


@pytest.mark.parametrize(
    ("body", "path", "keyword"),
    [
        ({}, "", "required"),
        ({"inputs": []}, "/inputs", "minItems"),
        ({"inputs": {}}, "/inputs", "type"),
        ({"inputs": None}, "/inputs", "type"),
        ({"inputs": [{"url": A}] * 4}, "/inputs", "maxItems"),
        ({"inputs": [{"url": A}], "shared_inputs": None}, "/shared_inputs", "type"),
        ({"inputs": [{"url": A}], "shared_inputs": [1]}, "/shared_inputs", "type"),
        ({"inputs": [[{"url": A}]]}, "/inputs/0", "type"),
        ([], "", "type"),
        ({"requests": [{"url": A}]}, "", "required"),
    ],
)
def test_a_body_that_is_no_batch_is_refused(body: Any, path: str, keyword: str) -> None:
    assert wrong(body, limit=3) == [(path, keyword)]


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b'{"inputs": [{"url": "\xff"}]}', b'{"inputs": [{"url": "a"},]}', b"[" * 10_000],
)
def test_what_is_no_json_is_refused_as_such(raw: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        list(Inputs(raw, Reading(NOW), limit=10))
    assert refused.value.problems[0].keyword == "parse"


def test_deep_nesting_is_refused() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    assert wrong({"inputs": [{"url": A, "body": deep}]}) == [("/inputs/0", "parse")]
    assert wrong({"inputs": [{"url": A}], "shared_inputs": {"body": deep}}) == [
        ("/shared_inputs", "parse")
    ]


def test_no_more_faults_are_told_than_help() -> None:
    found = wrong({"inputs": [{"url": "x", "formats": ["pdf"]}] * 1000})
    assert len(found) == 100


def test_fields_beside_the_inputs_are_told_in_every_result() -> None:
    wanted = read({"inputs": [{"url": A}, {"url": B}], "formats": ["text"], "callback_url": HOOK})
    note = "beside inputs and shared_inputs is ignored: 'formats', 'callback_url'"
    assert [one.request.warnings for one in wanted] == [(note,)] * 2
    assert wanted[0].request.formats == ("html",)


# ---------------------------------------------------------------- size


def test_the_size_counts_what_is_shared_for_every_input() -> None:
    shared = {"method": "POST", "body": "x" * 5000}
    inputs = [{"url": A}] * 20
    assert 20 * 5000 < opened({"inputs": inputs, "shared_inputs": shared}).size < 20 * 5200
    assert opened({"inputs": inputs}).size < 20 * 50


# ---------------------------------------------------------------- legacy


def test_the_legacy_api_has_requests_and_defaults_beside_them() -> None:
    first, second = read(
        {"requests": [{"url": A}, {"country": "FR"}], "url": B, "country": "DE"}, legacy=True
    )
    assert (first.request.url, first.request.place.country) == (A, "DE")
    assert (second.request.url, second.request.place.country) == (B, "FR")
    assert json.loads(second.input) == {"url": B, "country": "FR"}


def test_the_legacy_api_takes_a_batch_as_it_is_today_too() -> None:
    (only,) = read({"inputs": [{}], "shared_inputs": {"url": A}}, legacy=True)
    assert only.request.url == A


def test_faults_of_a_legacy_batch_are_told_where_they_stand() -> None:
    body = {"requests": [{"url": A, "os": 1}, {}], "formats": ["pdf"], "callback_url": "x"}
    assert wrong(body, legacy=True) == [
        ("/formats/0", "enum"),
        ("/requests/0/os", "type"),
        ("/callback_url", "format"),
        ("/requests/1", "required"),
    ]
