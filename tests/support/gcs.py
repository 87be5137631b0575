"""A Google Cloud Storage on loopback: the XML API that the object library speaks, and the JSON API
of Google's own client, over the same objects.

It enforces roles: who may only create is refused where something would be replaced or removed.
Preconditions of uploads in parts are refused, as Google does. Documented at
cloud.google.com/storage/docs/xml-api and /json_api.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.http_double import Handler, HttpDouble

_JSON_API = re.compile(
    r"/(?:(?P<way>upload|download)/)?storage/v1/b/(?P<bucket>[^/]+)(?P<objects>/o(?:/(?P<key>.+))?)?"
)
HOLD_LIMIT_S = 60.0
CREATOR = frozenset({"create", "multipart"})
"""roles/storage.objectCreator"""
ADMIN = CREATOR | {"get", "list", "delete"}
"""roles/storage.objectAdmin"""
NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Object:
    """One object, and the metadata that an upload gave it."""

    content: bytes
    kind: str
    generation: int
    in_parts: bool = False
    made: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def tag(self) -> str:
        """The XML API's ETag: the MD5, except for what came in parts, which has none."""
        if self.in_parts:
            return f"CJ{self.generation}EAE="
        return hashlib.md5(self.content).hexdigest()


@dataclass(frozen=True)
class Pending:
    """An upload in parts that is neither completed nor aborted."""

    key: str
    kind: str
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass
class GCS(HttpDouble):
    """The double; STORAGE_EMULATOR_HOST is its `url`.

    `roles` are those of whoever sends a token (by the account in it) or none ("");
    buckets exist when `bucket` made them."""

    roles: dict[str, frozenset[str]] = field(default_factory=lambda: {"": ADMIN})
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    buckets: set[str] = field(default_factory=set)
    uploads: dict[str, Pending] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    """(method, path with query) of every request."""
    lose: int = 0
    """So many of the next uploads are served, but their answers lost."""
    hang: int = 0
    """So many of the next uploads are served, but never answered (until the double closes)."""

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.closed = threading.Event()
        self.serve(_Handler, gcs=self)

    def bucket(self) -> str:
        """A new, empty bucket; its name."""
        name = f"pool-{uuid.uuid4().hex[:12]}"
        self.buckets.add(name)
        return name

    def keys(self, bucket: str) -> list[str]:
        """The names of all objects of a bucket, in order."""
        with self.lock:
            return sorted(key for where, key in self.objects if where == bucket)

    def key_file(self, folder: Path, roles: frozenset[str]) -> Path:
        """A service account with roles; the file that GOOGLE_APPLICATION_CREDENTIALS names, which
        also says that the service is here."""
        account = f"uploader-{uuid.uuid4().hex[:8]}@project.iam.gserviceaccount.com"
        self.roles[account] = roles
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path = folder / "google-key.json"
        path.write_text(
            json.dumps(
                {
                    "type": "service_account",
                    "client_email": account,
                    "private_key_id": "1",
                    "private_key": pem.decode(),
                    "gcs_base_url": self.url,
                }
            )
        )
        return path

    def may(self, account: str, right: str) -> bool:
        """Whether an account has a right."""
        return right in self.roles.get(account, NOBODY)

    def close(self) -> None:
        """Ends the server."""
        self.closed.set()
        super().close()


class _Refused(Exception):  # noqa: N818 - an answer, not an error of the double
    def __init__(self, status: int, code: str, details: str = "") -> None:
        self.status, self.code, self.details = status, code, details


