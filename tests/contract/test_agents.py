"""Agents through the unmodified SDK (contract 15), and the founding document's request as written:
run, async, batch, list, get; delivery to webhook and S3 included; search agents and their failures.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from nimble_python import BadRequestError, Nimble, NotFoundError
from nimble_python._exceptions import APIStatusError

from tests.support.delivering import Delivering, delivering
from tests.support.origin import Origin
from tests.support.s3 import S3
from tests.support.sdk import finished
from tests.support.searxng import Backend, searching
from tests.support.server import WindlassServer
from tests.support.waiting import eventually

LISTED = {"name", "is_public", "display_name", "managed_by", "description"}
SHOWN_TASK = {"id", "state", "created_at", "modified_at", "input", "api_type", "account_name"}


@dataclass
class World(Delivering):
    """A server that may write to a bucket and has a search backend."""

    s3: S3
    bucket: str
    backend: Backend


@pytest.fixture(scope="module")
def world(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("agents")
    bucket = s3.bucket("mu-s3-bucket.com")
    settings = s3.grant_on(bucket).settings(s3.url)
    with (
        searching() as backend,
        delivering(
            folder / "data", search_url=backend.url, search_timeout="1s", **settings
        ) as made,
    ):
        yield World(**vars(made), s3=s3, bucket=bucket, backend=backend)


@pytest.fixture(scope="module")
def strict(world: World) -> Iterator[Nimble]:
    """The SDK in the mode in which it rejects whatever does not fit its models."""
    made = Nimble(
        base_url=world.server.url, api_key=world.server.api_key, _strict_response_validation=True
    )
    with made:
        yield made


@pytest.fixture
def shop(world: World, origin: Origin) -> str:
    """The name of an agent for pages of the origin."""
    document = {
        "name": "origin_page",
        "display_name": "Page of the origin",
        "vertical": "Testing",
        "entity_type": "Page",
        "domain": "origin.test",
        "input_properties": [
            {"name": "token", "required": True, "rules": ["minLength: 1", "maxLength: 40"]},
            {"name": "page", "type": "integer", "default": 1, "is_pagination_param": True},
        ],
        "url": origin.base + "/page/{token}",
        "parser": {"title": "h1", "code": "pre"},
        "output_schema": {"title": {"type": "string"}, "code": {"type": "string"}},
        "sample": {"params": {"token": "s"}, "expected": {"title": "Page s", "code": "x = 1"}},
    }
    saved(world, document)
    return "origin_page"


def saved(world: World, document: dict[str, Any]) -> dict[str, Any]:
    with world.http() as http:
        answer = http.put(f"/v1/agents/{document['name']}", json=document).raise_for_status()
        return dict(answer.json())


def errors_of(caught: pytest.ExceptionInfo[Any]) -> dict[str, str]:
    body = caught.value.body
    assert body["error"] == "PARAMETERS_FAILED_JSON_SCHEMA_VALIDATION_ERROR"
    entries = body["details"]["schema_validation_errors"]
    assert all(one.keys() >= {"instancePath", "schemaPath", "keyword", "params"} for one in entries)
    return {one["instancePath"]: one["message"] for one in entries}


# ---------------------------------------------------------------- the founding document


def test_the_founding_request_as_written(world: World) -> None:
    """Only the bucket, the receiver and the server are ours."""
    body = {
        "agent": "google_search",
        "params": {
            "query": "What happened last night in the NBA?",
            "storage_url": "s3://mu-s3-bucket.com/",
            "storage_type": "s3",
            "callback_url": world.receiver.url("ok", "my-callback"),
        },
    }
    with world.http() as http:
        answer = http.post("/v1/agent/async", json=body)
    assert answer.status_code == 200
    reply = answer.json()
    assert reply["status"] == "success"
    task = reply["task"]
    assert task.keys() >= {"id", "state", "created_at", "modified_at", "input"}
    assert (task["state"], reply["task_id"]) == ("pending", task["id"])
    assert task["api_type"] == "agent"
    assert task["input"]["params"]["query"] == "What happened last night in the NBA?"
    (news,) = world.news(task["id"])
    told = news.document()["task"]
    assert told.keys() >= SHOWN_TASK
    assert (told["state"], told["api_type"], told["status_code"]) == ("success", "agent", 200)
    assert told["output_url"] == f"s3://mu-s3-bucket.com/{task['id']}.json"
    stored, head = world.s3.object(world.bucket, f"{task['id']}.json")
    assert stored == world.results(task["id"])
    assert head["ContentType"] == "application/json"
    result = json.loads(stored)
    entities = result["data"]["parsing"]["entities"]
    assert [one["url"] for one in entities["OrganicResult"]][:1] == ["https://www.r1.test/a/?q=1"]
    assert result["metadata"]["agent"] == "google_search"
    asked = world.backend.last()
    assert asked.query["q"] == "What happened last night in the NBA?"
    assert asked.query["engines"] == "google"
    assert "storage_url" not in asked.query


def test_every_field_of_the_founding_body_works_at_the_top_level(world: World) -> None:
    created: Any = world.client.agent.run_async(
        agent="google_search",
        params={"query": "top", "storage_url": "s3://mu-s3-bucket.com/params/"},
        localization=False,
        storage_type="s3",
        storage_url="s3://mu-s3-bucket.com/top/",
        callback_url=world.receiver.url("ok", "top"),
        storage_compress=True,
        storage_object_name="my task",
    )
    assert finished(world.client, created.task["id"]).state == "success"
    assert created.task["output_url"] == "s3://mu-s3-bucket.com/top/my task.json.gz"
    assert "top/my task.json.gz" in world.s3.keys(world.bucket)
    assert not [key for key in world.s3.keys(world.bucket) if key.startswith("params/")]
    world.news(created.task["id"])


def test_the_secrets_of_a_receiver_in_params_are_not_repeated(world: World) -> None:
    url = world.receiver.url("ok", "secret") + "&token=s3cret"
    created: Any = world.client.agent.run_async(
        agent="google_search", params={"query": "x", "callback_url": url}
    )
    read: Any = world.client.tasks.get(created.task_id)
    assert "s3cret" not in read.to_json() + json.dumps(created.task)


# ---------------------------------------------------------------- runs


def test_a_run_answers_with_fields_and_no_page(strict: Nimble, shop: str) -> None:
    result = strict.agent.run(agent=shop, params={"token": "one", "tag": "night"})
    assert result.status == "success"
    assert result.data.parsing == {"title": "Page one", "code": "x = 1"}
    assert (result.data.html, result.data.markdown) == (None, None)
    assert (result.metadata.agent, result.metadata.tag) == (shop, "night")
    assert result.url.endswith("/page/one")


def test_a_run_gives_the_formats_that_were_asked_for(strict: Nimble, shop: str) -> None:
    result = strict.agent.run(
        agent=shop, params={"token": "two"}, formats=["html", "markdown", "links", "headers"]
    )
    assert "<h1>Page two</h1>" in (result.data.html or "")
    assert "# Page two" in (result.data.markdown or "")
    assert result.data.links and result.data.headers
    assert result.data.parsing == {"title": "Page two", "code": "x = 1"}


def test_a_run_later_is_a_task_of_the_agent(world: World, strict: Nimble, shop: str) -> None:
    created: Any = strict.agent.run_async(agent=shop, params={"token": "later"})
    assert created.status == "success"
    assert (created.task_id, created.task["state"]) == (created.task["id"], "pending")
    assert finished(world.client, created.task_id).state == "success"
    result: Any = strict.tasks.results(created.task_id)
    assert result["data"]["parsing"]["title"] == "Page later"
    assert result["metadata"]["agent"] == shop
    listed = world.client.tasks.list(limit=5).data
    (mine,) = [task for task in listed if task.id == created.task_id]
    assert mine.api_type == "agent"
    assert mine.input == {"agent": shop, "params": {"token": "later"}}


def test_a_batch_merges_parameters_one_by_one(world: World, strict: Nimble, shop: str) -> None:
    batch = strict.agent.run_batch(
        inputs=[
            {"params": {"token": "b0"}},
            {"params": {"token": "b1", "tag": "own"}, "formats": ["html"]},
            {},
        ],
        shared_inputs={"agent": shop, "params": {"token": "shared", "tag": "all"}},
    )
    assert batch.batch_size == 3
    assert [task.api_type for task in batch.tasks] == ["agent"] * 3
    found = []
    for task in batch.tasks:
        assert finished(world.client, task.id).state == "success"
        result: Any = world.client.tasks.results(task.id)
        found.append((result["data"]["parsing"]["title"], result["metadata"]["tag"]))
        assert ("html" in result["data"]) == (task.id == batch.tasks[1].id)
    assert found == [("Page b0", "all"), ("Page b1", "own"), ("Page shared", "all")]
    progress = world.client.batches.progress(batch.batch_id)
    assert (progress.completed, progress.completed_count) == (True, 3)


def test_a_batch_delivers_as_its_parameters_say(world: World, shop: str) -> None:
    place = f"s3://{world.bucket}/agents-batch/"
    batch = world.client.agent.run_batch(
        inputs=[
            {"params": {"token": "d0"}},
            {"params": {"token": "d1", "storage_object_name": "mine"}},
        ],
        shared_inputs={
            "agent": shop,
            "params": {
                "storage_type": "s3",
                "storage_url": place,
                "storage_object_name": "all",
                "callback_url": world.receiver.url("ok", "batch"),
            },
        },
    )
    first, second = batch.tasks
    for task in batch.tasks:
        world.news(task.id)
    keys = {key for key in world.s3.keys(world.bucket) if key.startswith("agents-batch/")}
    assert keys == {f"agents-batch/all-{first.id}.json", "agents-batch/mine.json"}
    assert second.output_url == place + "mine.json"


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/agents/run", "/v1/agent/run", "/v1/agent", "/v2/agents/run"),
        "/v2/extract/templates/run",
    ],
)
def test_every_path_of_a_run(world: World, shop: str, path: str) -> None:
    body = {"agent": shop, "params": {"token": "alias"}}
    if path.startswith("/v2/extract"):
        body["template"] = body.pop("agent")
    with world.http() as http:
        answer = http.post(path, json=body)
    assert answer.status_code == 200
    assert answer.json()["data"]["parsing"]["title"] == "Page alias"


@pytest.mark.parametrize("tail", ["async", "batch"])
@pytest.mark.parametrize("root", ["/v1/agents", "/v1/agent", "/v2/agents", "/v2/extract/templates"])
def test_every_path_of_a_later_run(world: World, shop: str, root: str, tail: str) -> None:
    one: dict[str, Any] = {"agent": shop, "params": {"token": "alias"}}
    body = one if tail == "async" else {"inputs": [{}], "shared_inputs": one}
    with world.http() as http:
        answer = http.post(f"{root}/{tail}", json=body)
    assert answer.status_code == 200
    assert answer.json().keys() >= ({"task"} if tail == "async" else {"batch_id", "tasks"})


def test_a_new_version_leaves_runs_under_way_alone(world: World, origin: Origin, shop: str) -> None:
    origin.hold()
    before: Any = world.client.agent.run_async(agent=shop, params={"token": "held"})
    document = {
        "name": shop,
        "url": origin.base + "/page/{token}",
        "input_properties": [{"name": "token", "required": True}],
        "parser": {"other": "strong"},
    }
    version = saved(world, document)["version"]
    after: Any = world.client.agent.run_async(agent=shop, params={"token": "held"})
    origin.release()
    told = []
    for created in (before, after):
        assert finished(world.client, created.task_id).state == "success"
        result: Any = world.client.tasks.results(created.task_id)
        told.append((result["data"]["parsing"], result["metadata"]["agent_version"]))
    assert told == [
        ({"title": "Page held", "code": "x = 1"}, version - 1),
        ({"other": "bold"}, version),
    ]


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", ["nope", "no\0pe", "n\u00f6pe", "no/pe", "n" * 200])
def test_an_unknown_agent_is_not_found(world: World, name: str) -> None:
    client = world.client
    calls = [
        lambda: client.agent.run(agent=name, params={"a": 1}),
        lambda: client.agent.run_async(agent=name, params={"a": 1}),
        lambda: client.agent.run_batch(inputs=[{}], shared_inputs={"agent": name}),
        lambda: quietly(lambda: client.agent.get(name)),
    ]
    for call in calls:
        with pytest.raises(NotFoundError) as caught:
            call()
        body: Any = caught.value.body
        assert (body["status"], body["msg"]) == ("failed", "Agent not found")


def test_a_bad_parameter_is_refused_by_the_agent_s_own_rules(world: World, shop: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        world.client.agent.run(agent=shop, params={"token": "", "page": "x", "country": "UK"})
    told = errors_of(caught)
    assert told.keys() == {"/params/token", "/params/page", "/params/country"}
    assert told["/params/token"] == "must NOT have fewer than 1 characters"
    with pytest.raises(BadRequestError) as caught:
        world.client.agent.run_async(agent=shop, params={"tag": "x"}, storage_url="ftp://x/")
    told = errors_of(caught)
    assert told.keys() == {"/params", "/storage_url"}
    assert told["/params"] == "must have required property 'token'"


def test_who_gives_no_parameters_is_told_which_the_agent_needs(world: World, shop: str) -> None:
    with world.http() as http:
        answers = [
            http.post("/v1/agents/run", json={"agent": shop, **rest})
            for rest in ({}, {"params": {}}, {"params": None})
        ]
    for answer in answers:
        assert answer.status_code == 400, answer.text
        entries = answer.json()["details"]["schema_validation_errors"]
        told = [(one["instancePath"], one["message"]) for one in entries]
        assert told[-1] == ("/params", "must have required property 'token'")
        assert len(told) == 2


def test_a_bad_input_refuses_the_batch_at_its_place(world: World, shop: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        world.client.agent.run_batch(
            inputs=[{"params": {"token": "ok"}}, {"params": {"token": ""}}, {"params": 5}],  # type: ignore[typeddict-item]
            shared_inputs={"agent": shop, "params": {"page": "x", "callback_url": "nowhere"}},
        )
    assert errors_of(caught).keys() == {
        "/inputs/1/params/token",
        "/inputs/2/params",
        "/shared_inputs/params/page",
        "/shared_inputs/params/callback_url",
    }


def test_an_input_without_any_parameter_lacks_what_the_agent_needs(world: World, shop: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        world.client.agent.run_batch(inputs=[{}], shared_inputs={"agent": shop})
    assert errors_of(caught) == {"/inputs/0/params": "must have required property 'token'"}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"params": {"a": 1}}, ""),
        ({"agent": "article"}, ""),
        ({"agent": "article", "params": {}}, "/params"),
        ({"agent": "article", "params": []}, "/params"),
        ({"agent": 5, "params": {"url": "http://x.test/"}}, "/agent"),
        ({"agent": "tables", "params": {"url": "file:///etc/passwd"}}, "/params/url"),
        (
            {"agent": "tables", "params": {"url": "http://x.test/"}, "formats": ["pdf"]},
            "/formats/0",
        ),
        (
            {"agent": "tables", "params": {"url": "http://x.test/"}, "localization": True},
            "/localization",
        ),
        (
            {"agent": "tables", "params": {"url": "http://x.test/"}, "localization": "true"},
            "/localization",
        ),
    ],
)
def test_what_is_no_run_is_refused(world: World, body: dict[str, Any], path: str) -> None:
    with world.http() as http:
        answer = http.post("/v1/agents/async", json=body)
    assert answer.status_code == 400, answer.text
    entries = answer.json()["details"]["schema_validation_errors"]
    assert path in [one["instancePath"] for one in entries]


def test_an_agent_cannot_reach_what_the_guard_refuses(tmp_path: Any) -> None:
    from tests.support.server import running

    with (
        running(tmp_path / "data", allow_addresses="") as server,
        Nimble(base_url=server.url, api_key=server.api_key) as client,
        pytest.raises(APIStatusError) as caught,
    ):
        client.agent.run(agent="tables", params={"url": f"{server.url}/docs"})
    assert caught.value.status_code == 403


# ---------------------------------------------------------------- lists


def quietly(call: Any) -> Any:
    """What the SDK calls deprecated still works."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return call()


