"""An S3-compatible object store for the bytes of blobs: parts up, ranges down, and addresses that clients may read.

Every part is sent with its sha256, which the store checks. boto3 is imported when a store is opened, and never else.
"""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from store.errors import BlobStoreAway, BlobStoreRefused, ObjectMissing

PART_BYTES = 8 << 20  # S3 asks for 5 MiB or more in all parts but the last, and takes 10,000 parts
PIECE_BYTES = 4 << 20  # of one read
# Seconds to connect and to wait for an answer; a request is tried so often before the store counts as away.
PATIENCE: dict[str, Any] = {
    "connect_timeout": 5,
    "read_timeout": 30,
    "retries": {"mode": "standard", "max_attempts": 3},
}
MAX_CONNECTIONS = 20
_MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchUpload"}
_AWAY = {"SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "ServiceUnavailable", "InternalError", "Throttling"}


@dataclass(frozen=True)
class S3Address:
    """Where a store is and who asks. Without an endpoint it is Amazon's; without keys boto3 looks for credentials where
    it always does, such as the role of the machine or of the Kubernetes service account."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    public_endpoint: str | None = None
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = None

    def __repr__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix} at {self.endpoint or 'Amazon'}"


class ObjectStore:
    """The objects of one bucket below one prefix; safe to share between threads. Keys are relative to the prefix."""

    def __init__(self, address: S3Address, *, redirect_seconds: int | None = None) -> None:
        """`redirect_seconds`: how long an address that a client gets is good for; None: clients get none."""
        self.address = address
        self.redirect_seconds = redirect_seconds

    @cached_property
    def _client(self) -> Any:
        return self._connect(self.address.endpoint)

    @cached_property
    def _public_client(self) -> Any:
        """Signs addresses on the host by which clients reach the store; it sends nothing."""
        return self._connect(self.address.public_endpoint or self.address.endpoint)

    @cached_property
    def _probe_client(self) -> Any:
        """For a question that must be answered soon or not at all."""
        soon = {"connect_timeout": 1, "read_timeout": 1, "retries": {"total_max_attempts": 1}}
        return self._connect(self.address.endpoint, soon)

    def _connect(self, endpoint: str | None, patience: dict[str, Any] = PATIENCE) -> Any:
        import boto3
        from botocore.config import Config

        # Other stores than Amazon's have no host name for each bucket.
        style = "path" if endpoint else "auto"
        config = Config(
            signature_version="s3v4", s3={"addressing_style": style}, max_pool_connections=MAX_CONNECTIONS, **patience
        )
        return boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=self.address.region,
            aws_access_key_id=self.address.access_key_id,
            aws_secret_access_key=self.address.secret_access_key,
            config=config,
        )

    def _place(self, key: str) -> dict[str, str]:
        return {"Bucket": self.address.bucket, "Key": self._whole(key)}

    def _whole(self, key: str) -> str:
        return f"{self.address.prefix}/{key}" if self.address.prefix else key

    def check(self) -> None:
        """Raise BlobStoreAway or BlobStoreRefused where the bucket cannot be used, within about two seconds."""
        with self._errors(""):
            self._probe_client.head_bucket(Bucket=self.address.bucket)

    def make_bucket(self) -> bool:
        """Make the bucket where it is not there; whether it was made. Raises BlobStoreRefused where it may not be."""
        with self._errors(""):
            names = {bucket["Name"] for bucket in self._client.list_buckets()["Buckets"]}
            if self.address.bucket in names:
                return False
            self._client.create_bucket(Bucket=self.address.bucket)
        return True

    def upload(self, key: str) -> "Upload":
        """A new object that is written in parts."""
        return Upload(self, key)

    def read(self, key: str, start: int, stop: int) -> bytes:
        """The bytes `start:stop` of an object, fewer where it ends before; raises ObjectMissing."""
        with self._errors(key):
            answer = self._client.get_object(**self._place(key), Range=f"bytes={start}-{stop - 1}")
            data: bytes = answer["Body"].read()
        return data

    def size_of(self, key: str) -> int:
        """The size of an object in bytes; raises ObjectMissing."""
        with self._errors(key):
            size: int = self._client.head_object(**self._place(key))["ContentLength"]
        return size

    def delete(self, key: str) -> None:
        """Remove an object, whole or half uploaded. One that is not there is no error."""
        with self._errors(key):
            found = self._client.list_multipart_uploads(Bucket=self.address.bucket, Prefix=self._whole(key))
            for upload in found.get("Uploads", ()):
                self._client.abort_multipart_upload(**self._place(key), UploadId=upload["UploadId"])
            self._client.delete_object(**self._place(key))

    def keys(self, *, older_than_seconds: float) -> Iterator[tuple[str, int]]:
        """The key and the size in bytes of each object that was written so long ago."""
        limit = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        prefix = self._whole("")
        with self._errors(""):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.address.bucket, Prefix=prefix)
            for page in pages:
                for found in page.get("Contents", ()):
                    if found["LastModified"] < limit:
                        yield found["Key"].removeprefix(prefix), found["Size"]

    def presigned_url(self, key: str, *, media_type: str, disposition: str) -> str:
        """An address that anyone who has it can download the object from, for `redirect_seconds`."""
        shown = {"ResponseContentType": media_type, "ResponseContentDisposition": disposition}
        url: str = self._public_client.generate_presigned_url(
            "get_object", Params=self._place(key) | shown, ExpiresIn=self.redirect_seconds
        )
        return url

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Turn boto3's errors into the store's."""
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectionError,
            HTTPClientError,
            IncompleteReadError,
        )

        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code in _MISSING and key:
                raise ObjectMissing(key) from error
            if status >= 500 or status == 429 or code in _AWAY:
                raise BlobStoreAway(str(self.address), code) from error
            raise BlobStoreRefused(str(self.address), f"{code or status}") from error
        except (ConnectionError, HTTPClientError, IncompleteReadError) as error:
            raise BlobStoreAway(str(self.address), type(error).__name__) from error
        except BotoCoreError as error:  # such as missing credentials
            raise BlobStoreRefused(str(self.address), str(error)) from error


