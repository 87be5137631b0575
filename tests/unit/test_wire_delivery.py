"""Dialect v1's delivery options: every place, every accepted form, every refusal, every key."""

from __future__ import annotations

import json
import time
import typing
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nimble_python.types import client_extract_async_params as sdk
from nimble_python.types import crawl_run_params as crawl_sdk

from windlass.buckets.places import Place
from windlass.errors import InvalidRequest, Problem
from windlass.model.delivery import (
    RESERVED_HEADERS,
    Delivery,
    DeliveryOptions,
    Folder,
    Upload,
    Webhook,
)
from windlass.model.request import Submission
from windlass.wire.v1_body import AsyncExtractBody, CallbackSpec, DeliveryFields
from windlass.wire.v1_delivery import Layer, read_callback, read_delivery
from windlass.wire.v1_extract import read_extract
from windlass.wire.v1_masking import echo, hide_callback
from windlass.wire.v1_reading import Reading, Steps

NOW = 1_700_000_000.0
ID = UUID("5f0c0000-0000-4000-8000-000000000001")
HOOK = "https://receiver.test/hook"
URL = "https://shop.test/p/1"


def extract(fields: dict[str, Any], *, asynchronous: bool = True, **more: Any) -> Submission:
    raw = json.dumps({"url": URL} | fields).encode()
    return read_extract(raw, now=NOW, asynchronous=asynchronous, **more)


def options(fields: dict[str, Any]) -> DeliveryOptions:
    """What an extract asks for."""
    delivery = extract(fields).delivery
    assert delivery is not None
    return delivery


def wrong(fields: dict[str, Any], **more: Any) -> list[Problem]:
    with pytest.raises(InvalidRequest) as refused:
        extract(fields, **more)
    return list(refused.value.problems)


def layered(*layers: tuple[Steps, dict[str, Any]]) -> tuple[DeliveryOptions | None, Reading]:
    reading = Reading(NOW)
    return read_delivery([Layer(where, fields) for where, fields in layers], reading), reading


def key_of(delivery: DeliveryOptions) -> str:
    task = delivery.for_task(ID)
    assert task is not None and task.upload is not None
    return task.upload.url


# ---------------------------------------------------------------- accepted


def test_nobody_asks_for_a_delivery_unless_they_say_so() -> None:
    assert extract({}).delivery is None


def test_the_documented_s3_request() -> None:
    asked = options(
        {
            "storage_type": "s3",
            "storage_url": "s3://your-bucket/nimble-results/",
            "storage_compress": True,
            "storage_object_name": "my-result",
        }
    )
    assert key_of(asked) == "s3://your-bucket/nimble-results/my-result.json.gz"
    assert asked.webhook is None


def test_the_documented_combination() -> None:
    asked = options(
        {
            "callback_url": "https://your-server.com/webhooks/nimble",
            "storage_type": "s3",
            "storage_url": "s3://your-bucket/results/",
        }
    )
    assert asked.webhook == Webhook(url="https://your-server.com/webhooks/nimble")
    assert asked.for_task(ID) == Delivery(
        upload=Upload(url=f"s3://your-bucket/results/{ID}.json"), webhook=asked.webhook
    )


FOLDERS: list[tuple[dict[str, Any], str]] = [
    ({"storage_url": "s3://mu-s3-bucket.com/", "storage_type": "s3"}, "s3://mu-s3-bucket.com/"),
    ({"storage_url": "s3://Your.Repository.Path/"}, "s3://Your.Repository.Path/"),
    ({"storage_url": "s3://lake"}, "s3://lake/"),
    ({"storage_url": "s3://lake/a/b"}, "s3://lake/a/b/"),
    ({"storage_url": "gs://lake_1/a/", "storage_type": "gs"}, "gs://lake_1/a/"),
    ({"storage_url": "gs://lake/a/", "storage_type": "gcs"}, "gs://lake/a/"),
    ({"storage_url": "gcs://lake/a/", "storage_type": "gs"}, "gs://lake/a/"),
    ({"storage_url": "S3://lake/A/"}, "s3://lake/A/"),
    ({"storage_url": "s3://lake/100%25 of it/ü?x=1#y/"}, "s3://lake/100%25 of it/ü?x=1#y/"),
    ({"storage_url": "s3://lake/v1..v2/.hidden/"}, "s3://lake/v1..v2/.hidden/"),
]


