"""Generated requests, right and wrong, against /openapi.json of a live server.

No answer may leave the published schema, and a 5xx must be a documented one that forbids retries.
Pages are fetched from loopback only, whatever address was generated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from nimble_python import Nimble
from schemathesis.checks import CheckFunction, load_all_checks

from tests.support.loopback import free_port
from tests.support.origin import Origin
from tests.support.sdk import finished
from tests.support.server import WindlassServer
from tests.support.waiting import eventually
from windlass.api.openapi import describe

load_all_checks()

MOST_OPERATIONS = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
ALIASES = settings(MOST_OPERATIONS, max_examples=8)
ANSWER_WITHIN_S = 165
"""A little more than the server promises to answer a synchronous call within, be it with 555."""


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    """A page that may be fetched, and rendered, and mapped, in no time."""
    site = Origin()
    try:
        yield f"{site.base}/leaf"
    finally:
        site.close()


def is_alias(context: Any) -> bool:
    """Whether an operation is only another way to call one."""
    return bool(context.operation.definition.raw.get("deprecated", False))


published = schemathesis.openapi.from_dict(describe())
current = published.exclude(is_alias)
legacy = schemathesis.openapi.from_dict(describe()).include(is_alias)
legacy.config.phases.coverage.enabled = False  # every rule is probed once, under the main paths


def test_the_live_server_publishes_what_is_tested_here(server: WindlassServer) -> None:
    assert httpx.get(f"{server.url}/openapi.json").json() == describe()


@current.parametrize()
@MOST_OPERATIONS
def test_no_answer_leaves_the_schema(case: Any, server: WindlassServer, page: str) -> None:
    check(case, server, page)


@legacy.parametrize()
@ALIASES
def test_no_alias_answers_otherwise(case: Any, server: WindlassServer, page: str) -> None:
    check(case, server, page)


@pytest.mark.parametrize("path", ["/page/real", "/status/404", "/redirect?to=/page/x", "refused"])
def test_answers_about_real_tasks_stay_inside_the_schema(
    client: Nimble, server: WindlassServer, origin: Origin, path: str
) -> None:
    url = f"http://127.0.0.1:{free_port()}/" if path == "refused" else origin.base + path
    formats = ["html", "markdown", "text", "headers", "links", "cookies"]
    body = {"url": url, "formats": formats, "tag": "x", "expected_status_codes": [200]}
    later = body | {"callback_url": origin.page("hook"), "storage_url": "s3://nobodys-bucket/"}
    key = {"Authorization": f"Bearer {server.api_key}"}
    with httpx.Client(base_url=server.url, headers=key, timeout=30) as http:
        made = http.post("/v1/extract/async", json=later)
        published["/v1/extract/async"]["POST"].validate_response(made)
        task_id = made.json()["task_id"]
        finished(client, task_id)
        for tail, where in (("", ""), ("?include=result", ""), ("/results", "/results")):
            answer = http.get(f"/v1/tasks/{task_id}{tail}")
            assert answer.status_code == 200
            published[f"/v1/tasks/{{task_id}}{where}"]["GET"].validate_response(answer)
        published["/v1/tasks"]["GET"].validate_response(http.get("/v1/tasks"))
        batch = {"inputs": [{}, {"tag": "y"}], "shared_inputs": later}
        made = http.post("/v1/extract/batch", json=batch, headers={"Idempotency-Key": task_id})
        published["/v1/extract/batch"]["POST"].validate_response(made)
        batch_id, tasks = made.json()["batch_id"], made.json()["tasks"]
        finished(client, tasks[1]["id"])
        for tail in ("", "/progress"):
            answer = http.get(f"/v1/batches/{batch_id}{tail}")
            assert answer.status_code == 200
            published[f"/v1/batches/{{batch_id}}{tail}"]["GET"].validate_response(answer)
        published["/v1/batches"]["GET"].validate_response(http.get("/v1/batches"))
        for name, one in (("batch", batch_id), ("task", tasks[0]["id"])):
            root = "/v1/batches" if name == "batch" else "/v1/tasks"
            answer = http.delete(f"{root}/{one}")
            published[f"{root}/{{{name}_id}}"]["DELETE"].validate_response(answer)
            assert answer.json() == {"status": "canceled"}
        for legacy_path in ("/v1/extract", "/api/v1/realtime/web"):
            answer = http.post(legacy_path, json=body)
            assert answer.status_code == (500 if path == "refused" else 200)
            published[legacy_path]["POST"].validate_response(answer)


def test_answers_about_real_deliveries_stay_inside_the_schema(
    server: WindlassServer, origin: Origin
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/hook?key=1"
    body = {"url": origin.page("told"), "callback_url": nobody}
    key = {"Authorization": f"Bearer {server.api_key}"}
    with httpx.Client(base_url=server.url, headers=key, timeout=30) as http:
        task_id = http.post("/v1/extract/async", json=body).json()["task_id"]

        def refused() -> httpx.Response | None:
            answer = http.get("/v1/deliveries", params={"task": task_id})
            tried = any(one["status_code"] or one["error"] for one in answer.json()["data"])
            return answer if tried else None

        answer = eventually(refused, "a first try")
        published["/v1/deliveries"]["GET"].validate_response(answer)
        delivery_id = answer.json()["data"][0]["id"]
        read = http.get(f"/v1/deliveries/{delivery_id}")
        assert read.json()["attempts"]
        published["/v1/deliveries/{delivery_id}"]["GET"].validate_response(read)
        again = http.post(f"/v1/deliveries/{delivery_id}/resend")
        assert again.status_code == 409
        published["/v1/deliveries/{delivery_id}/resend"]["POST"].validate_response(again)


def check(case: Any, server: WindlassServer, page: str) -> None:
    """Sends the request as main, and looks at the answer with every check that applies."""
    keep_on_loopback(case, page)
    key = {"Authorization": f"Bearer {server.api_key}"}
    case.call_and_validate(
        base_url=server.url, headers=key, checks=checks(), timeout=ANSWER_WITHIN_S
    )


def checks() -> list[CheckFunction]:
    """All of schemathesis's checks on single answers, but with our rule for 5xx.

    positive_data_acceptance is left out: what a schema cannot say (a state outside its country,
    a browser that is not there) is refused with a 400 although it fits the schema.
    """
    left_out = {
        "not_a_server_error",
        "positive_data_acceptance",
        "max_response_time",
        "negative_data_rejection",
    }
    known = schemathesis.checks.CHECKS
    chosen = [known.get_one(name) for name in known.get_all_names() if name not in left_out]
    return [*chosen, a_5xx_forbids_retries, wrong_data_is_refused]


def wrong_data_is_refused(context: Any, response: Any, case: Any) -> bool | None:
    """Schemathesis's own check, but for requests with query names that nobody declared.

    Those are ignored, as the contract has it, while the library counts the name itself as wrong.
    """
    declared = {parameter.name for parameter in case.operation.query}
    if set(case.query or {}) - declared:
        return None
    rejection = schemathesis.checks.CHECKS.get_one("negative_data_rejection")
    answer: bool | None = rejection(context, response, case)
    return answer


def a_5xx_forbids_retries(context: Any, response: Any, case: Any) -> bool | None:
    """500, 501 and 555 have the contract's body and x-should-retry: false; readiness has 503."""
    if response.status_code < 500 or case.operation.path == "/readyz":
        return None
    assert response.status_code in (500, 501, 555)
    assert response.headers["x-should-retry"] == ["false"]
    body = response.json()
    assert body["success"] == "false"
    assert body["task_id"]
    assert body["error_code"] != "internal_error", body
    return None


def keep_on_loopback(case: Any, page: str) -> None:
    """Replaces web addresses that another host would be asked for."""
    for body in requests_in(case.body):
        for name in ("url", "callback_url"):
            value = body.get(name)
            if isinstance(value, str) and urlsplit_scheme(value) in ("http", "https"):
                body[name] = page


def requests_in(body: Any) -> Iterator[dict[str, Any]]:
    """A body, the requests that a batch has inside, and the parameters of agents in either."""
    if not isinstance(body, dict):
        return
    yield body
    for name in ("inputs", "requests", "shared_inputs", "params"):
        inside = body.get(name)
        for part in inside if isinstance(inside, list) else [inside]:
            yield from requests_in(part)


def urlsplit_scheme(url: str) -> str:
    """The scheme that a lenient reader would see."""
    try:
        return urlsplit(url.strip()).scheme.lower()
    except ValueError:
        return url.strip().partition(":")[0].lower()
