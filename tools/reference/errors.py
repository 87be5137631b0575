"""docs/reference/errors.md, from the error tree and the tables of the dialect.

What to do about an error is told here and nowhere else; an error without it fails the docs test.
"""

from __future__ import annotations

from collections.abc import Iterator

from tools.reference.markdown import code, table, titled
from windlass.cli.exits import status_of
from windlass.errors import (
    DeliveryError,
    EngineError,
    RequestError,
    TargetError,
    WindlassError,
)
from windlass.wire.v1_errors import sync_statuses
from windlass.wire.v1_terms import ERROR_TYPES

_INTRO = """\
Every failure has a stable `error_code`, which programs may match on, and a coarser `error_type`,
which is the vendor's. Where they stand:

- in the body of an error answer: `error_code`, for 500, 501, 503 and 555 also `error_type`;
- in a result that failed: `metadata.error_code`, `metadata.error_type`, with the text in `error`;
- in a task: `error`, `error_type`, and `error_code` when the task is read by itself.

**HTTP** is the status of the answer to a synchronous extract, or to the call that the error is
about. 200 there means that the target did answer: the result comes with `status` `failed`, the
target's `status_code` and the data that could be made. None means that only tasks and deliveries
meet it. An asynchronous task that fails has the state `error`; reading it and its result gives 200.

**Again** tells whether the server itself starts the task again when the failure may pass, up to
`WINDLASS_MAX_ATTEMPTS` starts. Requests with methods that may not be repeated (POST, PATCH) are
sent again only if they never left. **Exit** is the exit status of the command line."""

_FAMILIES: tuple[tuple[type[WindlassError], str, str], ...] = (
    (RequestError, "The request", "The caller can act: the request is wrong, unknown or too much."),
    (TargetError, "The target", "The site can act: it gave no answer, or not a whole page."),
    (DeliveryError, "Delivery", "The receiver or the bucket can act."),
    (EngineError, "The server", "The operator can act. Details are in the log, not in answers."),
)

_FAMILY_ONLY = frozenset({"error", "bad_request", "target_error"})
"""Roots of the tree that nothing raises by themselves."""