@pytest.mark.parametrize(("fields", "folder"), FOLDERS)
def test_an_accepted_place_is_kept_to_the_letter(fields: dict[str, Any], folder: str) -> None:
    assert options(fields).folder == Folder(url=folder)
    assert Place.of(folder).url == folder


KEYS: list[tuple[str | None, bool, bool, str]] = [
    (None, False, False, f"{ID}.json"),
    (None, True, False, f"{ID}.json.gz"),
    (None, False, True, f"{ID}.json"),
    ("my-result", True, False, "my-result.json.gz"),
    ("my task", False, False, "my task.json"),
    ("2024/01/15", False, False, "2024/01/15.json"),
    ("result-2024-01-15.json", False, False, "result-2024-01-15.json"),
    ("result-2024-01-15.json", True, False, "result-2024-01-15.json.gz"),
    ("result.json.gz", True, False, "result.json.gz"),
    ("result.json.gz", False, False, "result.json"),
    ("result.gz", True, False, "result.gz.json.gz"),
    ("result.json.json", False, False, "result.json.json"),
    ("50%25", False, False, "50%25.json"),
    ("nightly", False, True, f"nightly-{ID}.json"),
    ("nightly.json", True, True, f"nightly-{ID}.json.gz"),
]


@pytest.mark.parametrize(("name", "compress", "shared", "key"), KEYS)
def test_the_key_of_an_object(name: str | None, compress: bool, shared: bool, key: str) -> None:
    folder = Folder(url="s3://lake/p/", name=name, shared=shared, compress=compress)
    assert folder.upload_of(ID) == Upload(url=f"s3://lake/p/{key}", compress=compress)


RECEIVERS: list[tuple[str, str]] = [
    (HOOK, HOOK),
    ("http://receiver.test", "http://receiver.test"),
    ("HTTPS://Receiver.Test:443/Hook", "https://receiver.test/Hook"),
    ("https://receiver.test/hook?token=a%20b#part", "https://receiver.test/hook?token=a%20b"),
    ("https://münchen.test/a b", "https://xn--mnchen-3ya.test/a%20b"),
    ("http://[::1]:8080/x", "http://[::1]:8080/x"),
    ("https://receiver.test/hook ", HOOK),
]


@pytest.mark.parametrize(("given_", "kept"), RECEIVERS)
def test_an_accepted_receiver(given_: str, kept: str) -> None:
    assert options({"callback_url": given_}).webhook == Webhook(url=kept)


def test_a_receivers_user_and_password_are_sent_but_never_shown() -> None:
    read = extract({"callback_url": "https://me:p%40ss@receiver.test/hook"})
    assert read.delivery is not None and read.delivery.webhook is not None
    webhook = read.delivery.webhook
    assert webhook.url == HOOK
    assert webhook.headers == {"Authorization": "Basic bWU6cEBzcw=="}
    assert json.loads(read.input)["callback_url"] == "https://***@receiver.test/hook"
    assert "bWU6" not in repr(read.delivery)


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        ("https://r.test/h?access_token=***&x=1", "https://r.test/h?access_token=s3cret&x=1"),
        ("https://r.test/h?x=1&sig=***#f", "https://r.test/h?x=1&sig=s3cret#f"),
        ("https://r.test/h?code=***", "https://r.test/h?code=s3cret"),
        ("https://r.test/h?barcode=1", "https://r.test/h?barcode=1"),
    ],
)
def test_keys_in_a_receivers_query_are_not_shown(shown: str, hidden: str) -> None:
    read = extract({"callback_url": hidden})
    assert json.loads(read.input)["callback_url"] == shown
    assert read.delivery is not None and read.delivery.webhook is not None
    assert read.delivery.webhook.url == hidden.partition("#")[0]