def test_agents_are_listed_and_shown(strict: Nimble, shop: str) -> None:
    agents = quietly(strict.agent.list)
    names = [one.name for one in agents]
    assert names == sorted(names)
    assert {"article", "google_search", shop} <= set(names)
    (mine,) = [one for one in agents if one.name == shop]
    assert (mine.is_public, mine.managed_by) == (False, "self_managed")
    assert (mine.display_name, mine.vertical) == ("Page of the origin", "Testing")
    shown = quietly(lambda: strict.agent.get(shop))
    assert shown.output_schema is not None
    assert shown.output_schema.keys() == {"title", "code"}
    token, page = shown.input_properties or []
    assert (token.name, token.required, token.rules) == (
        "token",
        True,
        ["minLength: 1", "maxLength: 40"],
    )
    assert (page.default, page.is_pagination_param, page.type) == (1, True, "integer")
    assert shown.feature_flags is not None
    assert shown.feature_flags.is_pagination_supported is True
    assert shown.feature_flags.is_localization_supported is False


@pytest.mark.parametrize(
    ("query", "has", "lacks"),
    [
        ({"privacy": "public"}, "article", "origin_page"),
        ({"privacy": "private"}, "origin_page", "article"),
        ({"managed_by": "self_managed"}, "origin_page", "article"),
        ({"managed_by": "community"}, "article", "origin_page"),
        ({"search": "ORIGIN"}, "origin_page", "article"),
        ({"search": "ecommerce"}, "product", "article"),
    ],
)
def test_lists_are_filtered(
    strict: Nimble, shop: str, query: dict[str, Any], has: str, lacks: str
) -> None:
    names = [one.name for one in quietly(lambda: strict.agent.list(**query))]
    assert has in names and lacks not in names


