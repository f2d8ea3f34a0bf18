"""Content in pieces: whole or absent, once, in any slice, and never whole in memory."""

import hashlib
import io
import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from store import blobs, leases
from store.blob_bytes import CHUNK_BYTES
from store.clock import from_now
from store.database import Database, open_database
from store.errors import BlobDamaged, BlobNotFound, BlobStoreRefused
from store.object_store import ObjectStore
from store.tables import blob_chunks
from store.tables import blobs as blobs_table
from store.values import CheckpointRef, JobWarning
from tests.conftest import BOTH
from tests.store.conftest import Bench

MiB = 1 << 20
# A third store beside the two databases: bytes in an object store, the rest in SQLite.
STORES = [*BOTH, pytest.param("objects", marks=pytest.mark.servers)]


@pytest.fixture(params=STORES)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database with each kind of store for blobs in turn."""
    with_objects = request.param == "objects"
    url = request.getfixturevalue("sqlite_url" if with_objects else f"{request.param}_url")
    objects = request.getfixturevalue("object_store") if with_objects else None
    opened = replace(open_database(url), objects=objects)
    yield opened
    opened.close()


def num_parts(database: Database) -> int:
    """How many rows of bytes there are, or objects."""
    if database.objects is not None:
        return len(list(database.objects.keys(older_than_seconds=-60)))
    return count(database, blob_chunks)


def key_of(database: Database, sha256: str) -> str:
    with database.read() as session:
        return session.execute(select(blobs_table.c.object_key).where(blobs_table.c.sha256 == sha256)).scalar_one()


class Drip(io.RawIOBase):
    """Gives `size` bytes that no compressor likes, a few at a time, without holding them."""

    def __init__(self, size: int, most: int = 300_000) -> None:
        self.left, self.most = size, most
        self.random = random.Random(size)
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self.random.randbytes(min(size, self.most, self.left))
        self.left -= len(piece)
        self.sha256.update(piece)
        return piece


def count(database: Database, table: Any) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])
def test_what_goes_in_comes_out(database: Database, size: Any) -> None:
    content = random.Random(size).randbytes(size)
    blob = blobs.put(database, io.BytesIO(content))
    assert (blob.sha256, blob.size_bytes) == (hashlib.sha256(content).hexdigest(), size)
    assert b"".join(blobs.open_range(database, blob.sha256)) == content
    assert num_parts(database) == (1 if database.objects else -(-size // CHUNK_BYTES))


def test_fifty_megabytes_pass_through_little_memory(database: Database) -> None:
    stream = Drip(50 * MiB)
    tracemalloc.start()
    try:
        blob = blobs.put(database, stream)
        read = hashlib.sha256()
        for piece in blobs.open_range(database, blob.sha256):
            read.update(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert blob.size_bytes == 50 * MiB
    assert blob.sha256 == stream.sha256.hexdigest() == read.hexdigest()
    # PostgreSQL's client holds a few copies of a chunk, that of the object store a few of a part of 8 MiB.
    assert peak < (40 if database.objects else 12) * MiB


def test_ranges_are_slices(database: Database) -> None:
    content = random.Random(7).randbytes(3 * CHUNK_BYTES + 77)
    sha256 = blobs.put(database, io.BytesIO(content)).sha256
    edges = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, len(content) - 1, len(content)]
    edges += [len(content) + 5]
    for start in edges:
        for stop in [*edges, None]:
            assert b"".join(blobs.open_range(database, sha256, start, stop)) == content[start:stop], (start, stop)


def test_the_same_content_is_stored_once(database: Database) -> None:
    content = random.Random(1).randbytes(CHUNK_BYTES + 5)
    first = blobs.put(database, io.BytesIO(content))
    assert blobs.put(database, io.BytesIO(content)) == first
    assert blobs.collect_garbage(database) == (1 if database.objects else 0)  # the object that came second
    assert (count(database, blobs_table), num_parts(database)) == (1, 1 if database.objects else 2)
    assert b"".join(blobs.read_whole(database, first.sha256)) == content


def test_a_torn_write_is_invisible_and_collected(database: Database) -> None:
    class Torn(Drip):
        def read(self, size: int = -1) -> bytes:
            if self.left < MiB:
                raise ConnectionResetError("the sender went away")
            return super().read(size)

    torn = Torn(27 * MiB)  # three parts for an object store, and a piece
    with pytest.raises(ConnectionResetError):
        blobs.put(database, torn)
    assert num_parts(database) == (0 if database.objects else 26)
    with pytest.raises(BlobNotFound):
        blobs.open_range(database, torn.sha256.hexdigest())
    assert blobs.collect_garbage(database) == 0  # it may still be growing
    assert blobs.collect_garbage(database, grace_seconds=-1) == 1
    assert (count(database, blobs_table), num_parts(database)) == (0, 0)
    assert uploads_of(database) == []


def test_garbage_is_what_nothing_refers_to_and_nobody_touched(bench: Bench) -> None:
    lease = bench.running()
    artifact, checkpoint, older, stray = (bench.blob(name) for name in (b"artifact", b"new", b"old", b"stray"))
    bench.do(leases.add_artifact, lease, "model", "x/y", artifact, 8)
    oldest = bench.blob(b"oldest")
    bench.do(leases.save_checkpoint, lease, oldest, "c0", 0)
    bench.do(leases.save_checkpoint, lease, older, "c1", 1)
    bench.do(leases.save_checkpoint, lease, checkpoint, "c2", 2)
    assert blobs.collect_garbage(bench.database) == 0
    assert blobs.collect_garbage(bench.database, grace_seconds=-1) == 2
    for gone in (oldest, stray):
        with pytest.raises(BlobNotFound, match=gone):
            blobs.open_range(bench.database, gone)
    assert blobs.size_of(bench.database, artifact) == 8
    assert b"".join(blobs.open_range(bench.database, checkpoint)) == b"new"


def test_putting_known_content_again_saves_it_from_collection(database: Database) -> None:
    sha256 = blobs.put(database, io.BytesIO(b"x")).sha256
    for is_saved in (True, False):  # and not, were it not for the second put
        with database.begin() as session:
            session.execute(update(blobs_table).values(touched_at=from_now(-7200)))
        if is_saved:
            blobs.put(database, io.BytesIO(b"x"))
        blobs.collect_garbage(database)
        assert _is_there(database, sha256) == is_saved


@pytest.mark.servers
def test_blobs_of_the_database_stay_there_when_the_setting_changes(sqlite_url: str, object_store: ObjectStore) -> None:
    before = open_database(sqlite_url)
    after = replace(before, objects=object_store)
    old, new = blobs.put(before, io.BytesIO(b"old")), blobs.put(after, io.BytesIO(b"new"))
    assert [b"".join(blobs.read_whole(after, blob.sha256)) for blob in (old, new)] == [b"old", b"new"]
    with pytest.raises(BlobStoreRefused, match="RETORT_BLOB_STORE"):
        blobs.open_range(before, new.sha256)
    assert blobs.collect_garbage(before, grace_seconds=-1) == 1  # what is in the object store waits
    assert blobs.collect_garbage(after, grace_seconds=-1) == 1
    before.close()


def test_a_slow_reader_stops_no_writer(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    pieces = blobs.open_range(database, blobs.put(database, Drip(3 * MiB)).sha256)
    next(pieces)
    blobs.put(database, io.BytesIO(b"written meanwhile"))
    assert sum(map(len, pieces)) == 2 * MiB
    database.close()


def uploads_of(database: Database) -> list[Any]:
    """What the object store keeps of uploads that never ended, which costs money and cannot be seen."""
    if database.objects is None:
        return []
    address = database.objects.address
    return database.objects._client.list_multipart_uploads(Bucket=address.bucket).get("Uploads", [])


def flip_a_bit(database: Database, sha256: str, number: int, place: int) -> None:
    """As a disk may: in one chunk of a blob."""
    if database.objects is not None:
        key = key_of(database, sha256)
        content = bytearray(database.objects.read(key, 0, database.objects.size_of(key)))
        content[number * CHUNK_BYTES + place] ^= 1
        upload = database.objects.upload(key)
        upload.add(bytes(content))
        return upload.finish()
    with database.begin() as session:
        wanted = (blob_chunks.c.blob_id == blobs_table.c.id, blobs_table.c.sha256 == sha256)
        row = session.execute(select(blob_chunks).where(*wanted, blob_chunks.c.number == number)).one()
        data = bytearray(row.data)
        data[place] ^= 1
        mine = (blob_chunks.c.blob_id == row.blob_id, blob_chunks.c.number == number)
        session.execute(update(blob_chunks).where(*mine).values(data=bytes(data)))


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 7])
def test_a_whole_read_gives_what_was_stored(database: Database, size: int) -> None:
    content = random.Random(size).randbytes(size)
    blob = blobs.put(database, io.BytesIO(content))
    assert b"".join(blobs.read_whole(database, blob.sha256)) == content


@pytest.mark.parametrize(("number", "place"), [(0, 0), (1, 500), (2, 6)])
def test_one_flipped_bit_is_found_before_the_last_piece_is_given(database: Database, number: int, place: int) -> None:
    content = random.Random(5).randbytes(2 * CHUNK_BYTES + 7)
    blob = blobs.put(database, io.BytesIO(content))
    flip_a_bit(database, blob.sha256, number, place)
    taken = 0
    with pytest.raises(BlobDamaged, match=blob.sha256):
        for piece in blobs.read_whole(database, blob.sha256):
            taken += len(piece)
    assert taken < len(content)


def test_lost_bytes_are_damage(database: Database) -> None:
    blob = blobs.put(database, io.BytesIO(bytes(CHUNK_BYTES + 5)))
    if database.objects is not None:
        database.objects.delete(key_of(database, blob.sha256))
    with database.begin() as session:
        session.execute(delete(blob_chunks).where(blob_chunks.c.number == 1))
    for read in (blobs.read_whole, blobs.open_range):
        with pytest.raises(BlobDamaged):
            list(read(database, blob.sha256))


def test_a_dropped_blob_can_be_stored_again(bench: Bench) -> None:
    content = b"state of step 7"
    blob = blobs.put(bench.database, io.BytesIO(content))
    flip_a_bit(bench.database, blob.sha256, 0, 3)
    lease = bench.running()
    bench.do(leases.save_checkpoint, lease, blob.sha256, "checkpoints/7.pt", 7)
    bench.do(blobs.discard, blob.sha256)
    with pytest.raises(BlobDamaged):  # a job refers to it: it stays
        list(blobs.read_whole(bench.database, blob.sha256))
    bench.do(leases.drop_checkpoint, lease, CheckpointRef(blob.sha256, "checkpoints/7.pt", 7), JobWarning("X", "x"))
    with pytest.raises(BlobNotFound):
        blobs.size_of(bench.database, blob.sha256)
    assert blobs.put(bench.database, io.BytesIO(content)).sha256 == blob.sha256
    assert b"".join(blobs.read_whole(bench.database, blob.sha256)) == content


def test_the_checkpoint_before_the_last_is_kept_as_long_as_its_job(bench: Bench) -> None:
    lease = bench.running()
    hashes = [blobs.put(bench.database, io.BytesIO(bytes([step]) * 9)).sha256 for step in range(3)]
    for step, sha256 in enumerate(hashes):
        bench.do(leases.save_checkpoint, lease, sha256, f"checkpoints/{step}.pt", step)
    assert blobs.collect_garbage(bench.database, grace_seconds=-1) == 1
    assert [_is_there(bench.database, sha256) for sha256 in hashes] == [False, True, True]


def _is_there(database: Database, sha256: str) -> bool:
    try:
        return blobs.size_of(database, sha256) >= 0
    except BlobNotFound:
        return False
