"""API keys: create, list, rotate, revoke, and find the caller that a key stands for."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, insert, or_, select, update
from sqlalchemy.orm import Session
from ulid import ULID

from store import credentials
from store.callers import Caller, Limits, Scope
from store.clock import from_now
from store.errors import KeyNotFound
from store.tables import api_keys

# The time of the last use is written at most once in so many seconds, not with every request.
TOUCH_SECONDS = 60.0


@dataclass(frozen=True)
class Key:
    """An API key as its owner sees it: everything but the secret."""

    id: str
    tenant: str
    name: str
    scope: Scope
    limits: Limits
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    previous_until: datetime | None  # until then the secret before the last rotation is accepted too


def create(
    session: Session,
    *,
    tenant: str,
    name: str,
    scope: Scope,
    expires_seconds: float | None = None,
    limits: Limits | None = None,
) -> tuple[Key, str]:
    """A new key and its text, which is stored nowhere and can be shown only now."""
    key_id = f"key_{ULID()}"
    text = credentials.new_key(key_id)
    row = {"id": key_id, "tenant": tenant, "name": name, "scope": scope, "secret_sha256": credentials.digest(text)}
    until = None if expires_seconds is None else from_now(expires_seconds)
    times = {"created_at": from_now(), "expires_at": until}
    session.execute(insert(api_keys).values(**row, **times, **asdict(limits or Limits())))
    return get(session, key_id), text


def get(session: Session, key_id: str) -> Key:
    """The key with this id; raises KeyNotFound, also for one that was revoked: list_keys still has it."""
    found = _find(session, key_id)
    if found.revoked_at is not None:
        raise KeyNotFound(key_id)
    return found


def _find(session: Session, key_id: str) -> Key:
    row = session.execute(select(api_keys).where(api_keys.c.id == key_id)).first()
    if row is None:
        raise KeyNotFound(key_id)
    return _key(row)


def list_keys(session: Session, *, limit: int = 100, after: str | None = None) -> Sequence[Key]:
    """Keys of all tenants, the newest first, revoked ones included; `after`: the last id of the page before."""
    wanted = select(api_keys).order_by(api_keys.c.id.desc()).limit(limit)
    if after is not None:
        wanted = wanted.where(api_keys.c.id < after)
    return [_key(row) for row in session.execute(wanted)]


def rotate(session: Session, key_id: str, overlap_seconds: float) -> tuple[Key, str]:
    """Give a key another secret; the secret before is accepted for `overlap_seconds`. Raises KeyNotFound.

    The id, and so the key's limits and its jobs, stay. A key that was revoked cannot be rotated.
    """
    text = credentials.new_key(key_id)
    values = {
        "secret_sha256": credentials.digest(text),
        "previous_sha256": api_keys.c.secret_sha256,
        "previous_until": from_now(overlap_seconds),
    }
    here = (api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    if session.execute(update(api_keys).where(*here).values(values)).rowcount == 0:
        raise KeyNotFound(key_id)
    return get(session, key_id), text


def revoke(session: Session, key_id: str) -> Key:
    """End a key for good, with the sessions that it opened; twice is once. Raises KeyNotFound."""
    here = (api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    session.execute(update(api_keys).where(*here).values(revoked_at=from_now()))
    return _find(session, key_id)


def is_valid() -> Any:
    """The condition of a key that is neither revoked nor expired."""
    unexpired = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > from_now())
    return and_(api_keys.c.revoked_at.is_(None), unexpired)


def find_caller(session: Session, text: str) -> Caller | None:
    """The caller that a key's text stands for; None where no valid key has this text."""
    key_id = credentials.key_id_of(text)
    if key_id is None:
        return None
    in_overlap = (api_keys.c.previous_until > from_now()).label("in_overlap")
    row = session.execute(select(*api_keys.c, in_overlap).where(api_keys.c.id == key_id, is_valid())).first()
    if row is None:
        return None
    digest = credentials.digest(text)
    is_previous = bool(row.in_overlap) and credentials.same(digest, row.previous_sha256 or "")
    return caller_of(row) if credentials.same(digest, row.secret_sha256) or is_previous else None


def touch(session: Session, key_id: str) -> None:
    """Write that a key is used now, unless that was written within TOUCH_SECONDS."""
    old = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < from_now(-TOUCH_SECONDS))
    session.execute(update(api_keys).where(api_keys.c.id == key_id, old).values(last_used_at=from_now()))


def caller_of(row: Any) -> Caller:
    """The caller of a row of api_keys."""
    return Caller(row.tenant, row.name, row.scope, row.id, _limits(row))


def _limits(row: Any) -> Limits:
    return Limits(row.max_queued_jobs, row.max_running_jobs, row.max_stored_bytes, row.requests_per_minute)


def _key(row: Any) -> Key:
    return Key(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        scope=row.scope,
        limits=_limits(row),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        previous_until=row.previous_until,
    )
