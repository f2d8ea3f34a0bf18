"""Named secrets of tenants: stored sealed, listed by name alone, revealed to an engine and to nobody else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from core.spec.uris.credentials import secret_name
from store.clock import from_now
from store.errors import SecretNotFound, TooManySecrets
from store.sealing import Sealer
from store.tables import secrets

MAX_SECRETS = 1000  # of one tenant
MAX_CHARACTERS = 16_384  # of a value; the JSON of a service account has about 2,400


@dataclass(frozen=True)
class Secret:
    """A secret as the outside sees it: never its value."""

    name: str
    created_at: datetime
    updated_at: datetime


def put(session: Session, sealer: Sealer, *, tenant: str, name: str, value: str) -> None:
    """Store a value under a name, in place of the one before. Raises TooManySecrets."""
    sealed = sealer.seal(value, tenant=tenant, name=name)
    changed = update(secrets).where(*_named(tenant, name)).values(sealed=sealed, updated_at=from_now())
    if session.execute(changed).rowcount:
        return
    count = session.execute(select(func.count()).select_from(secrets).where(secrets.c.tenant == tenant)).scalar_one()
    if count >= MAX_SECRETS:
        raise TooManySecrets(MAX_SECRETS)
    row = {"tenant": tenant, "name": name, "sealed": sealed}
    session.execute(insert(secrets).values(**row, created_at=from_now(), updated_at=from_now()))


def remove(session: Session, *, tenant: str, name: str) -> None:
    """Forget a secret; raises SecretNotFound."""
    if not session.execute(delete(secrets).where(*_named(tenant, name))).rowcount:
        raise SecretNotFound(name)


def list_secrets(session: Session, *, tenant: str) -> list[Secret]:
    """The secrets of a tenant by name, without their values."""
    columns = (secrets.c.name, secrets.c.created_at, secrets.c.updated_at)
    rows = session.execute(select(*columns).where(secrets.c.tenant == tenant).order_by(secrets.c.name))
    return [Secret(row.name, row.created_at, row.updated_at) for row in rows]


def missing(session: Session, *, tenant: str, names: Sequence[str]) -> list[str]:
    """Those of the names under which the tenant has stored nothing."""
    wanted = (secrets.c.tenant == tenant, secrets.c.name.in_(names))
    known = set(session.execute(select(secrets.c.name).where(*wanted)).scalars()) if names else set()
    return [name for name in names if name not in known]


def reveal(session: Session, sealer: Sealer, *, tenant: str, names: Sequence[str]) -> dict[str, str]:
    """The values by name; raises SecretNotFound for one that is not stored, SecretsUnusable for a wrong key."""
    if not names:
        return {}
    wanted = (secrets.c.tenant == tenant, secrets.c.name.in_(names))
    sealed = {row.name: row.sealed for row in session.execute(select(secrets).where(*wanted))}
    for name in names:
        if name not in sealed:
            raise SecretNotFound(name)
    return {name: sealer.open(sealed[name], tenant=tenant, name=name) for name in names}


def named_in(spec: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """(JSON pointer, name) of every `secret://name` in a spec."""
    if isinstance(spec, dict):
        for key, item in spec.items():
            yield from named_in(item, f"{pointer}/{key}")
    elif isinstance(spec, list | tuple):
        for index, item in enumerate(spec):
            yield from named_in(item, f"{pointer}/{index}")
    elif isinstance(spec, str) and (name := secret_name(spec)) is not None:
        yield pointer, name


def _named(tenant: str, name: str) -> tuple[Any, ...]:
    return secrets.c.tenant == tenant, secrets.c.name == name