def test_lists_come_in_pages(strict: Nimble, shop: str) -> None:
    every = [one.name for one in quietly(strict.agent.list)]
    pages = [
        one.name
        for offset in range(0, len(every), 2)
        for one in quietly(lambda offset=offset: strict.agent.list(limit=2, offset=offset))
    ]
    assert pages == every
    assert quietly(lambda: strict.agent.list(managed_by="nimble")) == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=251", "limit=x", "offset=-1", "privacy=x", "managed_by=me"]
)
def test_a_bad_query_is_refused(world: World, query: str) -> None:
    with world.http() as http:
        answer = http.get(f"/v1/agents?{query}")
    assert answer.status_code == 400
    (entry,) = answer.json()["details"]["schema_validation_errors"]
    assert entry["instancePath"] == "/" + query.split("=")[0]


def test_version_2_lists_with_a_total(world: World, shop: str) -> None:
    with world.http() as http:
        body = http.get("/v2/extract/templates?limit=1").json()
        assert http.get(f"/v2/extract/templates/{shop}").json()["name"] == shop
    assert body.keys() == {"items", "total", "limit", "offset"}
    assert (len(body["items"]), body["limit"], body["offset"]) == (1, 1, 0)
    assert body["total"] >= 9


# ---------------------------------------------------------------- keeping agents


