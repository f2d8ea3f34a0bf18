"""Catalogues of networks for the API, which has no torch to make them: shipped with Retort, or published by workers.

The shipped one, catalogue.json, was made with the locked versions of the libraries (`make catalogue`). So the API
answers from the first moment; a worker with other versions publishes its own, which counts from then on.
"""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.clock import from_now
from store.tables import catalogues
from store.upsert import insert_or_replace
from store.values import Catalogue

FILE = Path(__file__).with_name("catalogue.json")


@cache
def shipped() -> dict[str, Any]:
    """The catalogues in the package by kind: students, teachers, architectures, and the versions of the libraries."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def publish_catalogue(session: Session, kind: str, data: Any) -> None:
    """Publish `data` (JSON) under `kind`; it replaces what was published before."""
    insert_or_replace(session, catalogues, [{"kind": kind, "data": data}], published_at=from_now())


def catalogue(session: Session, kind: str) -> Catalogue | None:
    """What was last published under `kind`, before that what is shipped; None where there is neither."""
    row = session.execute(select(catalogues).where(catalogues.c.kind == kind)).first()
    if row is not None:
        return Catalogue(row.kind, row.data, row.published_at)
    return Catalogue(kind, shipped()[kind], _shipped_at()) if kind in shipped() else None


def _shipped_at() -> datetime:
    return datetime.fromtimestamp(FILE.stat().st_mtime, UTC)
