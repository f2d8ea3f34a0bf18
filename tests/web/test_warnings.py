"""The warnings of jobs and plans in the dashboard: each with its message, hint, code and count."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select

from store import leases
from store.database import Database
from store.tables import jobs as jobs_table
from store.values import Job, JobWarning, Lease

SKIPPED = JobWarning("DATASET_FILES_PASSED_OVER", "40 files are not used: <b>20 x .psd</b>", "Convert them.", 40)
OVERLAP = JobWarning("DATASET_SPLITS_OVERLAP", "3 images are in train and test", None, None)
STUDENT = {"architecture": "cifar/resnet8", "num_params": 78_000, "macs": 12_000_000, "bytes": 312_000}
RESOLVED: dict[str, Any] = {
    "spec": {"student": {"weights": "teacher"}},
    "dataset": {
        "classes": ["a", "b"],
        "num_train": 80,
        "num_validation": 10,
        "num_test": 10,
        "num_unreadable": 0,
        "passed_over": {"not an image: .psd": 20},
        "smallest_difference": 0.125,
    },
    "student": {**STUDENT, "input_size": 32, "num_classes": 2},
    "teacher": None,
    "teacher_validation_top1": None,
    "estimate": {"steps": 10},
}
SHOWN = "[...document.querySelectorAll('.warnings li')].map((one) => one.innerText)"


@pytest.fixture
def planner(database: Database, write: Callable[..., Any]) -> Iterator[None]:
    """A worker that answers the next plan with RESOLVED and a warning."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            with database.read() as session:
                row = session.execute(select(jobs_table.c.id).where(jobs_table.c.state == "queued")).first()
            if row:
                lease = write(leases.claim, row.id, owner="w", lease_seconds=60)
                write(leases.record, lease, resolved=RESOLVED, warnings=[SKIPPED])
                write(leases.succeed, lease, {"student": STUDENT})
                return

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_a_job_shows_its_warnings_as_they_come(
    page: Any, address: str, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put()
    page.open(f"{address}/#/jobs/{job.id}")
    page.wait("document.querySelector('.chip')?.innerText == 'queued'")
    assert page.run(SHOWN) == []
    lease = work(job)
    write(leases.record, lease, phase="preparing", warnings=[SKIPPED])
    page.wait("document.querySelectorAll('.warnings li').length == 1")
    write(leases.record, lease, warnings=[OVERLAP])
    page.wait("document.querySelectorAll('.warnings li').length == 2")
    first, second = page.run(SHOWN)
    assert all(str(part) in first for part in (SKIPPED.code, SKIPPED.message, SKIPPED.hint, SKIPPED.count))
    assert OVERLAP.code in second and OVERLAP.message in second and "null" not in second
    assert page.complaints == []


@pytest.mark.usefixtures("planner")
def test_a_plan_shows_its_warnings_and_what_its_data_can_prove(page: Any, address: str) -> None:
    page.open(f"{address}/#/new")
    page.wait("document.querySelector('textarea')?.value.includes('teacher')")
    page.run("[...document.querySelectorAll('button')].find((one) => one.innerText == 'Plan').click()")
    page.wait("document.querySelector('.plan')")
    (shown,) = page.run(SHOWN)
    assert SKIPPED.code in shown and SKIPPED.message in shown
    plan = page.run("document.querySelector('.plan').innerText")
    assert "12.5 points" in plan and "not an image: .psd" in plan and "20 files" in plan
    assert page.complaints == []