def test_an_agent_is_kept_exported_and_deleted(world: World) -> None:
    document: dict[str, Any] = {"name": "kept", "url": "https://x.test/", "parser": {"a": "h1"}}
    with world.http() as http:
        assert http.put("/v1/agents/kept", json=document).json()["version"] == 1
        assert http.put("/v1/agents/kept", json=document).json()["version"] == 1
        newer = {**document, "description": "newer \0"}
        assert http.put("/v1/agents/kept", json=newer).json()["version"] == 2
        assert http.get("/v1/agents/kept/document").json() == newer
        assert http.get("/v1/agents/kept/document?version=1").json() == document
        assert http.get("/v1/agents/kept/document?version=3").status_code == 404
        assert http.put("/v1/agents/other", json=document).status_code == 400
        assert http.delete("/v1/agents/kept").status_code == 204
        assert http.get("/v1/agents/kept").status_code == 404
        assert http.delete("/v1/agents/kept").status_code == 404
        assert http.delete("/v1/agents/article").status_code == 404


def test_an_own_agent_stands_before_a_built_in_one(world: World, origin: Origin) -> None:
    url = origin.page("mine")
    saved(world, {"name": "links", "url": url, "parser": {"mine": "h1"}, "input_properties": []})
    try:
        result: Any = world.client.agent.run(agent="links", params={"tag": "x"})
        assert result.data.parsing == {"mine": "Page mine"}
    finally:
        with world.http() as http:
            http.delete("/v1/agents/links").raise_for_status()
    shown = quietly(lambda: world.client.agent.get("links"))
    assert shown.is_public is True


