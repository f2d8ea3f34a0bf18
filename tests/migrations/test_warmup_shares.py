"""Revision 0004 turns the warm-ups of stored specs into shares of the training, and back."""

from typing import Any

import pytest
from stored_jobs import insert, migrate, stored

from core.spec import parse_job
from store.database import Database, open_database


@pytest.fixture
def old(empty_url: str) -> Any:
    """A database with the schema of revision 0003."""
    database = open_database(empty_url)
    migrate(database, "0003")
    yield database
    database.close()


def spec_with(method: dict[str, Any], epochs: Any = "auto") -> dict[str, Any]:
    """A spec as revision 0003 stored it."""
    job = {"dataset": "builtin:digits", "student": "nano", "teacher": "cifar/resnet56"}
    return {**parse_job({**job, "training": {"epochs": epochs}}).model_dump(mode="json"), "method": method}


@pytest.mark.parametrize(
    ("name", "epochs", "warmup"), [("dkd", 100, 0.2), ("reviewkd", 10, 1.0), ("dkd", "auto", 20 / 240)]
)
def test_epochs_become_a_share_of_the_training(old: Database, name: str, epochs: Any, warmup: float) -> None:
    spec = spec_with({"name": name, "warmup_epochs": 20}, epochs)
    insert(old, "job_1", spec, {"spec": spec, "student": {"num_params": 3}})
    migrate(old, "0004")
    now, resolved = stored(old, "job_1")
    assert parse_job(now).method.warmup == pytest.approx(warmup)
    assert resolved is not None and resolved["student"] == {"num_params": 3} and resolved["spec"] == now
    migrate(old, "0003")
    assert stored(old, "job_1")[0]["method"] == {
        "name": name,
        "warmup_epochs": min(20, 240 if epochs == "auto" else epochs),
    }


def test_the_terms_of_a_combination_are_rewritten_and_other_methods_are_not(old: Database) -> None:
    terms = [{"name": "kd"}, {"name": "dkd", "warmup_epochs": 5}]
    insert(old, "job_1", spec_with({"name": "combined", "terms": terms}, 10), None)
    insert(old, "job_2", spec_with({"name": "oskd", "warmup_epochs": 5}, 10), None)
    migrate(old, "0004")
    assert stored(old, "job_1")[0]["method"]["terms"] == [{"name": "kd"}, {"name": "dkd", "warmup": 0.5}]
    assert stored(old, "job_2")[0]["method"] == {"name": "oskd", "warmup_epochs": 5}
    assert parse_job(stored(old, "job_1")[0]) and parse_job(stored(old, "job_2")[0])
