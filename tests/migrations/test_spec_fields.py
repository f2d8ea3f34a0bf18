"""Revision 0002 rewrites stored specs so that the code reads them, and back so that the code of 0001 does."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from stored_jobs import current, insert, migrate, stored

from core.spec import parse_job
from store.database import Database, open_database

Move = Callable[[str], None]


@pytest.fixture
def old(empty_url: str) -> Any:
    """A database with the schema of revision 0001."""
    database = open_database(empty_url)
    migrate(database, "0001")
    yield database
    database.close()


def old_spec(convolutions: str | None = None) -> dict[str, Any]:
    """A spec as revision 0001 stored it."""
    spec = parse_job({"dataset": "builtin:digits", "student": "nano", "teacher": "cifar/resnet56"}).model_dump(
        mode="json"
    )
    if convolutions is not None:
        del spec["training"]["kernels"]
        spec["training"]["convolutions"] = convolutions
    return {**spec, "webhook_url": None}


@pytest.mark.parametrize(("was", "is_now"), [("auto", "auto"), ("torch", "torch"), ("kernel", "own"), (None, "auto")])
def test_a_stored_spec_is_read_after_the_upgrade(old: Database, was: str | None, is_now: str) -> None:
    insert(old, "job_1", old_spec(was), {"spec": old_spec(was), "student": {"num_params": 3}})
    migrate(old, "head")
    spec, resolved = stored(old, "job_1")
    assert parse_job(spec).training.kernels == is_now
    assert resolved is not None and parse_job(resolved["spec"]).training.kernels == is_now
    assert resolved["student"] == {"num_params": 3}


def test_a_job_that_is_not_resolved_stays_so(old: Database) -> None:
    insert(old, "job_1", old_spec(), None)
    migrate(old, "head")
    assert stored(old, "job_1")[1] is None
    with old.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM jobs WHERE resolved IS NULL")).scalar_one() == 1


def test_more_jobs_than_are_rewritten_at_once(old: Database) -> None:
    ids = [f"job_{number:04}" for number in range(450)]
    for job_id in ids:
        insert(old, job_id, old_spec("kernel"), None)
    migrate(old, "head")
    assert {stored(old, job_id)[0]["training"]["kernels"] for job_id in ids} == {"own"}


def test_the_way_back_gives_what_the_older_code_wrote(old: Database) -> None:
    insert(old, "job_1", old_spec(), {"spec": old_spec()})
    migrate(old, "head")
    migrate(old, "0001")
    spec, resolved = stored(old, "job_1")
    assert (spec, resolved) == (old_spec(), {"spec": old_spec()})
    with old.engine.connect() as connection:
        assert current(connection) == "0001"
        assert not sa.inspect(connection).has_table("job_warnings")
    migrate(old, "head")
    assert parse_job(stored(old, "job_1")[0]) == parse_job({k: v for k, v in old_spec().items() if k != "webhook_url"})