class _Handler(Handler):
    gcs: GCS
    hanging = False
    wbufsize = 65536
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = parse_qs(parts.query, keep_blank_values=True)
        query = {name: values[0] for name, values in asked.items()}
        json_api = _JSON_API.fullmatch(parts.path)
        with self.gcs.lock:
            self.gcs.seen.append((self.command, self.path))
            try:
                if json_api:
                    way = json_api["way"] or ("objects" if json_api["objects"] else "bucket")
                    bucket, key = unquote(json_api["bucket"]), unquote(json_api["key"] or "")
                    self.serve_json(way, bucket, key, query, body)
                else:
                    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
                    self.serve_xml(bucket, key, query, body)
            except _Refused as refused:
                self.refuse(refused, as_json=json_api is not None)
        if self.hanging:
            self.gcs.closed.wait(HOLD_LIMIT_S)

    # ------------------------------------------------------------ rights

    def account(self) -> str:
        """Who asks: the issuer of the token, "" without one."""
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if not token:
            return ""
        claims = token.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["iss"])

    def need(self, right: str, bucket: str) -> None:
        if not self.gcs.may(self.account(), right):
            named = "multipartUploads.create" if right == "multipart" else f"objects.{right}"
            details = f"{self.account() or 'Anonymous caller'} does not have storage.{named} access"
            raise _Refused(403, "AccessDenied", details)
        if bucket not in self.gcs.buckets:
            raise _Refused(404, "NoSuchBucket")

    def store(self, bucket: str, key: str, made: Object) -> Object:
        """Replacing needs the right to delete what was there."""
        if (bucket, key) in self.gcs.objects:
            self.need("delete", bucket)
        self.gcs.objects[bucket, key] = made
        return made

    def found(self, bucket: str, key: str) -> Object:
        made = self.gcs.objects.get((bucket, key))
        if made is None:
            raise _Refused(404, "NoSuchKey")
        return made

    def match_generation(self, bucket: str, key: str, wanted: str | None) -> None:
        known = self.gcs.objects.get((bucket, key))
        if wanted is not None and int(wanted) != (known.generation if known else 0):
            raise _Refused(412, "PreconditionFailed")

    def new(self, content: bytes, kind: str, *, in_parts: bool = False) -> Object:
        return Object(content, kind, len(self.gcs.seen), in_parts)

    # ------------------------------------------------------------ XML

    def serve_xml(self, bucket: str, key: str, query: dict[str, str], body: bytes) -> None:
        if self.command == "GET" and not key:
            self.xml_list(bucket, query)
        elif self.command in ("GET", "HEAD"):
            self.xml_get(bucket, key)
        elif "uploads" in query or "uploadId" in query:
            self.xml_parts(bucket, key, query, body)
        elif self.command == "PUT":
            self.need("create", bucket)
            self.match_generation(bucket, key, self.headers.get("x-goog-if-generation-match"))
            made = self.store(bucket, key, self.new(body, self.headers["Content-Type"] or ""))
            self.xml_stored(made)
        else:
            self.need("delete", bucket)
            self.found(bucket, key)
            del self.gcs.objects[bucket, key]
            self.reply(204, b"")

    def xml_parts(self, bucket: str, key: str, query: dict[str, str], body: bytes) -> None:
        self.need("multipart", bucket)
        if self.headers.get("x-goog-if-generation-match"):
            raise _Refused(400, "NotImplemented")
        if self.command == "POST" and "uploads" in query:
            upload = uuid.uuid4().hex
            self.gcs.uploads[upload] = Pending(key, self.headers["Content-Type"] or "")
            self.xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")
            return
        pending = self.gcs.uploads.get(query["uploadId"])
        if pending is None:
            raise _Refused(404, "NoSuchUpload")
        if self.command == "PUT":
            pending.parts[int(query["partNumber"])] = body
            self.reply(200, b"", ETag=f'"{hashlib.md5(body).hexdigest()}"')
        elif self.command == "DELETE":
            del self.gcs.uploads[query["uploadId"]]
            self.reply(204, b"")
        else:
            numbers = [int(number) for number in re.findall(rb"<PartNumber>(\d+)<", body)]
            content = b"".join(pending.parts[number] for number in numbers)
            made = self.store(bucket, key, self.new(content, pending.kind, in_parts=True))
            del self.gcs.uploads[query["uploadId"]]
            self.xml("CompleteMultipartUploadResult", f'<ETag>"{made.tag}"</ETag>')

    def xml_stored(self, made: Object) -> None:
        if self.gcs.lose or self.gcs.hang:
            self.close_connection = True
            self.hanging = not self.gcs.lose
            self.gcs.lose -= not self.hanging
            self.gcs.hang -= self.hanging
            return
        self.reply(200, b"", ETag=f'"{made.tag}"', **{"x-goog-generation": str(made.generation)})

    def xml_get(self, bucket: str, key: str) -> None:
        self.need("get", bucket)
        made = self.found(bucket, key)
        headers = {
            "ETag": f'"{made.tag}"',
            "Last-Modified": made.made.strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "x-goog-generation": str(made.generation),
        }
        ranged = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if not ranged:
            self.reply(200, made.content, made.kind, **headers)
            return
        start, end = int(ranged[1]), min(int(ranged[2]) + 1, len(made.content))
        if start >= len(made.content):
            raise _Refused(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(made.content)}"
        self.reply(206, made.content[start:end], made.kind, **headers)

    def xml_list(self, bucket: str, query: dict[str, str]) -> None:
        self.need("list", bucket)
        prefix = query.get("prefix", "")
        names = [key for key in self.gcs.keys(bucket) if key.startswith(prefix)]
        folders = set()
        if query.get("delimiter"):
            deeper = {key for key in names if "/" in key[len(prefix) :]}
            folders = {prefix + key[len(prefix) :].partition("/")[0] + "/" for key in deeper}
            names = [key for key in names if key not in deeper]
        items = "".join(self.xml_item(bucket, key) for key in names)
        items += "".join(
            f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>" for name in sorted(folders)
        )
        self.xml("ListBucketResult", f"{items}<IsTruncated>false</IsTruncated>")

    def xml_item(self, bucket: str, key: str) -> str:
        made = self.gcs.objects[bucket, key]
        when = made.made.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        size = f"<Size>{len(made.content)}</Size><LastModified>{when}</LastModified>"
        return f'<Contents><Key>{key}</Key>{size}<ETag>"{made.tag}"</ETag></Contents>'

    def xml(self, name: str, inside: str) -> None:
        self.reply(200, f"<?xml version='1.0'?><{name}>{inside}</{name}>".encode(), "text/xml")

    # ------------------------------------------------------------ JSON

    def serve_json(
        self, way: str, bucket: str, key: str, query: dict[str, str], body: bytes
    ) -> None:
        if way == "upload":
            self.json_upload(bucket, query, body)
        elif way == "bucket":
            self.need("list", bucket)
            self.json({"kind": "storage#bucket", "name": bucket, "location": "EU"})
        elif self.command == "DELETE":
            self.need("delete", bucket)
            self.found(bucket, key)
            del self.gcs.objects[bucket, key]
            self.reply(204, b"")
        elif key and (way == "download" or query.get("alt") == "media"):
            self.need("get", bucket)
            made = self.found(bucket, key)
            crc = base64.b64encode(google_crc32c.Checksum(made.content).digest()).decode()
            self.reply(200, made.content, made.kind, **{"x-goog-hash": f"crc32c={crc}"})
        elif key:
            self.need("get", bucket)
            self.json(self.json_item(bucket, key))
        else:
            self.need("list", bucket)
            names = self.gcs.keys(bucket)
            wanted = [key for key in names if key.startswith(query.get("prefix", ""))]
            self.json({"items": [self.json_item(bucket, key) for key in wanted]})

    def json_upload(self, bucket: str, query: dict[str, str], body: bytes) -> None:
        """`uploadType=multipart`: the object's metadata and its content, as MIME parts."""
        self.need("create", bucket)
        boundary = re.search(r"boundary=\"?([^\";]+)", self.headers["Content-Type"])
        assert boundary is not None
        assert query["uploadType"] == "multipart"
        _, described, content, _ = body.split(b"--" + boundary[1].encode(), 3)
        metadata = json.loads(described.split(b"\r\n\r\n", 1)[1])
        head, _, content = content.partition(b"\r\n\r\n")
        kind = re.search(rb"content-type: ([^\r\n]+)", head, re.IGNORECASE)
        key = metadata.get("name") or query["name"]
        self.match_generation(bucket, key, query.get("ifGenerationMatch"))
        self.store(
            bucket,
            key,
            self.new(content.removesuffix(b"\r\n"), kind[1].decode() if kind else ""),
        )
        self.json(self.json_item(bucket, key))

    def json_item(self, bucket: str, key: str) -> dict[str, Any]:
        made = self.found(bucket, key)
        return {
            "kind": "storage#object",
            "bucket": bucket,
            "name": key,
            "size": str(len(made.content)),
            "contentType": made.kind,
            "generation": str(made.generation),
            "metageneration": "1",
            "md5Hash": base64.b64encode(hashlib.md5(made.content).digest()).decode(),
            "timeCreated": made.made.isoformat(),
            "updated": made.made.isoformat(),
        }

    def json(self, value: Any) -> None:
        self.reply(200, json.dumps(value).encode(), "application/json")

    # ------------------------------------------------------------ answers

    def refuse(self, refused: _Refused, *, as_json: bool) -> None:
        if as_json:
            error = {"code": refused.status, "message": refused.details or refused.code}
            self.reply(refused.status, json.dumps({"error": error}).encode(), "application/json")
            return
        details = f"<Details>{refused.details}</Details>" if refused.details else ""
        said = f"<Code>{refused.code}</Code><Message>as told</Message>{details}"
        body = f"<?xml version='1.0'?><Error>{said}</Error>"
        self.reply(refused.status, body.encode(), "application/xml")

    def reply(self, status: int, body: bytes, kind: str = "text/plain", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind or "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


for _method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
    setattr(_Handler, f"do_{_method}", _Handler.handle_any)
