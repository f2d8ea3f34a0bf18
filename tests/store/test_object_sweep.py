"""Objects that no blob names, as a restored database leaves them: found, and removed on request alone."""

import io
from dataclasses import replace

import pytest

from store import blobs, object_sweep
from store.database import open_database
from store.errors import BlobStoreRefused
from store.object_store import ObjectStore

pytestmark = pytest.mark.servers


def test_only_what_no_blob_names_is_removed_and_only_on_request(
    sqlite_url: str, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database = replace(open_database(sqlite_url), objects=object_store)
    kept = blobs.put(database, io.BytesIO(b"kept"))
    upload = object_store.upload("zz/stray")
    upload.add(b"stray")
    upload.finish()
    monkeypatch.setattr(object_sweep, "open_from", lambda settings: database)
    assert list(object_sweep.orphans(database)) == []  # a day old at least
    assert list(object_sweep.orphans(database, -60)) == [("zz/stray", 5)]
    for arguments in ([], ["--delete"]):
        assert object_sweep.main([*arguments, "--older-than-seconds=-60"]) == 0
        assert "zz/stray\n1 objects of 5 bytes" in capsys.readouterr().out
    assert list(object_sweep.orphans(database, -60)) == []
    assert b"".join(blobs.read_whole(database, kept.sha256)) == b"kept"


def test_without_an_object_store_there_is_nothing_to_look_into(sqlite_url: str) -> None:
    with pytest.raises(BlobStoreRefused, match="RETORT_BLOB_STORE"):
        list(object_sweep.orphans(open_database(sqlite_url)))
