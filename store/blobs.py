"""Content of any size, named by the sha256 of the whole, never whole in memory; its bytes are where blob_bytes says."""

import hashlib
from collections.abc import Iterator
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Row, and_, delete, exists, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from store.blob_bytes import new_writer, pieces, remove
from store.clock import from_now
from store.database import Database
from store.dataset_tables import dataset_parts
from store.errors import BlobDamaged, BlobNotFound
from store.tables import artifacts, blobs, jobs, previous_checkpoints
from store.values import Blob

GRACE_SECONDS = 3600.0  # between a blob's last touch and the row that refers to it


class Stream(Protocol):
    """Anything to read bytes from, such as an open binary file."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...


def put(database: Database, stream: Stream) -> Blob:
    """Store all that the stream gives; content that is there already is not stored twice.

    Runs in its own short transactions, one a part; until the last commits, nothing of the blob can be seen. Refer to
    the blob (leases.add_artifact, leases.save_checkpoint) within GRACE_SECONDS, or collect_garbage may take it.
    """
    writer = new_writer(database)
    digest, size = hashlib.sha256(), 0
    for number, part in enumerate(_parts(stream, writer.part_bytes)):
        digest.update(part)
        size += len(part)
        writer.add(number, part)
    writer.finish()
    blob = Blob(digest.hexdigest(), size)
    try:
        _name(database, writer.row_id, blob)
    except IntegrityError:  # the same content was named by another in this moment
        _name(database, writer.row_id, blob)
    return blob


def _parts(stream: Stream, part_bytes: int) -> Iterator[bytes]:
    """Parts of exactly `part_bytes` but the last, however short the stream's reads are."""
    pending = bytearray()
    while piece := stream.read(part_bytes - len(pending)):
        pending += piece
        if len(pending) == part_bytes:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)


def _name(database: Database, row_id: int, blob: Blob) -> None:
    """Make what `row_id` holds the blob, or drop it where the content is known: an object by collect_garbage."""
    with database.begin() as session:
        known = update(blobs).where(blobs.c.sha256 == blob.sha256).values(touched_at=from_now())
        if session.execute(known).rowcount:
            session.execute(delete(blobs).where(blobs.c.id == row_id, blobs.c.object_key.is_(None)))
            object_row = update(blobs).where(blobs.c.id == row_id)
            session.execute(object_row.values(touched_at=from_now(-GRACE_SECONDS)))
            return
        named = {"sha256": blob.sha256, "size_bytes": blob.size_bytes, "touched_at": from_now()}
        session.execute(update(blobs).where(blobs.c.id == row_id).values(named))


def size_of(database: Database, sha256: str) -> int:
    """The size of a blob in bytes; raises BlobNotFound."""
    size: int = _find(database, sha256).size_bytes
    return size


def open_range(database: Database, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """The bytes `start:stop`, as Python slices, in pieces of at most 4 MiB. Raises BlobNotFound at once.

    Each piece is its own short read, so that a slow reader holds no transaction open.
    """
    row = _find(database, sha256)
    start, stop, _ = slice(start, stop).indices(row.size_bytes)
    return pieces(database, row, start, stop) if start < stop else iter(())


def presigned_url(database: Database, sha256: str, *, media_type: str, disposition: str) -> str | None:
    """An address in the object store that the blob can be downloaded from, without a key, for some minutes; None where
    the blob is in the database, or where the settings say that the API sends all bytes itself. Raises BlobNotFound."""
    objects, key = database.objects, _find(database, sha256).object_key
    if objects is None or objects.redirect_seconds is None or key is None:
        return None
    return objects.presigned_url(key, media_type=media_type, disposition=disposition)


def read_whole(database: Database, sha256: str) -> Iterator[bytes]:
    """All bytes of a blob, in pieces of at most 4 MiB. Raises BlobNotFound at once, and BlobDamaged in place of the
    last piece where the bytes do not have the sha256: a reader that counts bytes never takes them for whole.
    """
    return _verified(open_range(database, sha256), sha256)


def _verified(content: Iterator[bytes], sha256: str) -> Iterator[bytes]:
    digest, held = hashlib.sha256(), b""
    for piece in content:
        if held:
            yield held
        digest.update(piece)
        held = piece
    if digest.hexdigest() != sha256:
        raise BlobDamaged(sha256)
    if held:
        yield held


def _find(database: Database, sha256: str) -> Row[Any]:
    with database.read() as session:
        row = session.execute(select(blobs).where(blobs.c.sha256 == sha256)).first()
    if row is None:
        raise BlobNotFound(sha256)
    return row


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
    while (row := _nameless(database, grace_seconds)) is not None:
        remove(database, row)
        with database.begin() as session:
            removed += session.execute(delete(blobs).where(blobs.c.id == row.id)).rowcount
    return removed


def is_garbage(grace_seconds: float) -> ColumnElement[bool]:
    """The condition on `blobs` of what collect_garbage would remove."""
    return and_(~_is_used(), blobs.c.touched_at < from_now(-grace_seconds))


def _nameless(database: Database, grace_seconds: float) -> Row[Any] | None:
    """One to remove. Without the object store, what is in it has to wait."""
    wanted = [blobs.c.sha256.is_(None), blobs.c.touched_at < from_now(-grace_seconds)]
    if database.objects is None:
        wanted.append(blobs.c.object_key.is_(None))
    with database.read() as session:
        return session.execute(select(blobs).where(*wanted).limit(1)).first()


def _is_used() -> ColumnElement[bool]:
    return or_(
        exists().where(artifacts.c.sha256 == blobs.c.sha256),
        exists().where(jobs.c.checkpoint_sha256 == blobs.c.sha256),
        exists().where(previous_checkpoints.c.sha256 == blobs.c.sha256),
        exists().where(dataset_parts.c.sha256 == blobs.c.sha256),
    )
