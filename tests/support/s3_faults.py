"""An S3 on loopback that misbehaves on purpose, by name. It checks no signatures.

Faults are told per operation and used up in order; without one a request is served. Used where
moto is too well-behaved.
"""

from __future__ import annotations

import hashlib
import re
import threading
import uuid
from collections import defaultdict, deque
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.http_double import Handler, HttpDouble
from tests.support.s3 import operation

HOLD_LIMIT_S = 60.0
HANG = "hang"
"""The request is read and never answered (until the double closes)."""
RESET = "reset"
"""The connection is reset after the first bytes of the body."""
LOST = "lost"
"""The request is served, and the connection closed instead of answering."""
HELD = "held"
"""The request is served, and answered only after `release`."""
PORTAL = "portal"
"""Some other server answers 200 with a page."""


@dataclass(frozen=True)
class Refusal:
    """An answer that is an error."""

    status: int
    code: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    extra: str = ""


SLOW_DOWN = Refusal(503, "SlowDown")
INTERNAL = Refusal(500, "InternalError")
Fault = str | Refusal


@dataclass
class FaultyS3(HttpDouble):
    """Buckets spring up when they are used. `region` is where they are: requests signed for another
    one are refused as S3 does, `by_redirect` or by naming the right one. `puts` holds the digests
    of all that was ever put whole under a name."""

    region: str = ""
    by_redirect: bool = False
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    puts: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    seen: list[str] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._closed = threading.Event()
        self._released = threading.Event()
        self.serve(_Handler, s3=self)

    def settings(self) -> dict[str, str]:
        """The settings with which a server uses it."""
        return {
            "aws_access_key_id": "AKIDEXAMPLE",
            "aws_secret_access_key": "secret-example",
            "aws_endpoint_url_s3": self.url,
            "aws_region": "us-east-1",
        }

    def fail(self, name: str, *faults: Fault) -> None:
        """The next requests for an operation go wrong like that."""
        if HELD in faults:
            self._released.clear()
        self._faults[name].extend(faults)

    def wait_for(self, name: str, times: int = 1) -> None:
        """Returns once an operation was asked for so many times. For threads only."""
        with self.arrived:
            enough = self.arrived.wait_for(lambda: self.seen.count(name) >= times, 20)
        assert enough, f"{name} was not asked for; seen: {self.seen}"

    def fault(self, name: str) -> Fault | None:
        """Records a request; what is to go wrong with it."""
        with self.arrived:
            self.seen.append(name)
            self.arrived.notify_all()
            return self._faults[name].popleft() if self._faults[name] else None

    def hold(self) -> None:
        """Returns when the double closes."""
        self._closed.wait(HOLD_LIMIT_S)

    def release(self) -> None:
        """Lets the answers go that are held."""
        self._released.set()

    def wait_released(self) -> None:
        """Returns after `release`."""
        self._released.wait(HOLD_LIMIT_S)

    def close(self) -> None:
        """Ends the server; held requests are let go first."""
        self._closed.set()
        self.release()
        super().close()


class _Handler(Handler):
    s3: FaultyS3
    held = False
    wbufsize = 65536
    disable_nagle_algorithm = True

    def handle_expect_100(self) -> bool:
        """boto3 waits for this before it sends the body."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        query = {
            name: values[0]
            for name, values in parse_qs(parts.query, keep_blank_values=True).items()
        }
        place = unquote(parts.path).lstrip("/")
        key = place.partition("/")[2]
        name = operation(self.command, key, set(query))
        fault = self.s3.fault(name)
        self.held = fault == HELD
        if fault == RESET:
            self.rfile.read1(1000)
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fault == HANG:
            self.s3.hold()
            self.close_connection = True
        elif fault == PORTAL:
            self.reply(200, b"<html><h1>Log in to the network</h1></html>")
        elif isinstance(fault, Refusal):
            self.refuse(fault)
        elif self.s3.region and not self.signed_for(self.s3.region) and name != "GetBucketLocation":
            self.refuse(self.elsewhere())
        else:
            getattr(self, f"do_{name}")(place, query, body, lost=fault == LOST)

    def signed_for(self, region: str) -> bool:
        return f"/{region}/s3/aws4_request" in (self.headers.get("Authorization") or "")

    def elsewhere(self) -> Refusal:
        where = (("x-amz-bucket-region", self.s3.region),)
        if self.s3.by_redirect:
            return Refusal(301, "PermanentRedirect", where)
        extra = f"<Region>{self.s3.region}</Region>"
        return Refusal(400, "AuthorizationHeaderMalformed", where, extra)

    def refuse(self, refusal: Refusal) -> None:
        text = f"<Message>as told</Message>{refusal.extra}"
        body = f"<Error><Code>{refusal.code}</Code>{text}</Error>" if refusal.code else ""
        self.reply(refusal.status, body.encode(), refusal.headers)

    def reply(self, status: int, body: bytes, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/xml")
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def answer(self, body: bytes, *, lost: bool, headers: tuple[tuple[str, str], ...] = ()) -> None:
        if self.held:
            self.s3.wait_released()
        if lost:
            self.close_connection = True
            return
        self.reply(200, body, headers)

    def do_GetBucketLocation(
        self, place: str, query: dict[str, str], body: bytes, *, lost: bool
    ) -> None:
        text = f"<LocationConstraint>{self.s3.region}</LocationConstraint>"
        self.answer(text.encode(), lost=lost)

    def do_PutObject(self, place: str, query: dict[str, str], body: bytes, *, lost: bool) -> None:
        with self.s3.arrived:
            self.s3.objects[place] = body
            self.s3.puts[place].append(_tag(body))
            self.s3.arrived.notify_all()
        self.answer(b"", lost=lost, headers=(("ETag", _tag(body)),))

    def do_CreateMultipartUpload(
        self, place: str, query: dict[str, str], body: bytes, *, lost: bool
    ) -> None:
        upload = uuid.uuid4().hex
        self.s3.uploads[upload] = {}
        bucket, _, key = place.partition("/")
        named = f"<Bucket>{bucket}</Bucket><Key>{key}</Key><UploadId>{upload}</UploadId>"
        self.answer(
            f"<InitiateMultipartUploadResult>{named}</InitiateMultipartUploadResult>".encode(),
            lost=lost,
        )

    def do_UploadPart(self, place: str, query: dict[str, str], body: bytes, *, lost: bool) -> None:
        parts = self.s3.uploads.get(query["uploadId"])
        if parts is None:
            self.refuse(Refusal(404, "NoSuchUpload"))
            return
        parts[int(query["partNumber"])] = body
        self.answer(b"", lost=lost, headers=(("ETag", _tag(body)),))

    def do_CompleteMultipartUpload(
        self, place: str, query: dict[str, str], body: bytes, *, lost: bool
    ) -> None:
        parts = self.s3.uploads.pop(query["uploadId"])
        numbers = [int(number) for number in re.findall(rb"<PartNumber>(\d+)<", body)]
        self.s3.objects[place] = b"".join(parts[number] for number in numbers)
        text = '<CompleteMultipartUploadResult><ETag>"x-1"</ETag></CompleteMultipartUploadResult>'
        self.answer(text.encode(), lost=lost)

    def do_AbortMultipartUpload(
        self, place: str, query: dict[str, str], body: bytes, *, lost: bool
    ) -> None:
        self.s3.uploads.pop(query["uploadId"], None)
        self.answer(b"", lost=lost)


def _tag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


for _method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
    setattr(_Handler, f"do_{_method}", _Handler.handle_any)
