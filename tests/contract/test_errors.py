"""Every documented error as the SDK shows it: the class, the body, the headers (section 2.3)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from nimble_python import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    Nimble,
    RateLimitError,
)

from tests.conftest import StartServer
from tests.support.loopback import free_port
from tests.support.origin import Origin
from tests.support.sdk import every_listed_task
from tests.support.server import WindlassServer

INVALID = "PARAMETERS_FAILED_JSON_SCHEMA_VALIDATION_ERROR"


def entries_of(error: APIStatusError) -> list[dict[str, Any]]:
    """The schema errors of a 400, after checking the envelope around them."""
    body: Any = error.body
    assert error.status_code == 400
    assert body["status"] == "failed"
    assert body["msg"]
    assert body["error"] == INVALID
    entries: list[dict[str, Any]] = body["details"]["schema_validation_errors"]
    for entry in entries:
        assert entry.keys() >= {"instancePath", "schemaPath", "keyword", "params", "message"}
    return entries


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"formats": ["pdf"]}, "/formats/0", "enum"),
    ({"formats": "html"}, "/formats", "type"),
    ({"method": "TRACE"}, "/method", "enum"),
    ({"device": "fridge"}, "/device", "enum"),
    ({"os": "beos"}, "/os", "enum"),
    ({"browser": "lynx"}, "/browser", "enum"),
    ({"country": "UK"}, "/country", "enum"),
    ({"driver": "vx99"}, "/driver", "enum"),
    ({"markdown_backend": "half_page"}, "/markdown_backend", "enum"),
    ({"referrer_type": "altavista"}, "/referrer_type", "enum"),
    ({"is_xhr": "yes"}, "/is_xhr", "type"),
    ({"http2": 1}, "/http2", "type"),
    ({"expected_status_codes": [200, "x"]}, "/expected_status_codes/1", "type"),
    ({"request_timeout": "soon"}, "/request_timeout", "type"),
    ({"headers": {"X": 5}}, "/headers/X", "type"),
    ({"tag": 7}, "/tag", "type"),
    ({"session": {"id": 5}}, "/session/id", "type"),
]


@pytest.mark.parametrize("call", ["extract", "extract_async"])
@pytest.mark.parametrize(("wrong", "path", "keyword"), WRONG, ids=[path for _, path, _ in WRONG])
def test_a_wrong_field_is_named_and_nothing_is_created(
    client: Nimble, origin: Origin, call: str, wrong: dict[str, Any], path: str, keyword: str
) -> None:
    newest = client.tasks.list(limit=1)
    with pytest.raises(BadRequestError) as refused:
        getattr(client, call)(url=origin.page("wrong"), extra_body=wrong)
    (entry,) = entries_of(refused.value)
    assert (entry["instancePath"], entry["keyword"]) == (path, keyword)
    assert origin.all_visits() == []
    assert client.tasks.list(limit=1).pagination.total == newest.pagination.total


def test_a_missing_url_is_the_documented_required_entry(client: Nimble) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.post("/v1/extract", body={"formats": ["html"]}, cast_to=object)
    (entry,) = entries_of(refused.value)
    assert entry["instancePath"] == ""
    assert entry["schemaPath"] == "#/required"
    assert entry["keyword"] == "required"
    assert entry["params"]["missingProperty"] == "url"


def test_all_wrong_fields_are_named_not_only_the_first(client: Nimble) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.extract(url="http://127.0.0.1/", extra_body={"method": "TRACE", "tag": 7})
    assert {entry["instancePath"] for entry in entries_of(refused.value)} == {"/method", "/tag"}


@pytest.mark.parametrize(
    "url", ["", "url", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://", "javascript:alert(1)"]
)
def test_a_url_that_is_not_http_is_refused(client: Nimble, url: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.extract(url=url)
    assert [entry["instancePath"] for entry in entries_of(refused.value)] == ["/url"]


@pytest.mark.parametrize(
    ("content", "keyword"),
    [(b"{", "parse"), (b"", "parse"), (b"\xff\xfe{}", "parse"), (b"[]", "type"), (b"null", "type")],
)
def test_a_body_that_is_not_a_json_object_is_a_400(
    server: WindlassServer, content: bytes, keyword: str
) -> None:
    answer = httpx.post(
        f"{server.url}/v1/extract",
        content=content,
        headers={"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"},
    )
    assert answer.status_code == 400
    (entry,) = answer.json()["details"]["schema_validation_errors"]
    assert entry["keyword"] == keyword


@pytest.mark.parametrize("key", ["wrong", "w", "nbl_" + "x" * 4000])
def test_an_unknown_key_is_an_authentication_error(server: WindlassServer, key: str) -> None:
    with (
        Nimble(base_url=server.url, api_key=key) as nimble,
        pytest.raises(AuthenticationError) as refused,
    ):
        nimble.tasks.list()
    body: Any = refused.value.body
    assert body["status"] == "failed"
    assert body["msg"] == "Unauthorized"
    assert body["error"] == "UNAUTHORIZED"


def test_no_key_at_all_is_a_401_on_every_path_of_the_api(server: WindlassServer) -> None:
    calls = [("POST", "/v1/extract"), ("POST", "/v1/extract/async"), ("GET", "/v1/tasks")]
    calls += [("GET", f"/v1/tasks/{uuid4()}"), ("GET", f"/v1/tasks/{uuid4()}/results")]
    for method, path in calls:
        assert httpx.request(method, server.url + path).status_code == 401


def test_an_unknown_path_is_404_and_a_wrong_method_405(server: WindlassServer) -> None:
    bearer = {"Authorization": f"Bearer {server.api_key}"}
    missing = httpx.get(f"{server.url}/v1/nothing-here", headers=bearer)
    assert missing.status_code == 404
    assert missing.json() == {"status": "failed", "msg": "Not found"} | missing.json()
    assert httpx.get(f"{server.url}/v1/extract", headers=bearer).status_code == 405
    assert httpx.delete(f"{server.url}/v1/tasks", headers=bearer).status_code == 405


def test_a_body_over_the_limit_is_413_and_creates_nothing(client: Nimble) -> None:
    before = len(list(every_listed_task(client)))
    with pytest.raises(APIStatusError) as refused:
        client.extract_async(url="http://127.0.0.1/", body="x" * 10_000_001, method="POST")
    assert refused.value.status_code == 413
    assert refused.value.body["status"] == "failed"  # type: ignore[index]
    assert len(list(every_listed_task(client))) == before


def test_too_many_requests_carry_both_bodies_and_both_header_families(
    start_server: StartServer,
) -> None:
    server = start_server(rate_limit="2")
    with (
        Nimble(base_url=server.url, api_key=server.api_key, max_retries=0) as nimble,
        pytest.raises(RateLimitError) as limited,
    ):
        for _ in range(30):
            nimble.tasks.list()
    body: Any = limited.value.body
    assert body["status"] == "failed"
    assert body["msg"] == body["message"] == "Rate limit exceeded"
    assert body["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    assert body["error"]["message"] == "Rate limit exceeded"
    assert body["error"]["retry_after"] > 0
    headers = limited.value.response.headers
    assert float(headers["retry-after"]) > 0
    assert headers["ratelimit-limit"] == headers["x-ratelimit-limit"]
    assert headers["ratelimit-remaining"] == headers["x-ratelimit-remaining"] == "0"
    assert int(headers["x-ratelimit-reset"]) > 1_600_000_000


def test_a_target_that_refuses_is_a_500_that_says_so_and_must_not_be_retried(
    client: Nimble,
) -> None:
    with pytest.raises(InternalServerError) as failed:
        client.extract(url=f"http://127.0.0.1:{free_port()}/")
    error = failed.value
    body: Any = error.body
    assert error.status_code == 500
    assert body["success"] == "false"
    assert str(UUID(body["task_id"])) == body["task_id"]
    assert "refused" in body["message"]
    assert body["error_code"] == "connection_refused"
    assert error.response.headers["x-should-retry"] == "false"
    assert error.response.headers["x-task-id"] == body["task_id"]


def test_a_request_that_runs_out_of_its_budget_is_a_555(client: Nimble, origin: Origin) -> None:
    with pytest.raises(InternalServerError) as late:
        client.extract(url=f"{origin.base}/hang", request_timeout=500)
    body: Any = late.value.body
    assert late.value.status_code == 555
    assert body["success"] == "false"
    assert body["message"]
    assert UUID(body["task_id"])
    assert late.value.response.headers["x-should-retry"] == "false"


def test_a_private_address_is_refused_unless_allowed(start_server: StartServer) -> None:
    server = start_server(allow_addresses="127.0.0.1/32")
    with (
        Nimble(base_url=server.url, api_key=server.api_key) as nimble,
        pytest.raises(APIStatusError) as refused,
    ):
        nimble.extract(url="http://127.0.0.2:1/")
    body: Any = refused.value.body
    assert body["error_code"] == "address_refused"
    assert refused.value.response.headers["x-should-retry"] == "false"


def test_errors_never_show_how_the_server_is_made(server: WindlassServer) -> None:
    bearer = {"Authorization": f"Bearer {server.api_key}"}
    for path in ("/v1/tasks/%00", "/v1/tasks?cursor=%FF", "/v1/tasks?limit=1e9", "/%2e%2e/etc"):
        answer = httpx.get(server.url + path, headers=bearer)
        assert 400 <= answer.status_code < 500
        assert "Traceback" not in answer.text
        assert "windlass/" not in answer.text
