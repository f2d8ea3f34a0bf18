"""The object store by itself: its refusals and absences have names, and its addresses are good for clients."""

import secrets
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from store.errors import BlobStoreAway, BlobStoreRefused, ObjectMissing
from store.object_store import PART_BYTES, ObjectStore, S3Address, parse_address

pytestmark = pytest.mark.servers


def put(objects: ObjectStore, key: str, *parts: bytes) -> None:
    upload = objects.upload(key)
    for part in parts:
        upload.add(part)
    upload.finish()


def test_parts_make_one_object(object_store: ObjectStore) -> None:
    parts = [bytes([number]) * PART_BYTES for number in range(2)] + [b"end"]
    put(object_store, "a/b", *parts)
    assert object_store.size_of("a/b") == 2 * PART_BYTES + 3
    assert object_store.read("a/b", PART_BYTES - 1, PART_BYTES + 1) == b"\0\1"
    assert object_store.read("a/b", 2 * PART_BYTES, 2 * PART_BYTES + 99) == b"end"


def test_what_is_not_there_is_missing_and_may_be_deleted(object_store: ObjectStore) -> None:
    object_store.delete("none")
    for ask in (lambda: object_store.read("none", 0, 1), lambda: object_store.size_of("none")):
        with pytest.raises(ObjectMissing, match="none"):
            ask()


def test_a_bucket_that_is_not_there_is_told_and_can_be_made(s3_address: S3Address) -> None:
    objects = ObjectStore(replace(s3_address, bucket=f"retort-test-{secrets.token_hex(6)}"))
    with pytest.raises(BlobStoreRefused, match=objects.address.bucket):
        objects.check()
    assert [objects.make_bucket(), objects.make_bucket()] == [True, False]
    objects.check()


def test_a_wrong_key_is_refused(s3_address: S3Address) -> None:
    objects = ObjectStore(replace(s3_address, secret_access_key="wrong"))
    with pytest.raises(BlobStoreRefused):
        objects.check()
    with pytest.raises(BlobStoreRefused):
        put(objects, "a", b"x")


def test_a_store_that_does_not_listen_is_away(s3_address: S3Address) -> None:
    with pytest.raises(BlobStoreAway):
        ObjectStore(replace(s3_address, endpoint="http://127.0.0.1:9")).check()


def test_keys_are_those_below_the_prefix(object_store: ObjectStore) -> None:
    put(object_store, "aa/1", b"xyz")
    assert list(object_store.keys(older_than_seconds=-60)) == [("aa/1", 3)]
    assert list(object_store.keys(older_than_seconds=60)) == []
    assert list(ObjectStore(object_store.address, redirect_seconds=1).keys(older_than_seconds=-60)) == [("aa/1", 3)]


def test_a_signed_address_gives_the_bytes_under_the_name_of_the_file_and_nothing_else(
    object_store: ObjectStore,
) -> None:
    put(object_store, "aa/1", b"content")
    url = object_store.presigned_url("aa/1", media_type="x/y", disposition='attachment; filename="model.bin"')
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Range": "bytes=3-"})) as answer:
        assert (answer.status, answer.read()) == (206, b"tent")
        assert answer.headers["Content-Type"] == "x/y"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="model.bin"'
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url.replace("aa/1", "aa/2"))


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "https://x/y", "s3://k:s@bucket", "s3://b?x=1", "", "Database"])
def test_other_places_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="allowed are database and s3://bucket/prefix"):
        parse_address(url)


def test_places_are_a_bucket_and_a_prefix() -> None:
    assert parse_address("s3://models") == ("models", "")
    assert parse_address("s3://models/a/b/") == ("models", "a/b")
