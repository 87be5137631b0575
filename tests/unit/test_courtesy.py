"""What answers show of hosts."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.support.made_tasks import made_task
from windlass.kinds.courtesy import Answered, sign_of_failure, sign_of_page
from windlass.model.page import Failure
from windlass.model.task import HostSign

URL = "http://site.test/a"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TASK = made_task()


def shown(
    status: int, *, wish: str | None = None, url: str = URL, failure: Failure | None = None
) -> HostSign:
    headers = (("retry-after", wish),) if wish else ()
    return sign_of_page(TASK, Answered(url, status, headers, failure, time.monotonic() - 1))


@pytest.mark.parametrize("status", [200, 404, 403, 500, 502])
def test_any_other_answer_is_fine(status: int) -> None:
    assert shown(status, wish="60") == HostSign(answered=True)


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_may_name_a_time_which_counts_from_the_answer(status: int) -> None:
    assert shown(status) == HostSign(answered=True, refused=True, strained=True)
    assert shown(status, wish="60").quiet_s == pytest.approx(59, abs=0.2)


def test_a_body_that_stops_is_trouble_of_a_host_that_is_there() -> None:
    sign = shown(200, failure=Failure("read_timeout", "stopped"))
    assert (sign.answered, sign.refused, sign.strained) == (True, False, True)


def test_an_answer_from_elsewhere_is_that_hosts_too() -> None:
    assert shown(429, url="https://other.test/").lane == "web:other.test:443"


@pytest.mark.parametrize(
    ("code", "strained"),
    [("connection_refused", False), ("dns_failed", False), ("read_timeout", True)],
)
def test_no_answer_is_a_sign(code: str, strained: bool) -> None:
    sign = sign_of_failure(Failure(code, ""), 120, 30)
    assert sign == HostSign(answered=False, strained=strained)


@pytest.mark.parametrize("code", ["tls_failed", "address_refused", "proxy_failed", "bad_redirect"])
def test_what_says_nothing_of_the_host_is_none(code: str) -> None:
    assert sign_of_failure(Failure(code, ""), 120, 30) is None


def test_a_caller_in_a_hurry_says_nothing_of_the_host() -> None:
    late = Failure("request_timeout", "")
    assert sign_of_failure(late, 1, 30) is None
    assert sign_of_failure(late, 30, 30) == HostSign(answered=False, strained=True)
