"""Catalogues that workers publish for the API, which has no torch to make them: students, teachers."""

from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from store.clock import from_now
from store.tables import catalogues
from store.values import Catalogue


def publish_catalogue(session: Session, kind: str, data: Any) -> None:
    """Publish `data` (JSON) under `kind`; it replaces what was published before."""
    facts = {"data": data, "published_at": from_now()}
    if session.execute(update(catalogues).where(catalogues.c.kind == kind).values(facts)).rowcount == 0:
        session.execute(insert(catalogues).values(kind=kind, **facts))


def catalogue(session: Session, kind: str) -> Catalogue | None:
    """What was last published under `kind`; None before any worker has."""
    row = session.execute(select(catalogues).where(catalogues.c.kind == kind)).first()
    return Catalogue(row.kind, row.data, row.published_at) if row else None
