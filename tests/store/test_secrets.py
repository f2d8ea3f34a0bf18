"""Secrets are stored sealed, opened for their own tenant and name alone, and listed without values."""

import base64
import os
import stat
from pathlib import Path

import pytest
from sqlalchemy import select, update

from store import secrets
from store.database import Database
from store.errors import SecretNotFound, SecretsUnusable, TooManySecrets
from store.sealing import Sealer
from store.tables import secrets as table

VALUE = "canary-4711"
KEY = base64.b64encode(bytes(range(32))).decode()


def put(database: Database, sealer: Sealer, name: str, value: str = VALUE, tenant: str = "a") -> None:
    with database.begin() as session:
        secrets.put(session, sealer, tenant=tenant, name=name, value=value)


def reveal(database: Database, sealer: Sealer, *names: str, tenant: str = "a") -> dict[str, str]:
    with database.read() as session:
        return secrets.reveal(session, sealer, tenant=tenant, names=names)


def test_a_value_is_sealed_replaced_and_removed(database: Database, tmp_path: Path) -> None:
    sealer = Sealer.of(KEY, tmp_path)
    put(database, sealer, "photos", "first")
    put(database, sealer, "photos")
    assert reveal(database, sealer, "photos") == {"photos": VALUE}
    with database.read() as session:
        (row,) = session.execute(select(table))
        assert VALUE.encode() not in row.sealed
        (listed,) = secrets.list_secrets(session, tenant="a")
        assert VALUE not in repr(listed)
    with database.begin() as session:
        secrets.remove(session, tenant="a", name="photos")
    with pytest.raises(SecretNotFound):
        reveal(database, sealer, "photos")


def test_tenants_do_not_share(database: Database, tmp_path: Path) -> None:
    sealer = Sealer.of(KEY, tmp_path)
    put(database, sealer, "photos")
    with pytest.raises(SecretNotFound):
        reveal(database, sealer, "photos", tenant="b")
    with database.read() as session:
        assert secrets.list_secrets(session, tenant="b") == []
        assert secrets.missing(session, tenant="b", names=["photos"]) == ["photos"]
    with database.begin() as session, pytest.raises(SecretNotFound):
        secrets.remove(session, tenant="b", name="photos")


@pytest.mark.parametrize("column", ["tenant", "name"])
def test_a_row_moved_to_another_place_is_not_opened(database: Database, tmp_path: Path, column: str) -> None:
    sealer = Sealer.of(KEY, tmp_path)
    put(database, sealer, "photos")
    with database.begin() as session:
        session.execute(update(table).values({column: "b"}))
    name, tenant = ("photos", "b") if column == "tenant" else ("b", "a")
    with pytest.raises(SecretsUnusable):
        reveal(database, sealer, name, tenant=tenant)


def test_a_key_is_replaced_by_a_new_one_before_it(database: Database, tmp_path: Path) -> None:
    new = base64.b64encode(os.urandom(32)).decode()
    put(database, Sealer.of(KEY, tmp_path), "photos")
    assert reveal(database, Sealer.of(f"{new},{KEY}", tmp_path), "photos") == {"photos": VALUE}
    with pytest.raises(SecretsUnusable):
        reveal(database, Sealer.of(new, tmp_path), "photos")


def test_without_a_key_in_the_settings_a_file_of_its_owner_alone_is_made(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    put(database, Sealer.of("", folder), "photos")
    assert reveal(database, Sealer.of("", folder), "photos") == {"photos": VALUE}
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("key", ["short", "é", base64.b64encode(bytes(31)).decode(), f"{KEY},x"])
def test_a_wrong_key_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(SecretsUnusable) as caught:
        Sealer.of(key, tmp_path)
    assert key not in caught.value.message


def test_their_number_is_bounded(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "MAX_SECRETS", 2)
    sealer = Sealer.of(KEY, tmp_path)
    put(database, sealer, "one")
    put(database, sealer, "two")
    put(database, sealer, "two")
    with pytest.raises(TooManySecrets):
        put(database, sealer, "three")
