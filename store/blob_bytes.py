"""Where the bytes of a blob are: in rows of 1 MiB of the database, or in one object of the object store.

Which of the two is a fact of each blob, so that both can be read after the setting was changed.
"""

import time
from collections.abc import Iterator
from typing import Any, Protocol

from sqlalchemy import Row, delete, insert, select, update
from ulid import ULID

from store.clock import from_now
from store.database import Database
from store.errors import BlobDamaged, BlobStoreRefused, ObjectMissing
from store.object_store import PART_BYTES, PIECE_BYTES, ObjectStore, Upload
from store.tables import blob_chunks, blobs

CHUNK_BYTES = 1 << 20
CHUNKS_AT_ONCE = 16  # are removed in one transaction, which takes hundredths of a second


class Writer(Protocol):
    """Takes the bytes of one new blob in parts of `part_bytes`, the last of which may be shorter."""

    row_id: int
    part_bytes: int

    def add(self, number: int, part: bytes) -> None:
        """Store part `number`, from 0."""
        ...

    def finish(self) -> None:
        """All parts are there."""
        ...


def new_writer(database: Database) -> Writer:
    """A writer with a row of its own in `blobs`, which has no name yet. An object has its row before it has a byte, so
    that none is ever lost from sight."""
    key = None if database.objects is None else _new_key()
    with database.begin() as session:
        row = insert(blobs).values(touched_at=from_now(), object_key=key)
        row_id: int = session.execute(row).inserted_primary_key[0]
    if database.objects is None or key is None:
        return _ChunkWriter(database, row_id)
    return _ObjectWriter(database, row_id, database.objects.upload(key))


def _new_key() -> str:
    """Random characters first: stores spread the load by the beginning of a key."""
    name = str(ULID()).lower()
    return f"{name[-2:]}/{name}"


class _ChunkWriter:
    part_bytes = CHUNK_BYTES

    def __init__(self, database: Database, row_id: int) -> None:
        self._database = database
        self.row_id = row_id

    def add(self, number: int, part: bytes) -> None:
        with self._database.begin() as session:
            session.execute(insert(blob_chunks).values(blob_id=self.row_id, number=number, data=part))
            session.execute(update(blobs).where(blobs.c.id == self.row_id).values(touched_at=from_now()))

    def finish(self) -> None:
        pass


class _ObjectWriter:
    part_bytes = PART_BYTES

    def __init__(self, database: Database, row_id: int, upload: Upload) -> None:
        self._database = database
        self.row_id = row_id
        self._upload = upload

    def add(self, number: int, part: bytes) -> None:
        self._upload.add(part)
        with self._database.begin() as session:
            session.execute(update(blobs).where(blobs.c.id == self.row_id).values(touched_at=from_now()))

    def finish(self) -> None:
        self._upload.finish()


def pieces(database: Database, row: Row[Any], start: int, stop: int) -> Iterator[bytes]:
    """The bytes `start:stop` of the blob of a row of `blobs`. Each piece is its own short read, so that a slow reader
    holds neither a transaction nor a connection. Raises BlobDamaged where bytes are missing."""
    if row.object_key is None:
        return _of_rows(database, row, start, stop)
    return _of_object(objects_of(database), row, start, stop)


def objects_of(database: Database) -> ObjectStore:
    """The object store; raises BlobStoreRefused where the settings name none."""
    if database.objects is None:
        raise BlobStoreRefused("of this blob", "RETORT_BLOB_STORE is database, and the blob is in an object store")
    return database.objects


def _of_rows(database: Database, row: Row[Any], start: int, stop: int) -> Iterator[bytes]:
    for number in range(start // CHUNK_BYTES, -(-stop // CHUNK_BYTES)):
        wanted = (blob_chunks.c.blob_id == row.id, blob_chunks.c.number == number)
        with database.read() as session:
            data = session.execute(select(blob_chunks.c.data).where(*wanted)).scalar_one_or_none()
        if data is None:
            raise BlobDamaged(row.sha256)
        offset = number * CHUNK_BYTES
        yield data[max(start - offset, 0) : stop - offset]


def _of_object(objects: ObjectStore, row: Row[Any], start: int, stop: int) -> Iterator[bytes]:
    for first in range(start, stop, PIECE_BYTES):
        last = min(first + PIECE_BYTES, stop)
        try:
            data = objects.read(row.object_key, first, last)
        except ObjectMissing as error:
            raise BlobDamaged(row.sha256) from error
        if len(data) != last - first:
            raise BlobDamaged(row.sha256)
        yield data


def remove(database: Database, row: Row[Any]) -> None:
    """Remove the bytes of a row of `blobs`, in short transactions."""
    if row.object_key is not None:
        objects_of(database).delete(row.object_key)
    while _remove_chunks(database, row.id):
        time.sleep(0)  # others may have the turn


def _remove_chunks(database: Database, row_id: int) -> int:
    """Remove some chunks of a blob, in one transaction; how many."""
    some = select(blob_chunks.c.number).where(blob_chunks.c.blob_id == row_id).limit(CHUNKS_AT_ONCE)
    with database.begin() as session:
        removed = delete(blob_chunks).where(blob_chunks.c.blob_id == row_id, blob_chunks.c.number.in_(some))
        count: int = session.execute(removed).rowcount
        return count