def test_agents_belong_to_their_account(world: World, shop: str) -> None:
    arguments = ("keys", "create", "--account", "elsewhere", "--json")
    key = json.loads(world.server.command(*arguments).stdout)["key"]
    with Nimble(base_url=world.server.url, api_key=key) as other:
        assert shop not in [one.name for one in quietly(other.agent.list)]
        with pytest.raises(NotFoundError):
            other.agent.run(agent=shop, params={"token": "x"})
    bearer = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=world.server.url, headers=bearer) as http:
        for method, tail in (("GET", ""), ("DELETE", ""), ("GET", "/document"), ("POST", "/test")):
            assert http.request(method, f"/v1/agents/{shop}{tail}").status_code == 404


def test_a_sample_tells_whether_the_site_has_changed(world: World, shop: str) -> None:
    with world.http() as http:
        body = http.post(f"/v1/agents/{shop}/test").raise_for_status().json()
        assert (body["status"], body["agent"]) == ("same", shop)
        assert [one["field"] for one in body["fields"]] == ["/title", "/code"]
        document = http.get(f"/v1/agents/{shop}/document").json()
        document["sample"]["expected"]["title"] = "Old title"
        http.put(f"/v1/agents/{shop}", json=document).raise_for_status()
        body = http.post(f"/v1/agents/{shop}/test").json()
        assert body["status"] == "changed"
        assert body["fields"][0] == {
            "field": "/title",
            "expected": "Old title",
            "found": "Page s",
            "same": False,
        }
        assert http.post("/v1/agents/article/test").status_code == 400


