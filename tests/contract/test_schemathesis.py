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
from schemathesis.core.result import Ok
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test

from tests.support.loopback import free_port
from tests.support.origin import Origin
from tests.support.sdk import finished
from tests.support.server import WindlassServer, running
from tests.support.waiting import eventually
from windlass.api.openapi import describe

load_all_checks()

MANY_EXAMPLES = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
FEW_EXAMPLES = settings(MANY_EXAMPLES, max_examples=8)
SYNC_TIMEOUT_S = 5
"""Generated requests may ask a browser to wait for hours: such a call gets its 555 soon."""
ANSWER_WITHIN_S = 60
"""Several times what the server promises to answer any call within."""


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindlassServer]:
    """A server for generated requests alone, and soon tired of waiting for their answers."""
    data = tmp_path_factory.mktemp("generated") / "data"
    with running(data, rate_limit="1000000", sync_timeout=str(SYNC_TIMEOUT_S)) as started:
        yield started


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    """A page that may be fetched, and rendered, and mapped, in no time."""
    site = Origin()
    try:
        yield f"{site.base}/leaf"
    finally:
        site.close()


published = schemathesis.openapi.from_dict(describe())
legacy = schemathesis.openapi.from_dict(describe())
legacy.config.phases.coverage.enabled = False  # every rule is probed once, under the main paths

OPERATIONS = {one.label: one for one in map(Ok.ok, published.get_all_operations())}
ALIASES = [label for label, one in OPERATIONS.items() if one.definition.raw.get("deprecated")]
CURRENT = [label for label in OPERATIONS if label not in ALIASES]


LONG_LISTS = ("country", "state")
PROPERTIES = describe()["components"]["schemas"]["ExtractBody"]["properties"]
SELDOM = {
    value
    for name in LONG_LISTS
    for number, value in enumerate(PROPERTIES[name]["enum"])
    if number % 25
}
"""Three hundred rows of two tables: one in 25 is asked for under each path, not all of them."""


def test_the_live_server_publishes_what_is_tested_here(server: WindlassServer) -> None:
    assert httpx.get(f"{server.url}/openapi.json").json() == describe()


@pytest.mark.timeout(600)  # a limit that strikes within a request counts as a finding about it
@pytest.mark.parametrize("label", CURRENT)
def test_no_answer_leaves_the_schema(label: str, impatient: WindlassServer, page: str) -> None:
    probe(published, label, MANY_EXAMPLES, impatient, page)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("label", ALIASES)
def test_no_alias_answers_otherwise(label: str, impatient: WindlassServer, page: str) -> None:
    probe(legacy, label, FEW_EXAMPLES, impatient, page)


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


def probe(schema: Any, label: str, how: settings, server: WindlassServer, page: str) -> None:
    """Every kind of request that the library knows for one operation.

    Its own decorator gives the tests of all operations one name, and of items with one name only
    the first is run when tests run side by side; and it makes them whenever tests are collected.
    """

    def test(case: Any) -> None:
        check(case, server, page)

    generated = build_operation_test(
        config=schema.config,
        operation=schema.find_operation_by_label(label),
        test_func=test,
        given_kwargs={},
        feedback=FeedbackSources(),
        explicit_settings=how,
    )
    generated()


def check(case: Any, server: WindlassServer, page: str) -> None:
    """Sends the request as main, and looks at the answer with every check that applies."""
    if any(str(body.get(name)) in SELDOM for body in requests_in(case.body) for name in LONG_LISTS):
        return
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
