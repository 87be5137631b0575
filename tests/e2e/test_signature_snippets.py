"""The four snippets of docs/delivery.md that verify signatures take our webhooks and no others."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.support.documents import ROOT, fenced, snippets
from tests.support.downloads import npm_package
from windlass.storage.accounts import new_webhook_secret
from windlass.webhooks.signing import signatures

PAGE = ROOT / "docs" / "delivery.md"
LIMIT_S = 30.0

Case = tuple[str, dict[str, str], bytes]
"""Secret, headers, body."""
Verifier = Callable[[list[Case]], list[bool]]


def python_snippet(function: str) -> dict[str, Any]:
    """The names that the page's snippet with this function defines."""
    (text,) = [one.text for one in snippets(PAGE) if f"def {function}(" in one.text]
    names: dict[str, Any] = {}
    exec(compile(text, str(PAGE), "exec"), names)  # our own page
    return names


def with_library(cases: list[Case]) -> list[bool]:
    verified = python_snippet("verified")["verified"]
    return [verified(*case) is not None for case in cases]


def by_hand(cases: list[Case]) -> list[bool]:
    is_genuine = python_snippet("is_genuine")["is_genuine"]
    return [is_genuine(*case) for case in cases]


def node_with_library(cases: list[Case]) -> list[bool]:
    call = "(() => { try { verified(s, h, b); return true } catch { return false } })()"
    return in_node(fenced(PAGE, "js library"), call, cases)


def node_by_hand(cases: list[Case]) -> list[bool]:
    return in_node(fenced(PAGE, "js crypto"), "isGenuine(s, h, b)", cases)


def in_node(snippet: str, call: str, cases: list[Case]) -> list[bool]:
    """What a snippet says of each case, in one process."""
    written = json.dumps([[secret, headers, body.hex()] for secret, headers, body in cases])
    program = (
        f"{snippet}\nconst said = {written}.map(([s, h, x]) => "
        f"{{ const b = Buffer.from(x, 'hex'); return {call}; }});\n"
        "console.log(JSON.stringify(said));"
    )
    run = subprocess.run(
        ["node", "-"],
        input=program,
        capture_output=True,
        text=True,
        env=os.environ | {"NODE_PATH": str(npm_package("standardwebhooks", "1.0.0"))},
        timeout=LIMIT_S,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    said: list[bool] = json.loads(run.stdout)
    return said


def sent(*secrets: str, body: bytes, at: datetime | None = None) -> dict[str, str]:
    """The headers that a webhook has, as receivers see them: names in lower case."""
    at = at or datetime.now(UTC)
    delivery_id = str(uuid4())
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signatures(secrets, delivery_id, at, body),
    }


_IN_NODE = pytest.mark.skipif(shutil.which("node") is None, reason="this machine has no node")
VERIFIERS = [
    with_library,
    by_hand,
    pytest.param(node_with_library, marks=_IN_NODE),
    pytest.param(node_by_hand, marks=_IN_NODE),
]


@pytest.mark.parametrize("verify", VERIFIERS)
def test_what_we_send_is_taken(verify: Verifier) -> None:
    secret, body = new_webhook_secret(), '{"task": {"id": "ü☃"}}'.encode()
    assert verify([(secret, sent(secret, body=body), body)]) == [True]


@pytest.mark.parametrize("verify", VERIFIERS)
def test_both_secrets_are_taken_while_they_change(verify: Verifier) -> None:
    old, new, body = new_webhook_secret(), new_webhook_secret(), b"{}"
    headers = sent(new, old, body=body)
    assert verify([(old, headers, body), (new, headers, body)]) == [True, True]


@pytest.mark.parametrize("verify", VERIFIERS)
def test_anything_else_is_refused(verify: Verifier) -> None:
    secret, body = new_webhook_secret(), b'{"a": 1}'
    good = sent(secret, body=body)
    early = sent(secret, body=body, at=datetime.now(UTC) - timedelta(minutes=6))
    late = sent(secret, body=body, at=datetime.now(UTC) + timedelta(minutes=6))
    cases: list[Case] = [
        (new_webhook_secret(), good, body),
        (secret, good, b'{"a":1}'),
        (secret, good | {"webhook-id": str(uuid4())}, body),
        (secret, good | {"webhook-timestamp": early["webhook-timestamp"]}, body),
        (secret, good | {"webhook-timestamp": "soon"}, body),
        (secret, good | {"webhook-signature": good["webhook-signature"][:-4]}, body),
        (secret, good | {"webhook-signature": "v1a," + good["webhook-signature"][3:]}, body),
        (secret, early, body),
        (secret, late, body),
    ]
    assert verify(cases) == [False] * len(cases)