# ---------------------------------------------------------------- search


def test_a_search_agent_answers_with_entities(world: World, strict: Nimble) -> None:
    result: Any = strict.agent.run(agent="bing_search", params={"query": "mugs", "num_results": 3})
    assert world.backend.last().query["engines"] == "bing"
    parsing: Any = result.data.parsing
    assert parsing["entities_count"]["OrganicResult"] == 3
    assert (result.metadata.agent, result.metadata.driver) == ("bing_search", "searxng")
    assert result.pagination.next_page_params == {"query": "mugs", "page": 2, "num_results": 3}
    assert result.warnings == [
        "a search engine did not answer: brave (Suspended: too many requests)"
    ]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("429", "asked too often"),
        ("broken", "is not JSON"),
        ("500", "answered 500"),
        ("slow", "did not answer within 1 s"),
        ("silent", "The search engines did not answer: google (CAPTCHA)"),
    ],
)
def test_a_failing_backend_is_told_and_nothing_invented(
    world: World, query: str, message: str
) -> None:
    with pytest.raises(APIStatusError) as caught:
        world.client.agent.run(agent="google_search", params={"query": query})
    assert caught.value.status_code == 500
    assert caught.value.response.headers["x-should-retry"] == "false"
    body: Any = caught.value.body
    assert message in body["msg"]
    assert body["error_code"] == "search_failed"


def test_a_backend_that_asks_to_come_back_later_is_asked_again(world: World) -> None:
    result: Any = world.client.agent.run(agent="google_search", params={"query": "later"})
    assert result.data.parsing["entities_count"]["OrganicResult"] == 10
    assert sum(one.query.get("q") == "later" for one in world.backend.asked) == 2


def test_without_a_backend_the_missing_setting_is_named(
    client: Nimble, server: WindlassServer
) -> None:
    calls = [
        lambda: client.agent.run(agent="google_search", params={"query": "x"}),
        lambda: client.agent.run_async(agent="bing_search", params={"query": "x"}),
        lambda: client.agent.run_batch(
            inputs=[{"params": {"query": "x"}}], shared_inputs={"agent": "google_search"}
        ),
    ]
    for call in calls:
        with pytest.raises(APIStatusError) as caught:
            call()
        assert caught.value.status_code == 501
        assert caught.value.response.headers["x-should-retry"] == "false"
        body: Any = caught.value.body
        assert "WINDLASS_SEARCH_URL" in body["msg"]


def test_a_search_that_fails_for_good_still_has_a_result(world: World) -> None:
    created: Any = world.client.agent.run_async(agent="google_search", params={"query": "500"})

    def over() -> Any:
        task = world.client.tasks.get(created.task_id).task
        return task if task.state == "error" else None

    task = eventually(over, "the search fails", within_s=30)
    assert task.error_type == "http_error"
    result: Any = world.client.tasks.results(created.task_id)
    assert (result["status"], result["data"]) == ("failed", {})
    assert result["metadata"]["agent"] == "google_search"
