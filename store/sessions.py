"""Sessions of the dashboard, and the short-lived secrets that lead to one.

The database stores the SHA-256 of what a browser holds, so that a copy of the database opens no session. A session that
a key opened ends with the key.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.orm import Session

from store import credentials
from store.callers import Caller
from store.clock import from_now
from store.keys import caller_of, is_valid
from store.tables import api_keys, sessions

# session: of a browser; code: a link that signs in once.
Kind = Literal["session", "code"]


@dataclass(frozen=True)
class SignIn:
    """A session that is open: who signed in, and until when."""

    caller: Caller
    expires_at: datetime


def issue(session: Session, kind: Kind, caller: Caller, seconds: float) -> str:
    """Store a new secret that is valid for so many seconds; the secret itself, which only its holder has."""
    secret = credentials.new_session()
    who = {"tenant": caller.tenant, "name": caller.name, "scope": caller.scope, "key_id": caller.key_id}
    times = {"created_at": from_now(), "expires_at": from_now(seconds)}
    row = {"sha256": credentials.digest(secret), "kind": kind, **who, **times}
    session.execute(insert(sessions).values(row))
    return secret


def find(session: Session, secret: str, kind: Kind = "session") -> SignIn | None:
    """Who holds this secret; None where it is unknown or expired, or its key was revoked or has expired."""
    here = (sessions.c.sha256 == credentials.digest(secret), sessions.c.kind == kind)
    fresh = (sessions.c.expires_at > from_now(), or_(sessions.c.key_id.is_(None), is_valid()))
    joined = sessions.outerjoin(api_keys, sessions.c.key_id == api_keys.c.id)
    row = session.execute(select(sessions).select_from(joined).where(*here, *fresh)).first()
    if row is None:
        return None
    if row.key_id is None:
        return SignIn(Caller(row.tenant, row.name, row.scope), row.expires_at)
    key = session.execute(select(api_keys).where(api_keys.c.id == row.key_id)).one()
    return SignIn(caller_of(key), row.expires_at)


def redeem(session: Session, secret: str) -> Caller | None:
    """Use a sign-in link up: who it signs in; None where it is unknown, used or expired."""
    found = find(session, secret, "code")
    # Of two that use it at once, one deletes the row.
    return found.caller if found and close(session, secret) else None


def close(session: Session, secret: str) -> bool:
    """Forget a secret; whether it was there."""
    count: int = session.execute(delete(sessions).where(sessions.c.sha256 == credentials.digest(secret))).rowcount
    return count > 0