class Upload:
    """One object on its way: a single request where it has one part, else S3's multipart upload. Nothing can be seen of
    it before `finish`."""

    def __init__(self, objects: ObjectStore, key: str) -> None:
        self._objects = objects
        self._key = key
        self._place = objects._place(key)
        self._held: bytes | None = None
        self._upload_id = ""
        self._parts: list[dict[str, Any]] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        """The next part, of PART_BYTES unless it is the last."""
        if self._held is not None:
            self._send()
        self._held = part
        self._size += len(part)

    def finish(self) -> None:
        """Make the object visible; raises BlobStoreRefused where the store holds another number of bytes then."""
        with self._objects._errors(self._key):
            if self._upload_id:
                self._send()
                self._client.complete_multipart_upload(
                    **self._place, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
                )
            else:
                body = self._held or b""
                self._client.put_object(**self._place, Body=body, ChecksumSHA256=_checksum(body))
        if (size := self._objects.size_of(self._key)) != self._size:
            raise BlobStoreRefused(str(self._objects.address), f"it holds {size} bytes of {self._size}")

    @property
    def _client(self) -> Any:
        return self._objects._client

    def _send(self) -> None:
        with self._objects._errors(self._key):
            if not self._upload_id:
                begun = self._client.create_multipart_upload(**self._place, ChecksumAlgorithm="SHA256")
                self._upload_id = begun["UploadId"]
            body, self._held = self._held or b"", None
            number, checksum = len(self._parts) + 1, _checksum(body)
            sent = self._client.upload_part(
                **self._place, UploadId=self._upload_id, PartNumber=number, Body=body, ChecksumSHA256=checksum
            )
            self._parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": checksum})


def _checksum(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def parse_address(url: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix`; raises ValueError for anything else."""
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{url!r} is no place for blobs; allowed are database and s3://bucket/prefix")
    return parts.netloc, parts.path.strip("/")
