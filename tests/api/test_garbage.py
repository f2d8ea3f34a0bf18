"""/v1/garbage and what /metrics says of sweeps and of quarantine."""

from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import update

from store import audit, growth, workers
from store.clock import from_now
from store.database import Database
from store.growth import Swept
from store.tables import audit as audit_table

OLD = audit.NewEntry("t", "a", "submit_job", "x", "done", "127.0.0.1", "r")


def entry(api: TestClient, method: str) -> dict[str, Any]:
    """What the service tells of audit entries."""
    answer = api.request(method, "/v1/garbage")
    assert answer.status_code == 200
    return next(one for one in answer.json()["data"] if one["kind"] == "audit entries")


def test_a_look_removes_nothing_and_a_sweep_what_is_due(api: TestClient, database: Database) -> None:
    with database.begin() as session:
        audit.record(session, OLD)
        session.execute(update(audit_table).values(at=from_now(-401 * 86_400.0)))
        growth.publish(session, "host:/data", [Swept("cache: downloads", "unused", 3, 300)])
    for _ in range(2):
        assert entry(api, "GET")["due_count"] == 1
    assert entry(api, "DELETE")["removed_count"] == 1
    assert entry(api, "GET")["due_count"] == 0
    places = {one["place"] for one in api.get("/v1/garbage").json()["data"]}
    assert places == {"database", "host:/data"}
    text = api.get("/metrics").text
    assert 'retort_kept_bytes{kind="cache: downloads",place="host:/data"} 300.0' in text
    assert 'retort_removed_total{kind="audit entries",place="database"} 1.0' in text


def test_a_worker_in_quarantine_is_told_everywhere(api: TestClient, database: Database) -> None:
    with database.begin() as session:
        facts = {"host": "h", "pid": 1, "devices": ["cpu"], "version": "1", "slots": 1}
        workers.announce(session, "w", **facts, unfit="its disk is full")
    (one,) = api.get("/v1/workers").json()["data"]
    assert (one["state"], one["unfit"]) == ("quarantined", "its disk is full")
    assert api.get("/readyz").json()["workers_quarantined"] == 1
    assert "retort_workers_quarantined 1.0" in api.get("/metrics").text
    body = {"dataset": "builtin:digits", "student": "nano"}
    queued = api.post("/v1/jobs", json=body).json()
    assert queued["queue"]["eligible_workers"] == 0
    assert "1 in quarantine (its disk is full)" in queued["queue"]["reason"]
