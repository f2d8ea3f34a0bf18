"""API keys: their text, what the database keeps of them, rotation, expiry and revocation."""

import re
import zlib
from typing import Any

import pytest
from sqlalchemy import select, text, update

from store import credentials, keys, retention, sessions
from store.callers import Caller, Limits
from store.clock import from_now
from store.errors import KeyNotFound
from store.settings import Settings
from store.tables import api_keys
from tests.store.conftest import Bench

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def create(bench: Bench, **more: Any) -> tuple[keys.Key, str]:
    made: tuple[keys.Key, str] = bench.do(keys.create, **{"tenant": "retail", "name": "ci", "scope": "submit", **more})
    return made


def caller(bench: Bench, key: str) -> Caller | None:
    found: Caller | None = bench.read(keys.find_caller, key)
    return found


def test_a_scanner_recognizes_a_key_by_prefix_and_checksum() -> None:
    for _ in range(50):
        key = credentials.new_key("key_01KAK3P0V6T6Y1F5S9W1QKX0ZD")
        match = re.fullmatch(r"rtk_([0-9A-Z]{26})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})", key)
        assert match is not None
        number = 0
        for digit in match[3]:
            number = number * 62 + DIGITS.index(digit)
        assert number == zlib.crc32(key[:-6].encode())
        assert credentials.key_id_of(key) == "key_01KAK3P0V6T6Y1F5S9W1QKX0ZD"


@pytest.mark.parametrize("position", [0, 5, 40, -7, -1])
def test_a_text_with_one_other_character_is_no_key(position: int) -> None:
    key = list(credentials.new_key("key_01KAK3P0V6T6Y1F5S9W1QKX0ZD"))
    key[position] = "2" if key[position] != "2" else "3"
    assert credentials.key_id_of("".join(key)) is None


def test_a_key_stands_for_its_caller_and_no_table_holds_it(bench: Bench) -> None:
    made, key = create(bench, limits=Limits(max_queued_jobs=3))
    assert caller(bench, key) == Caller("retail", "ci", "submit", made.id, Limits(max_queued_jobs=3))
    with bench.database.read() as session:
        rows = str(session.execute(select(api_keys)).all())
    assert key not in rows and key[35:] not in rows
    other = credentials.new_key(made.id)  # the id of a key, another secret
    assert caller(bench, other) is None


def test_an_expired_and_a_revoked_key_are_none(bench: Bench) -> None:
    assert caller(bench, create(bench, expires_seconds=-1)[1]) is None
    made, key = create(bench, expires_seconds=60)
    assert caller(bench, key) is not None
    session = bench.do(sessions.issue, "session", caller(bench, key), 60)
    assert bench.read(sessions.find, session) is not None
    revoked = bench.do(keys.revoke, made.id)
    assert revoked.revoked_at is not None
    assert caller(bench, key) is None and bench.read(sessions.find, session) is None
    assert bench.do(keys.revoke, made.id).revoked_at == revoked.revoked_at
    with pytest.raises(KeyNotFound):
        bench.read(keys.get, made.id)
    with pytest.raises(KeyNotFound):
        bench.do(keys.rotate, made.id, 60)
    with pytest.raises(KeyNotFound):
        bench.do(keys.revoke, "key_0")


def test_a_rotated_key_is_accepted_beside_the_new_one_for_a_while(bench: Bench) -> None:
    made, first = create(bench)
    rotated, second = bench.do(keys.rotate, made.id, 60)
    assert rotated.id == made.id and first != second
    assert caller(bench, first) == caller(bench, second) != None  # noqa: E711
    bench.do(lambda session: session.execute(update(api_keys).values(previous_until=from_now(-1))))
    assert caller(bench, first) is None and caller(bench, second) is not None


def test_the_last_use_is_not_written_with_every_request(bench: Bench) -> None:
    made, _ = create(bench)
    bench.do(keys.touch, made.id)
    first = bench.read(keys.get, made.id).last_used_at
    bench.do(keys.touch, made.id)
    assert bench.read(keys.get, made.id).last_used_at == first is not None
    bench.do(lambda session: session.execute(update(api_keys).values(last_used_at=from_now(-61))))
    bench.do(keys.touch, made.id)
    assert bench.read(keys.get, made.id).last_used_at > first


def test_a_session_is_stored_as_its_hash_and_a_link_works_once(bench: Bench) -> None:
    ada = Caller("retail", "ada", "read")
    code = bench.do(sessions.issue, "code", ada, 60)
    assert code not in str(bench.read(lambda session: session.execute(text("SELECT * FROM sessions")).all()))
    assert bench.read(sessions.find, code) is None  # a link is no session
    assert bench.do(sessions.redeem, code) == ada
    assert bench.do(sessions.redeem, code) is None
    expired = bench.do(sessions.issue, "session", ada, -1)
    assert bench.read(sessions.find, expired) is None
    swept = {one.kind: one.removed_count for one in retention.sweep(bench.database, retention.rules(Settings()))}
    assert swept["sessions"] == 1
