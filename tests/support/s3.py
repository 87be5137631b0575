"""An S3 on loopback that enforces who may do what: moto's server, with every request recorded.

Used by everything that delivers to buckets. Keys get exactly the statements that a test grants
them; the double itself is looked at with an administrator's keys.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

import boto3
from botocore.config import Config
from moto import settings as moto_settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

DOCUMENTED = ("s3:PutObject", "s3:PutObjectAcl", "s3:GetBucketLocation")
"""The actions that the vendor's documentation asks bucket owners to grant. IAM reads action names
without regard to case; moto does not, so the document's "PutObjectACL" is written as IAM lists
it."""


@dataclass(frozen=True)
class Request:
    """One request as the double received it; `operation` is its S3 name."""

    operation: str
    bucket: str
    key: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Access:
    """Keys of one user."""

    access_key_id: str
    secret_access_key: str

    def settings(self, url: str) -> dict[str, str]:
        """The settings with which a server uses these keys at an endpoint."""
        return {
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "aws_endpoint_url_s3": url,
            "aws_region": "us-east-1",
        }


@dataclass
class S3:
    """The double. One per process: moto keeps its state in the interpreter."""

    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._lock = threading.Lock()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._record, threaded=True, request_handler=_H)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")
        self._iam = self._client("iam", Access("first", "first"))
        self._admin = self.grant(("*",), ("*",))
        self.s3 = self._client("s3", self._admin)
        # From here on every request is checked against what its keys were granted.
        ActionAuthenticatorMixin.request_count = 0
        moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
        self._iam = self._client("iam", self._admin)

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def grant(self, actions: Iterable[str], resources: Iterable[str]) -> Access:
        """Keys of a new user who may do just that."""
        return self.grant_statements(
            [{"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}]
        )

    def grant_statements(self, statements: Sequence[dict[str, Any]]) -> Access:
        """Keys of a new user with these statements of IAM."""
        name = f"user-{uuid.uuid4().hex}"
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        self._iam.create_user(UserName=name)
        self._iam.put_user_policy(
            UserName=name, PolicyName="granted", PolicyDocument=json.dumps(document)
        )
        made = self._iam.create_access_key(UserName=name)["AccessKey"]
        return Access(made["AccessKeyId"], made["SecretAccessKey"])

    def grant_on(self, bucket: str, actions: Sequence[str] = DOCUMENTED) -> Access:
        """Keys with actions on a bucket and all in it, as the vendor's document writes it."""
        return self.grant(actions, (f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"))

    def bucket(self, name: str = "", region: str = "") -> str:
        """A new, empty bucket; its name."""
        name = name or f"lake-{uuid.uuid4().hex[:12]}"
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region else {}
        self.s3.create_bucket(Bucket=name, **where)
        return name

    def keys(self, bucket: str) -> list[str]:
        """The names of all objects of a bucket, in order."""
        found = self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        return sorted(item["Key"] for item in found)

    def object(self, bucket: str, key: str) -> tuple[bytes, dict[str, Any]]:
        """An object's bytes, and all that GetObject says about it."""
        found = self.s3.get_object(Bucket=bucket, Key=key)
        return found["Body"].read(), found

    def unfinished(self, bucket: str) -> list[str]:
        """Keys of uploads in parts that were neither completed nor aborted."""
        found = self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        return [item["Key"] for item in found]

    def operations(self, bucket: str) -> list[str]:
        """What was asked of a bucket so far, by others than the administrator."""
        mine = f"Credential={self._admin.access_key_id}/"
        with self._lock:
            return [
                one.operation
                for one in self.requests
                if one.bucket == bucket and mine not in one.headers.get("authorization", "")
            ]

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._thread.join(timeout=10)
        self._server.server_close()
        moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")

    def _client(self, service: str, access: Access) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=access.access_key_id,
            aws_secret_access_key=access.secret_access_key,
            config=Config(s3={"addressing_style": "path"}),
        )

    def _record(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = unquote(environ["PATH_INFO"].encode("latin-1").decode()).lstrip("/")
        bucket, _, key = path.partition("/")
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
        }
        query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
        made = operation(environ["REQUEST_METHOD"], key, set(query))
        with self._lock:
            self.requests.append(Request(made, bucket, key, headers))
        return self._app(environ, start_response)


def operation(method: str, key: str, query: set[str]) -> str:
    """The name S3 has for a request."""
    if not key:
        if method == "GET":
            named = {"location": "GetBucketLocation", "uploads": "ListMultipartUploads"}
            return next((named[name] for name in query & set(named)), "ListObjects")
        return {"HEAD": "HeadBucket", "PUT": "CreateBucket", "POST": "DeleteObjects"}[method]
    if "uploads" in query:
        return "CreateMultipartUpload"
    if "uploadId" in query:
        parts = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload"}
        return parts.get(method, "AbortMultipartUpload")
    if "acl" in query:
        return f"{method.title()}ObjectAcl"
    return f"{method.title()}Object"


class _H(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: Any) -> None:
        """Silence: the record in S3.requests is the log."""