@pytest.mark.parametrize("field", ["storage_compress", "storage_object_name"])
def test_options_without_a_place_are_told_to_be_ignored(field: str) -> None:
    read = extract({field: True if field == "storage_compress" else "x"})
    assert read.delivery is None
    assert read.request.warnings == (f"{field} is ignored: there is no storage_url",)


@pytest.mark.parametrize("field", DeliveryFields.__struct_fields__)
def test_synchronous_calls_ignore_deliveries_and_say_so(field: str) -> None:
    read = extract({field: "anything"}, asynchronous=False)
    assert read.delivery is None
    assert read.request.warnings == (f"{field} is ignored: synchronous calls answer directly",)


# ---------------------------------------------------------------- refused

LONG = "x" * 1000
REFUSED: list[tuple[dict[str, Any], str, str, str]] = [
    ({"callback_url": "ftp://receiver.test/x"}, "/callback_url", "format", "http"),
    ({"callback_url": "receiver.test/x"}, "/callback_url", "format", "host"),
    ({"callback_url": ""}, "/callback_url", "format", "host"),
    ({"callback_url": "http://"}, "/callback_url", "format", "host"),
    ({"callback_url": "https:///hook"}, "/callback_url", "format", "host"),
    ({"callback_url": "https:receiver.test"}, "/callback_url", "format", "host"),
    ({"callback_url": "https://receiver.test:99999/"}, "/callback_url", "format", "host"),
    ({"callback_url": "https://receiver.test/\n"}, "/callback_url", "format", "host"),
    ({"callback_url": "javascript:alert(1)"}, "/callback_url", "format", "http"),
    ({"callback_url": None}, "/callback_url", "type", "string"),
    ({"callback_url": {"url": HOOK}}, "/callback_url", "type", "string"),
    ({"callback_url": "https://r.test/" + "x" * 4096}, "/callback_url", "maxLength", "4096"),
    ({"storage_type": "s3"}, "", "dependentRequired", "storage_url"),
    ({"storage_type": "azure", "storage_url": "s3://lake"}, "/storage_type", "enum", "allowed"),
    ({"storage_type": "S3", "storage_url": "s3://lake"}, "/storage_type", "enum", "allowed"),
    ({"storage_type": True, "storage_url": "s3://lake"}, "/storage_type", "type", "string"),
    ({"storage_type": "gs", "storage_url": "s3://lake/p"}, "/storage_url", "pattern", "scheme"),
    ({"storage_type": "s3", "storage_url": "gs://lake/p"}, "/storage_url", "pattern", "scheme"),
    ({"storage_url": "ftp://lake/p"}, "/storage_url", "pattern", "s3://bucket"),
    ({"storage_url": "https://lake.s3.amazonaws.com/p"}, "/storage_url", "pattern", "s3://bucket"),
    ({"storage_url": "lake/p"}, "/storage_url", "pattern", "s3://bucket"),
    ({"storage_url": ""}, "/storage_url", "pattern", "s3://bucket"),
    ({"storage_url": 7}, "/storage_url", "type", "string"),
    ({"storage_url": "s3://"}, "/storage_url", "pattern", "bucket"),
    ({"storage_url": "s3:///prefix"}, "/storage_url", "pattern", "bucket"),
    ({"storage_url": "s3://ab/p"}, "/storage_url", "pattern", "at least 3"),
    ({"storage_url": "s3://key:s3cret@lake/p"}, "/storage_url", "pattern", "letters, digits"),
    ({"storage_url": "s3://lake one/p"}, "/storage_url", "pattern", "letters, digits"),
    ({"storage_url": "s3://lake?x=1"}, "/storage_url", "pattern", "letters, digits"),
    ({"storage_url": "s3://-lake/p"}, "/storage_url", "pattern", "letters, digits"),
    ({"storage_url": "s3://la..ke/p"}, "/storage_url", "pattern", "letters, digits"),
    ({"storage_url": "s3://../p"}, "/storage_url", "pattern", "letters, digits"),
    ({"storage_url": "s3://10.0.0.1/p"}, "/storage_url", "pattern", "letters, digits"),
    ({"storage_url": "s3://" + "a" * 300}, "/storage_url", "pattern", "letters, digits"),
    ({"storage_url": "gs://Lake/p"}, "/storage_url", "pattern", "lower-case"),
    ({"storage_url": "s3://lake//p"}, "/storage_url", "pattern", "empty parts"),
    ({"storage_url": "s3://lake/p//"}, "/storage_url", "pattern", "empty parts"),
    ({"storage_url": "s3://lake/../other/"}, "/storage_url", "pattern", '".."'),
    ({"storage_url": "s3://lake/p/."}, "/storage_url", "pattern", '"."'),
    ({"storage_url": "s3://lake/p\x00/"}, "/storage_url", "pattern", "control"),
    ({"storage_url": "s3://lake/p\n"}, "/storage_url", "pattern", "control"),
    ({"storage_url": "s3://lake/p\\q"}, "/storage_url", "pattern", "backslash"),
    ({"storage_url": f"s3://lake/{LONG}"}, "/storage_url", "maxLength", "1024 bytes"),
    ({"storage_url": "s3://lake/" + "x" * 4096}, "/storage_url", "maxLength", "4096"),
    ({"storage_compress": "true"}, "/storage_compress", "type", "boolean"),
    ({"storage_compress": 1}, "/storage_compress", "type", "boolean"),
    ({"storage_compress": None}, "/storage_compress", "type", "boolean"),
    *(
        ({"storage_url": "s3://lake/p", "storage_object_name": name},
         "/storage_object_name", keyword, words)
        for name, keyword, words in (
            ("", "minLength", "fewer than 1"),
            ("../x", "pattern", '".."'),
            ("a..b", "pattern", '".."'),
            ("/x", "pattern", 'start or end with "/"'),
            ("x/", "pattern", 'start or end with "/"'),
            ("a//b", "pattern", "empty parts"),
            ("a/./b", "pattern", '"."'),
            (".", "pattern", '"."'),
            ("a\tb", "pattern", "control"),
            ("a\x7fb", "pattern", "control"),
            ("a\\b", "pattern", "backslash"),
            (7, "type", "string"),
            (LONG + "x" * 18, "maxLength", "1024 bytes"),
            ("ü" * 510, "maxLength", "1024 bytes"),
            ("x" * 1025, "maxLength", "1024 characters"),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "path", "keyword", "words"), REFUSED)
def test_a_wrong_option_is_named(
    fields: dict[str, Any], path: str, keyword: str, words: str
) -> None:
    (problem,) = wrong(fields)
    assert (problem.path, problem.keyword) == (path, keyword)
    assert words in problem.message
    assert "s3cret" not in problem.message


def test_the_longest_key_is_accepted() -> None:
    asked = options({"storage_url": "s3://lake/p", "storage_object_name": "x" * 1017})
    assert len(key_of(asked).removeprefix("s3://lake/")) == 1024
    problems = wrong({"storage_url": "s3://lake/p", "storage_object_name": "x" * 1018})
    assert [problem.params for problem in problems] == [{"limit": 1024}]


def test_what_is_wrong_with_deliveries_and_with_the_rest_is_told_at_once() -> None:
    fields = {
        "callback_url": "ftp://x",
        "storage_type": "azure",
        "storage_url": "s3://../",
        "storage_compress": "yes",
        "storage_object_name": "..",
        "tag": 7,
        "browser_actions": {},
    }
    assert {problem.path for problem in wrong(fields)} == {"/" + name for name in fields}


def test_a_place_that_the_account_may_not_use_is_named() -> None:
    asked: list[str] = []

    def may_store(folder: str) -> bool:
        asked.append(folder)
        return folder.startswith("s3://mine/")

    (problem,) = wrong({"storage_url": "s3://theirs/p"}, may_store=may_store)
    assert (problem.path, problem.keyword) == ("/storage_url", "allowed")
    assert problem.message == "is not allowed for this account"
    assert extract({"storage_url": "s3://mine/p"}, may_store=may_store).delivery is not None
    assert asked == ["s3://theirs/p/", "s3://mine/p/"]


# ---------------------------------------------------------------- every place


PLACES: list[tuple[Steps, str]] = [
    ((), "#"),
    (("params",), "#/properties/params"),
    (("shared_inputs",), "#/properties/shared_inputs"),
    (("shared_inputs", "params"), "#/properties/shared_inputs/properties/params"),
    (("inputs", 3), "#/properties/inputs/items"),
    (("inputs", 3, "params"), "#/properties/inputs/items/properties/params"),
    (("extract_options",), "#/properties/extract_options"),
]


@pytest.mark.parametrize(("where", "rule"), PLACES)
def test_options_are_read_wherever_they_stand(where: Steps, rule: str) -> None:
    delivery, reading = layered(
        (where, {"callback_url": HOOK, "storage_url": "gs://lake/", "query": "x"})
    )
    assert delivery == DeliveryOptions(folder=Folder(url="gs://lake/"), webhook=Webhook(url=HOOK))
    assert not reading.problems

    delivery, reading = layered((where, {"callback_url": "x", "storage_compress": 1}))
    assert delivery is None
    place = "".join(f"/{step}" for step in where)
    assert {problem.path for problem in reading.problems} == {
        f"{place}/callback_url",
        f"{place}/storage_compress",
    }
    typed = next(each for each in reading.problems if each.keyword == "type")
    assert typed.schema_path == f"{rule}/properties/storage_compress/type"


def test_an_earlier_layer_goes_before_a_later_one_key_by_key() -> None:
    """Contract D17: top level before params. D18: an item before what is shared."""
    delivery, reading = layered(
        ((), {"storage_url": "s3://top/", "storage_compress": False}),
        (("params",), {"storage_url": "s3://params/", "callback_url": HOOK,
                       "storage_compress": True, "storage_object_name": "name"}),
    )  # fmt: skip
    assert not reading.problems
    assert delivery is not None
    assert delivery.folder == Folder(url="s3://top/", name="name")
    assert delivery.webhook == Webhook(url=HOOK)


def test_a_type_that_disagrees_with_another_layers_place_is_refused_where_the_place_is() -> None:
    _, reading = layered(
        (("inputs", 0), {"storage_url": "gs://lake/"}), (("shared_inputs",), {"storage_type": "s3"})
    )
    assert [problem.path for problem in reading.problems] == ["/inputs/0/storage_url"]


def test_a_type_without_a_place_is_refused_where_it_stands() -> None:
    _, reading = layered((("shared_inputs", "params"), {"storage_type": "s3"}))
    assert [problem.path for problem in reading.problems] == ["/shared_inputs/params"]


def test_a_wrong_option_of_a_hidden_layer_is_told_too() -> None:
    _, reading = layered(
        ((), {"storage_compress": True, "storage_url": "s3://lake"}),
        (("params",), {"storage_compress": "no"}),
    )
    assert [problem.path for problem in reading.problems] == ["/params/storage_compress"]


def test_a_name_that_several_tasks_share_gets_their_ids() -> None:
    item, shared = {"storage_url": "s3://lake/"}, {"storage_object_name": "nightly"}
    reading = Reading(NOW)
    layers = (Layer(("inputs", 0), item), Layer(("shared_inputs",), shared, shared=True))
    delivery = read_delivery(layers, reading)
    assert delivery is not None
    assert key_of(delivery) == f"s3://lake/nightly-{ID}.json"

    own = (Layer(("inputs", 0), item | {"storage_object_name": "mine"}), layers[1])
    delivery = read_delivery(own, reading)
    assert delivery is not None
    assert key_of(delivery) == "s3://lake/mine.json"


# ---------------------------------------------------------------- callbacks of crawls


def callback(value: Any) -> tuple[Webhook | None, Reading]:
    reading = Reading(NOW)
    return read_callback(value, ("callback",), reading), reading


def test_a_callback_may_be_only_its_url() -> None:
    webhook, reading = callback(HOOK)
    assert webhook == Webhook(url=HOOK)
    assert not reading.problems


def test_a_callback_keeps_its_headers_metadata_and_events() -> None:
    value = {
        "url": "https://me:pass@receiver.test/hook",
        "headers": {"X-Team": " seo ", "authorization": "Bearer s3cret"},
        "metadata": {"team": ["seo", 1, None]},
        "events": ["page", "failed", "page"],
    }
    webhook, reading = callback(value)
    assert not reading.problems
    assert webhook == Webhook(
        url=HOOK,
        headers={"X-Team": " seo ", "authorization": "Bearer s3cret"},
        metadata={"team": ["seo", 1, None]},
        events=("page", "failed"),
    )
    assert "s3cret" not in repr(webhook)


CALLBACKS: list[tuple[Any, str, str]] = [
    (7, "/callback", "type"),
    ({}, "/callback", "required"),
    ("ftp://receiver.test", "/callback", "format"),
    ({"url": "receiver"}, "/callback/url", "format"),
    ({"url": HOOK, "headers": {"a": 5}}, "/callback/headers/a", "type"),
    ({"url": HOOK, "headers": {"a b": "5"}}, "/callback/headers", "propertyNames"),
    ({"url": HOOK, "headers": {"a": "x\r\nEvil: 1"}}, "/callback/headers/a", "pattern"),
    ({"url": HOOK, "headers": {"a": "x" * 9000}}, "/callback/headers/a", "maxLength"),
    ({"url": HOOK, "metadata": []}, "/callback/metadata", "type"),
    ({"url": HOOK, "metadata": {"a": "x" * 17000}}, "/callback/metadata", "maxLength"),
    ({"url": HOOK, "events": ["page", "paused"]}, "/callback/events/1", "enum"),
    ({"url": HOOK, "events": []}, "/callback/events", "minItems"),
]


@pytest.mark.parametrize(("value", "path", "keyword"), CALLBACKS)
def test_a_wrong_callback_is_named(value: Any, path: str, keyword: str) -> None:
    _, reading = callback(value)
    assert [(each.path, each.keyword) for each in reading.problems] == [(path, keyword)]


@pytest.mark.parametrize("name", sorted(RESERVED_HEADERS))
def test_headers_of_our_own_may_not_be_set(name: str) -> None:
    _, reading = callback({"url": HOOK, "headers": {name.title(): "x"}})
    assert [problem.path for problem in reading.problems] == ["/callback/headers"]


def test_headers_of_the_connection_are_left_out_and_said_so() -> None:
    webhook, reading = callback({"url": HOOK, "headers": {"Connection": "close", "A": "1"}})
    assert webhook == Webhook(url=HOOK, headers={"A": "1"})
    assert reading.warnings == ["header Connection is ignored: it belongs to the connection"]


def test_what_is_shown_of_a_callback_has_no_secrets() -> None:
    value = {
        "url": "https://me:s3cret@receiver.test/h?token=s3cret",
        "headers": {"X-Team": "s3cret"},
        "metadata": {"a": 1},
    }
    shown = hide_callback(value)
    assert shown == {
        "url": "https://***@receiver.test/h?token=***",
        "headers": {"X-Team": "***"},
        "metadata": {"a": 1},
    }
    assert hide_callback("https://r.test/?key=s3cret") == "https://r.test/?key=***"
    assert hide_callback({"url": 5, "headers": "s3cret"}) == {"url": 5, "headers": "***"}


def test_secrets_of_deliveries_are_hidden_wherever_they_stand() -> None:
    secrets = {"callback_url": "https://me:s3cret@r.test/?sig=s3cret", "storage_url": "s3://a/b@c/"}
    document = {
        "params": secrets | {"url": "https://kept.test/"},
        "extract_options": secrets | {"headers": {"Authorization": "s3cret"}},
        "shared_inputs": {"params": secrets, "cookies": "s3cret"},
        "inputs": [secrets, {"params": secrets}, 7],
        "callback": {"url": HOOK, "headers": {"X-Team": "s3cret"}},
    }
    shown = json.loads(echo(document, json.dumps(document).encode()))
    assert "s3cret" not in json.dumps(shown)
    assert shown["params"]["url"] == "https://kept.test/"
    assert shown["inputs"][2] == 7
    assert shown["inputs"][0]["storage_url"] == "s3://a/b@c/"


@pytest.mark.parametrize("text", ["?" * 2_000_000, "?" + "auth" * 500_000, "&a=b" * 500_000])
def test_hiding_takes_no_longer_than_a_request_is_long(text: str) -> None:
    started = time.process_time()
    extract({"callback_url": "https://r.test/" + text}, asynchronous=False)
    assert time.process_time() - started < 5


# ---------------------------------------------------------------- types and whatever comes


def test_bodies_and_layers_know_the_same_options() -> None:
    of_body, of_layer = (
        typing.get_type_hints(kind, include_extras=True)
        for kind in (AsyncExtractBody, DeliveryFields)
    )
    assert of_layer.items() <= of_body.items()


def test_every_option_of_the_sdk_is_known() -> None:
    fields = set(typing.get_type_hints(sdk.ClientExtractAsyncParams))
    assert set(DeliveryFields.__struct_fields__) <= fields
    spec = typing.get_type_hints(crawl_sdk.CallbackUnionMember0)
    assert set(spec) == set(CallbackSpec.__struct_fields__)


_pieces = st.lists(
    st.sampled_from(("a", "B", "/", ".", "\\", "@", "?", "%2e", " ", "ü", ".json", ".gz", "\x00")),
    max_size=6,
).map("".join)
_places = st.builds(
    "".join, st.tuples(st.sampled_from(("s3://", "gs://", "S3:/", "")), st.just("lake"), _pieces)
)
_fields = st.fixed_dictionaries(
    {"storage_url": _places},
    optional={"storage_object_name": _pieces, "storage_compress": st.booleans()},
)


def test_whatever_is_accepted_can_be_uploaded() -> None:
    """No accepted place and name make an object that buckets.places refuses, or of elsewhere."""
    accepted: set[str] = set()

    @settings(max_examples=1000, deadline=None, derandomize=True, database=None)
    @given(_fields, st.booleans())
    def hold(fields: dict[str, Any], shared: bool) -> None:
        reading = Reading(NOW)
        delivery = read_delivery((Layer((), fields, shared),), reading)
        if reading.problems:
            return
        assert delivery is not None and delivery.folder is not None
        url = key_of(delivery)
        assert Place.of(url).url == url
        assert url.startswith(delivery.folder.url)
        accepted.add(url)

    hold()
    assert len(accepted) > 25


_anything = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), _places)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(st.sampled_from(DeliveryFields.__struct_fields__), _anything))
def test_any_values_are_read_or_refused_with_places(fields: dict[str, Any]) -> None:
    _, reading = layered((("params",), fields))
    assert all(problem.path.startswith("/params") for problem in reading.problems)
