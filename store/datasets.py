"""Uploaded datasets: begun with a size, received in parts, whole when the last byte is there and checked."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session
from ulid import ULID

from store import blobs
from store.callers import Caller
from store.clock import from_now
from store.database import Database
from store.dataset_tables import dataset_parts, datasets
from store.errors import DatasetDamaged, DatasetInUse, DatasetNotFound, OffsetConflict
from store.states import TERMINAL
from store.tables import jobs
from store.values import Blob

SCHEME = "dataset:"


@dataclass(frozen=True)
class Dataset:
    """An uploaded dataset as it stands; jobs name it by `uri`. `sha256` is None until it is known."""

    id: str
    name: str
    filename: str
    size_bytes: int
    received_bytes: int
    sha256: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None

    @property
    def uri(self) -> str:
        """What a job writes as its dataset."""
        return f"{SCHEME}{self.id}"

    @property
    def state(self) -> Literal["uploading", "ready"]:
        """`ready` once every byte is there and checked."""
        return "uploading" if self.completed_at is None else "ready"


def begin(
    session: Session, caller: Caller, *, name: str, filename: str, size_bytes: int, sha256: str | None = None
) -> tuple[Dataset, bool]:
    """The dataset to upload, and whether it is new. One with the same `sha256` and size that the tenant has, whole or
    half uploaded, is not begun again.
    """
    if sha256 is not None:
        same = (datasets.c.tenant == caller.tenant, datasets.c.sha256 == sha256, datasets.c.size_bytes == size_bytes)
        known = session.execute(select(datasets).where(*same).order_by(datasets.c.completed_at.is_(None))).first()
        if known is not None:
            return _dataset(known), False
    row = {"id": f"ds_{ULID()}", "tenant": caller.tenant, "key_id": caller.key_id, "name": name, "filename": filename}
    facts = {"size_bytes": size_bytes, "received_bytes": 0, "sha256": sha256}
    session.execute(insert(datasets).values(**row, **facts, created_at=from_now(), updated_at=from_now()))
    return get(session, caller.tenant, row["id"] or ""), True


def get(session: Session, tenant: str, dataset_id: str) -> Dataset:
    """The dataset; raises DatasetNotFound, also for one of another tenant."""
    row = session.execute(select(datasets).where(*_of(tenant, dataset_id))).first()
    if row is None:
        raise DatasetNotFound(dataset_id)
    return _dataset(row)


def list_datasets(session: Session, tenant: str, *, limit: int, before: str | None = None) -> list[Dataset]:
    """The datasets of a tenant, the newest first; `before` is the id of the last one that was read."""
    wanted = [datasets.c.tenant == tenant, *([datasets.c.id < before] if before is not None else [])]
    rows = session.execute(select(datasets).where(*wanted).order_by(datasets.c.id.desc()).limit(limit))
    return [_dataset(row) for row in rows]


def expect(dataset: Dataset, offset: int) -> None:
    """Raise OffsetConflict where `offset` is not the byte that comes next."""
    if offset != dataset.received_bytes:
        raise OffsetConflict(dataset.id, dataset.received_bytes, offset)


def append(session: Session, tenant: str, dataset_id: str, part: Blob, *, offset: int) -> int:
    """Add a part that begins at `offset`, a stored blob; the bytes that are there now. Raises DatasetNotFound, and
    OffsetConflict where another byte is expected next.
    """
    received = offset + part.size_bytes
    wanted = (*_of(tenant, dataset_id), datasets.c.received_bytes == offset, datasets.c.size_bytes >= received)
    moved = update(datasets).where(*wanted).values(received_bytes=received, updated_at=from_now())
    if not session.execute(moved).rowcount:
        raise OffsetConflict(dataset_id, get(session, tenant, dataset_id).received_bytes, offset)
    count = select(func.count()).select_from(dataset_parts).where(dataset_parts.c.dataset_id == dataset_id)
    row = {"dataset_id": dataset_id, "number": session.execute(count).scalar_one(), "sha256": part.sha256}
    session.execute(insert(dataset_parts).values(row))
    return received


def complete(database: Database, tenant: str, dataset_id: str) -> Dataset:
    """Check all bytes of a dataset that has been received, and make it ready; as it is where it is ready, or is not all
    there. Raises DatasetDamaged, and removes it, where its sha256 is not what the client said.
    """
    with database.read() as session:
        found = get(session, tenant, dataset_id)
    if found.state == "ready" or found.received_bytes < found.size_bytes:
        return found
    digest = hashlib.sha256()
    for piece in read(database, dataset_id):
        digest.update(piece)
    if found.sha256 not in (None, digest.hexdigest()):
        with database.begin() as session:
            remove(session, tenant, dataset_id)
        raise DatasetDamaged(dataset_id, str(found.sha256), digest.hexdigest())
    with database.begin() as session:
        ready = {"sha256": digest.hexdigest(), "completed_at": from_now(), "updated_at": from_now()}
        session.execute(update(datasets).where(*_of(tenant, dataset_id)).values(ready))
        return get(session, tenant, dataset_id)


def read(database: Database, dataset_id: str) -> Iterator[bytes]:
    """The bytes that are there, each part checked against its sha256. Raises BlobDamaged, BlobNotFound."""
    with database.read() as session:
        wanted = select(dataset_parts.c.sha256).where(dataset_parts.c.dataset_id == dataset_id)
        parts = list(session.execute(wanted.order_by(dataset_parts.c.number)).scalars())
    for sha256 in parts:
        yield from blobs.read_whole(database, sha256)


def remove(session: Session, tenant: str, dataset_id: str) -> None:
    """Forget a dataset; the garbage collection removes its bytes. Raises DatasetNotFound, and DatasetInUse where a job
    that has not ended names it.
    """
    uri = get(session, tenant, dataset_id).uri
    named = or_(*(jobs.c.spec["dataset"][field].as_string() == uri for field in ("uri", "target_uri")))
    active = (jobs.c.tenant == tenant, jobs.c.state.not_in(TERMINAL), named)
    if (job_id := session.execute(select(jobs.c.id).where(*active).limit(1)).scalar_one_or_none()) is not None:
        raise DatasetInUse(dataset_id, job_id)
    session.execute(delete(dataset_parts).where(dataset_parts.c.dataset_id == dataset_id))
    session.execute(delete(datasets).where(*_of(tenant, dataset_id)))


def _of(tenant: str, dataset_id: str) -> tuple[Any, ...]:
    return datasets.c.tenant == tenant, datasets.c.id == dataset_id


def _dataset(row: Row[Any]) -> Dataset:
    facts = row._mapping
    return Dataset(**{name: facts[name] for name in Dataset.__dataclass_fields__})
