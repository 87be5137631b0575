"""The one error tree. Every failure that leaves a function has a class here.

WindlassError
├── RequestError      the caller can act: the request is wrong, unknown or too much
├── TargetError       the site can act: it did not answer, or not with a whole page
├── DeliveryError     the receiver or the bucket can act
└── EngineError       we or the operator can act

Read in three places only: the API's error handler, the worker and the CLI. Foreign exceptions
are translated in the one file that uses the foreign library, with the cause kept.
"""

from __future__ import annotations

from typing import Any, ClassVar


class WindlassError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    """Stable, documented name that programs may match on."""
    retryable: ClassVar[bool] = False
    """Whether the same attempt may succeed later without anybody changing anything."""
    public: ClassVar[bool] = True
    """Whether the message may be shown to the caller; otherwise the class docstring is."""

    def __init__(self, message: str = "", **details: Any) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.details = details
        super().__init__(self.message)

    @property
    def public_message(self) -> str:
        """The message if callers may see it, else the class's own sentence."""
        if self.public:
            return self.message
        return (type(self).__doc__ or "").strip().splitlines()[0]


# ---------------------------------------------------------------- the caller


class RequestError(WindlassError):
    """The request cannot be served as it stands."""

    code = "bad_request"


class InvalidRequest(RequestError):
    """The request is not valid."""

    code = "invalid_request"

    def __init__(self, message: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class Problem:
    """One wrong place in a request.

    `path` is a JSON pointer into the body or query ("/limit"), `schema_path` the violated rule
    ("#/properties/limit/maximum"), `keyword` its JSON Schema keyword, `params` its arguments.
    """

    __slots__ = ("keyword", "message", "params", "path", "schema_path")

    def __init__(
        self,
        path: str,
        message: str,
        *,
        keyword: str,
        schema_path: str = "",
        params: dict[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.message = message
        self.keyword = keyword
        self.schema_path = schema_path or f"#/{keyword}"
        self.params = params or {}

    def __repr__(self) -> str:
        return f"Problem({self.path!r}, {self.message!r})"


class Unauthorized(RequestError):
    """Unauthorized"""

    code = "unauthorized"


class NotFound(RequestError):
    """Not found"""

    code = "not_found"


class TaskNotFound(NotFound):
    """Task not found"""

    code = "task_not_found"


class GroupNotFound(NotFound):
    """Batch not found"""

    code = "group_not_found"


class IdempotencyConflict(RequestError):
    """This Idempotency-Key was used for another request"""

    code = "idempotency_conflict"


class ResultsNotReady(NotFound):
    """Task results not ready"""

    code = "results_not_ready"


class ResultsExpired(NotFound):
    """Task results expired"""

    code = "results_expired"


class NotResendable(RequestError):
    """Only a delivery that has ended can be sent again"""

    code = "not_resendable"


class MethodNotAllowed(RequestError):
    """Method not allowed"""

    code = "method_not_allowed"


class SlowRequest(RequestError):
    """Request body did not arrive in time"""

    code = "slow_request"
    retryable = True


class BodyTooLargeRequest(RequestError):
    """Request body too large"""

    code = "request_too_large"


class RateLimited(RequestError):
    """Rate limit exceeded"""

    code = "rate_limited"
    retryable = True

    def __init__(self, message: str = "", retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unsupported(RequestError):
    """This server is not set up to do that"""

    code = "unsupported"


class MissingExtra(Unsupported):
    """An optional part of Windlass is not installed"""

    code = "missing_extra"


class BrowserMissing(Unsupported):
    """This server has no Chromium to render pages with"""

    code = "browser_missing"


class Cancelled(RequestError):
    """canceled"""

    code = "canceled"


# ---------------------------------------------------------------- the site


class TargetError(WindlassError):
    """The target could not be fetched."""

    code = "target_error"
    retryable = True


class DnsFailed(TargetError):
    """The host name could not be resolved."""

    code = "dns_failed"


class ConnectionRefused(TargetError):
    """The target refused the connection."""

    code = "connection_refused"


class ConnectionLost(TargetError):
    """The target closed the connection before answering."""

    code = "connection_lost"


class ConnectionFailed(TargetError):
    """No connection to the target could be made."""

    code = "connection_failed"


class TlsFailed(TargetError):
    """The TLS handshake with the target failed."""

    code = "tls_failed"
    retryable = False


class ConnectTimeout(TargetError):
    """Connecting to the target took too long."""

    code = "connect_timeout"


class ReadTimeout(TargetError):
    """The target stopped sending."""

    code = "read_timeout"


class RequestTimeout(TargetError):
    """The request exceeded its time budget."""

    code = "request_timeout"
    retryable = False


class InvalidResponse(TargetError):
    """The target's answer is not HTTP."""

    code = "invalid_response"


class BodyTruncated(TargetError):
    """The target's answer ended before it was complete."""

    code = "body_truncated"


class BodyTooLarge(TargetError):
    """The target's answer is larger than the limit."""

    code = "body_too_large"
    retryable = False


class DecompressionBomb(TargetError):
    """The target's answer inflates beyond the limit."""

    code = "decompression_bomb"
    retryable = False


class BadEncoding(TargetError):
    """The target's answer could not be decompressed."""

    code = "bad_encoding"


class RedirectLoop(TargetError):
    """The target redirects in a circle."""

    code = "redirect_loop"
    retryable = False


class TooManyRedirects(TargetError):
    """The target redirects too often."""

    code = "too_many_redirects"
    retryable = False


class BadRedirect(TargetError):
    """The target redirects to an address that cannot be fetched."""

    code = "bad_redirect"
    retryable = False


class AddressRefused(TargetError):
    """Connections to this address are not allowed."""

    code = "address_refused"
    retryable = False


class RobotsDenied(TargetError):
    """The site's robots.txt does not allow this page."""

    code = "robots_denied"
    retryable = False


class UnexpectedStatus(TargetError):
    """The target answered with an unexpected status."""

    code = "unexpected_status"
    retryable = False


class NotAPage(TargetError):
    """The target's answer is no page."""

    code = "not_a_page"
    retryable = False


class HostBusy(TargetError):
    """The host asks to be left alone for now."""

    code = "host_busy"
    retryable = False


class HostDown(TargetError):
    """The host has not answered for a while."""

    code = "host_down"
    retryable = False


class ProxyFailed(TargetError):
    """The configured proxy did not connect."""

    code = "proxy_failed"


class ParseTimeout(TargetError):
    """Reading the page took too long."""

    code = "parse_timeout"
    retryable = False


class ParserCrashed(TargetError):
    """The page crashed the parser."""

    code = "parser_crashed"
    retryable = False


class BrowserCrashed(TargetError):
    """The browser crashed or hung while it had the page."""

    code = "browser_crashed"
    retryable = True


class ActionsFailed(TargetError):
    """A browser action failed, and the request asks to try again then."""

    code = "browser_actions_failed"
    retryable = True


class CaptureFailed(TargetError):
    """A network capture is not complete, and the request asks to try again then."""

    code = "network_capture_failed"
    retryable = True


# ---------------------------------------------------------------- the receiver or bucket


class DeliveryError(WindlassError):
    """The result could not be delivered."""

    code = "delivery_failed"
    retryable = True


class DeliveryExpired(DeliveryError):
    """Nobody took the delivery in time."""

    code = "delivery_expired"
    retryable = False


class StorageUnconfigured(DeliveryError):
    """The server has no identity for this kind of bucket."""

    code = "storage_unconfigured"
    retryable = False


class StorageDenied(DeliveryError):
    """The bucket denies access."""

    code = "storage_denied"
    retryable = False


class BucketMissing(DeliveryError):
    """The bucket does not exist."""

    code = "bucket_missing"
    retryable = False


class StorageRejected(DeliveryError):
    """The bucket does not accept this object."""

    code = "storage_rejected"
    retryable = False


class ObjectExists(DeliveryError):
    """Another object has this name, and may not be replaced."""

    code = "object_exists"
    retryable = False


class StorageUnavailable(DeliveryError):
    """The bucket cannot be reached or is overloaded."""

    code = "storage_unavailable"


class StorageTimeout(DeliveryError):
    """The bucket took too long."""

    code = "storage_timeout"


class WebhookRejected(DeliveryError):
    """The receiver did not answer with success."""

    code = "webhook_rejected"


class WebhookGone(DeliveryError):
    """The receiver says that it is gone for good."""

    code = "webhook_gone"
    retryable = False


class WebhookUnsendable(DeliveryError):
    """The webhook's address or headers cannot be sent."""

    code = "webhook_unsendable"
    retryable = False


# ---------------------------------------------------------------- us


class EngineError(WindlassError):
    """Internal error"""

    code = "internal_error"
    retryable = True
    public = False


class SettingsError(EngineError):
    """A setting is wrong."""

    code = "bad_settings"
    retryable = False
    public = True


class DatabaseUnavailable(EngineError):
    """The database cannot be reached."""

    code = "database_unavailable"


class StorageFull(EngineError):
    """There is no space left to store results."""

    code = "storage_full"


class ResultsUnavailable(EngineError):
    """The store of results cannot be reached."""

    code = "results_unavailable"


class Overloaded(EngineError):
    """The server has too many large requests in hand."""

    code = "overloaded"
    public = True


class BlobMissing(EngineError):
    """Stored bytes are missing."""

    code = "blob_missing"
    retryable = False


class WorkerLost(EngineError):
    """The worker died while it ran this task, too often to try again."""

    code = "worker_lost"
    retryable = False


class NotRepeated(EngineError):
    """The request may have been sent before its attempt broke off; it is not sent again."""

    code = "not_repeated"
    retryable = False
    public = True


class TaskExpired(EngineError):
    """The task was not started in time."""

    code = "task_expired"
    retryable = False
    public = True


class ServerUnreachable(EngineError):
    """No Windlass server answers."""

    code = "server_unreachable"
    public = True
