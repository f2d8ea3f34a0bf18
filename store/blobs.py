"""Content of any size in the database: rows of 1 MiB, named by the sha256 of the whole, never whole in memory."""

import hashlib
import time
from collections.abc import Iterator
from typing import Protocol

from sqlalchemy import ColumnElement, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from store.clock import from_now
from store.database import Database
from store.dataset_tables import dataset_parts
from store.errors import BlobDamaged, BlobNotFound
from store.tables import artifacts, blob_chunks, blobs, jobs, previous_checkpoints
from store.values import Blob

CHUNK_BYTES = 1 << 20
CHUNKS_AT_ONCE = 16  # are removed in one transaction, which takes hundredths of a second
GRACE_SECONDS = 3600.0  # between a blob's last touch and the row that refers to it


class Stream(Protocol):
    """Anything to read bytes from, such as an open binary file."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...


def put(database: Database, stream: Stream) -> Blob:
    """Store all that the stream gives; content that is there already is not stored twice.

    Runs in its own short transactions, one a chunk; until the last commits, nothing of the blob can be seen. Refer to
    the blob (leases.add_artifact, leases.save_checkpoint) within GRACE_SECONDS, or collect_garbage may take it.
    """
    with database.begin() as session:
        row_id = session.execute(insert(blobs).values(touched_at=from_now())).inserted_primary_key[0]
    digest, size = hashlib.sha256(), 0
    for number, chunk in enumerate(_chunks(stream)):
        digest.update(chunk)
        size += len(chunk)
        with database.begin() as session:
            session.execute(insert(blob_chunks).values(blob_id=row_id, number=number, data=chunk))
            session.execute(update(blobs).where(blobs.c.id == row_id).values(touched_at=from_now()))
    blob = Blob(digest.hexdigest(), size)
    try:
        _name(database, row_id, blob)
    except IntegrityError:  # the same content was named by another in this moment
        _name(database, row_id, blob)
    return blob


def _chunks(stream: Stream) -> Iterator[bytes]:
    """Pieces of exactly CHUNK_BYTES but the last, however short the stream's reads are."""
    pending = bytearray()
    while piece := stream.read(CHUNK_BYTES - len(pending)):
        pending += piece
        if len(pending) == CHUNK_BYTES:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)


def _name(database: Database, row_id: int, blob: Blob) -> None:
    """Make the chunks of `row_id` the blob, or drop them where the content is known."""
    with database.begin() as session:
        known = update(blobs).where(blobs.c.sha256 == blob.sha256).values(touched_at=from_now())
        if session.execute(known).rowcount:
            session.execute(delete(blobs).where(blobs.c.id == row_id))
            return
        named = {"sha256": blob.sha256, "size_bytes": blob.size_bytes, "touched_at": from_now()}
        session.execute(update(blobs).where(blobs.c.id == row_id).values(named))


def size_of(database: Database, sha256: str) -> int:
    """The size of a blob in bytes; raises BlobNotFound."""
    return _find(database, sha256)[1]


def open_range(database: Database, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """The bytes `start:stop`, as Python slices, in pieces of at most 1 MiB. Raises BlobNotFound at once.

    Each piece is its own short read, so that a slow reader holds no transaction open.
    """
    row_id, size = _find(database, sha256)
    start, stop, _ = slice(start, stop).indices(size)
    return _pieces(database, sha256, row_id, start, stop) if start < stop else iter(())


def read_whole(database: Database, sha256: str) -> Iterator[bytes]:
    """All bytes of a blob, in pieces of at most 1 MiB. Raises BlobNotFound at once, and BlobDamaged in place of the
    last piece where the bytes do not have the sha256: a reader that counts bytes never takes them for whole.
    """
    pieces = open_range(database, sha256)
    return _verified(pieces, sha256)


def _verified(pieces: Iterator[bytes], sha256: str) -> Iterator[bytes]:
    digest, held = hashlib.sha256(), b""
    for piece in pieces:
        if held:
            yield held
        digest.update(piece)
        held = piece
    if digest.hexdigest() != sha256:
        raise BlobDamaged(sha256)
    if held:
        yield held


def _find(database: Database, sha256: str) -> tuple[int, int]:
    with database.read() as session:
        row = session.execute(select(blobs.c.id, blobs.c.size_bytes).where(blobs.c.sha256 == sha256)).first()
    if row is None:
        raise BlobNotFound(sha256)
    return row.id, row.size_bytes


def _pieces(database: Database, sha256: str, row_id: int, start: int, stop: int) -> Iterator[bytes]:
    for number in range(start // CHUNK_BYTES, -(-stop // CHUNK_BYTES)):
        wanted = (blob_chunks.c.blob_id == row_id, blob_chunks.c.number == number)
        with database.read() as session:
            data = session.execute(select(blob_chunks.c.data).where(*wanted)).scalar_one_or_none()
        if data is None:
            raise BlobDamaged(sha256)
        offset = number * CHUNK_BYTES
        yield data[max(start - offset, 0) : stop - offset]


def discard(session: Session, sha256: str) -> None:
    """Take the name from a damaged blob that nothing refers to any more, so that the same content can be stored again;
    collect_garbage removes its bytes."""
    session.execute(update(blobs).where(blobs.c.sha256 == sha256, ~_is_used()).values(sha256=None))


def collect_garbage(database: Database, grace_seconds: float = GRACE_SECONDS) -> int:
    """Remove blobs, whole or half written, that nothing refers to and nobody touched for so long; returns how many.

    In many short transactions: removing gigabytes at once would hold SQLite's write lock for a minute. A blob loses its
    name first, so that no `put` can refer to one that is partly gone.
    """
    with database.begin() as session:
        old = blobs.c.touched_at < from_now(-grace_seconds)
        unnamed = update(blobs).where(~_is_used(), old, blobs.c.sha256.is_not(None))
        session.execute(unnamed.values(sha256=None))
    removed = 0
    while (row_id := _nameless(database, grace_seconds)) is not None:
        while _remove_chunks(database, row_id):
            time.sleep(0)  # others may have the turn
        with database.begin() as session:
            removed += session.execute(delete(blobs).where(blobs.c.id == row_id)).rowcount
    return removed


def _nameless(database: Database, grace_seconds: float) -> int | None:
    wanted = (blobs.c.sha256.is_(None), blobs.c.touched_at < from_now(-grace_seconds))
    with database.read() as session:
        return session.execute(select(blobs.c.id).where(*wanted).limit(1)).scalar_one_or_none()


def _remove_chunks(database: Database, row_id: int) -> int:
    """Remove some chunks of a blob, in one transaction; how many."""
    some = select(blob_chunks.c.number).where(blob_chunks.c.blob_id == row_id).limit(CHUNKS_AT_ONCE)
    with database.begin() as session:
        removed = delete(blob_chunks).where(blob_chunks.c.blob_id == row_id, blob_chunks.c.number.in_(some))
        count: int = session.execute(removed).rowcount
        return count


def _is_used() -> ColumnElement[bool]:
    return or_(
        exists().where(artifacts.c.sha256 == blobs.c.sha256),
        exists().where(jobs.c.checkpoint_sha256 == blobs.c.sha256),
        exists().where(previous_checkpoints.c.sha256 == blobs.c.sha256),
        exists().where(dataset_parts.c.sha256 == blobs.c.sha256),
    )