ADVICE: dict[str, str] = {
    "invalid_request": "Correct the fields that `details.schema_validation_errors` names: "
    "all wrong ones are listed.",
    "unauthorized": "Send `Authorization: Bearer KEY` with a key of this server that is not "
    "revoked.",
    "not_found": "Check the path. Calls about keys exist for account `main` only.",
    "group_not_found": "Check the id, and that the key belongs to the account that made it.",
    "idempotency_conflict": "Use a new key for a new request, the same body for a repeated one.",
    "task_not_found": "Check the id, and that the key belongs to the account that made the task. "
    "Tasks are forgotten after twice `WINDLASS_RESULT_TTL`.",
    "results_not_ready": "Wait until the task's `state` is `success` or `error`, then ask again.",
    "results_expired": "Results are kept for `WINDLASS_RESULT_TTL` after the task ended: extract "
    "the page again.",
    "not_resendable": "Wait until the delivery has ended: it is still being tried. One that was "
    "canceled with its task is not sent.",
    "method_not_allowed": "Use a method that the header `allow` names.",
    "slow_request": "Send the body within 60 s.",
    "request_too_large": "Send less, or raise `WINDLASS_BODY_LIMIT`.",
    "rate_limited": "Wait as long as `retry-after` says; the SDK does. The operator sets "
    "`WINDLASS_RATE_LIMIT`.",
    "unsupported": "Leave the option out: this server cannot do it.",
    "missing_extra": "Install the extra that the message names, for example "
    "`pip install 'windlass[impersonate]'`.",
    "browser_missing": "Install one: the message says how. `WINDLASS_CHROMIUM` names one that lies "
    "elsewhere. Without rendering the page can be had all the same.",
    "canceled": "The task was ended on request. Submit it again if it is still wanted.",
    "dns_failed": "Check the host name, and the name servers of the machine.",
    "connection_refused": "Nothing listens there: check host and port.",
    "connection_lost": "The site hung up. It may be overloaded or turn visitors like us away: try "
    "later, more slowly, or with `driver` `vx6-stealth`.",
    "connection_failed": "No route, or no answer to any address of the host: check the network.",
    "tls_failed": "The certificate or the protocol is not acceptable; the message says what. "
    "Certificates are always checked.",
    "connect_timeout": "The host does not answer. Raise `WINDLASS_CONNECT_TIMEOUT` if it is known "
    "to be slow.",
    "read_timeout": "The site stopped sending. Raise `WINDLASS_READ_TIMEOUT` if it is known to be "
    "slow.",
    "request_timeout": "Raise `request_timeout`, or `WINDLASS_TASK_TIMEOUT` and "
    "`WINDLASS_SYNC_TIMEOUT`; for pages that take long use the asynchronous call.",
    "invalid_response": "What listens there is no web server, or is broken.",
    "body_truncated": "Use what came (`metadata.partial` is true) or try again.",
    "body_too_large": "Use what came (`metadata.partial` is true) or raise `WINDLASS_FETCH_LIMIT`.",
    "decompression_bomb": "Raise `WINDLASS_FETCH_LIMIT` only for a site that you trust.",
    "bad_encoding": "The site's compression is broken. Use what came, or suppress compression "
    'with `headers: {"Accept-Encoding": "identity"}`.',
    "redirect_loop": "Often a cookie or a login is missing: send `cookies`, or use a `session`.",
    "too_many_redirects": "As for `redirect_loop`; or raise `WINDLASS_MAX_REDIRECTS`.",
    "bad_redirect": "The site sends its visitors to an address that is not http or https.",
    "robots_denied": "The site asks robots to leave this page alone. The operator can switch "
    "that off: WINDLASS_OBEY_ROBOTS=false.",
    "address_refused": "The address is not public. The operator can exempt networks with "
    "`WINDLASS_ALLOW_ADDRESSES`.",
    "unexpected_status": "The page came, with another status than expected: read `status_code`. "
    "List it in `expected_status_codes` to count it as success.",
    "not_a_page": "A crawl brings pages; this URL is a file, so its body was not fetched. Get it "
    "with `/v1/extract`.",
    "host_busy": "Come back when the message says; a synchronous call has it in `retry-after`, "
    "too. Asynchronous tasks wait by themselves, up to `WINDLASS_RETRY_AFTER_LIMIT`.",
    "host_down": "Check the host. Once a minute at most one page is let through to it; submit the "
    "page again when it is back. The operator sets `WINDLASS_HOST_DOWN_AFTER`.",
    "proxy_failed": "The operator's proxy does not work: check the entries of `WINDLASS_PROXIES`.",
    "parse_timeout": "The page is too heavy to read. Ask for `html` only, or raise "
    "`WINDLASS_PARSE_TIMEOUT`.",
    "parser_crashed": "The page breaks the parser. Ask for `html` only; report the page.",
    "browser_crashed": "The page breaks the browser, or the machine is short of memory. Try again; "
    "see `WINDLASS_BROWSER_MEMORY`.",
    "browser_actions_failed": "The message names the action and why it could not be done. Make it "
    "`required: false`, or leave out `retry_on_browser_actions_error`.",
    "network_capture_failed": "Fewer requests came than the filter waits for: see the message.",
    "delivery_failed": "The log has the cause, under the delivery's id. Please report it.",
    "delivery_expired": "See why its attempts failed; when that is mended, send it again.",
    "storage_unconfigured": "The operator sets the variables that the message names, and installs "
    "the extra `cloud`.",
    "storage_denied": "Grant what the message says is missing: `windlass storage policy` prints "
    "it. Keys may also be wrong or expired.",
    "bucket_missing": "Correct the bucket's name in `storage_url`, or create it.",
    "storage_rejected": "Read the bucket's own reason in the message: its rules, or an option such "
    "as `WINDLASS_STORAGE_ACL`, do not fit.",
    "object_exists": "Choose another `storage_object_name`: objects in Google Cloud Storage are "
    "created, never replaced.",
    "storage_unavailable": "Passes when the bucket answers again; tries follow "
    "`WINDLASS_UPLOAD_SCHEDULE`.",
    "storage_timeout": "As for `storage_unavailable`.",
    "webhook_rejected": "Have the receiver answer with any 2xx, quickly, and do the work after "
    "that. Redirects are not followed: give the address that they lead to.",
    "webhook_gone": "The receiver answered 410. When it is back, send the delivery again.",
    "webhook_unsendable": "Correct `callback_url` or the callback's headers.",
    "internal_error": "A fault of ours: the log has it, under the task's id. Please report it.",
    "bad_settings": "Correct the setting that the message names.",
    "database_unavailable": "Passes when PostgreSQL is back. The private one is started again by "
    "itself; look after one of your own.",
    "storage_full": "Make room where results are stored; tasks wait meanwhile and lose nothing.",
    "results_unavailable": "Passes when the bucket of `WINDLASS_RESULTS_URL` answers again; tasks "
    "wait meanwhile and lose nothing. The log has the cause.",
    "overloaded": "Send it again, as the SDK does; send fewer bodies above 64 KiB at a time.",
    "blob_missing": "The result's bytes were removed from the store: extract the page again.",
    "worker_lost": "The task's worker died more than `WINDLASS_MAX_RESCUES` times. The page may "
    "be the cause: look into the log.",
    "not_repeated": "Its worker died or was stopped, or its result could not be stored, and the "
    "method is POST or PATCH. Look whether the site has done what was asked before you submit it "
    "again.",
    "task_expired": "It waited longer than `WINDLASS_START_WITHIN`: run more workers.",
    "server_unreachable": "Start a server, or correct `WINDLASS_URL`. Only the command line meets "
    "it.",
}


def document() -> str:
    """The whole file."""
    parts = [titled("Errors", _INTRO)]
    for root, title, meaning in _FAMILIES:
        rows = [_row(kind) for kind in below(root)]
        head = ("`error_code`", "HTTP", "`error_type`", "again", "exit", "meaning", "what to do")
        parts.append(f"\n## {title}\n\n{meaning}\n\n{table(head, rows)}")
    return "".join(parts)


def below(root: type[WindlassError]) -> Iterator[type[WindlassError]]:
    """The classes of a family that are met, in the order of the tree."""
    if root.code not in _FAMILY_ONLY:
        yield root
    for child in root.__subclasses__():
        yield from below(child)


def _row(kind: type[WindlassError]) -> list[str]:
    return [
        code(kind.code),
        " or ".join(map(str, sync_statuses(kind))) or "none",
        code(ERROR_TYPES[kind.code]),
        "yes" if kind.retryable and not issubclass(kind, RequestError) else "no",
        str(status_of(kind())),
        (kind.__doc__ or "").strip().splitlines()[0].rstrip(".") + ".",
        ADVICE[kind.code],
    ]
