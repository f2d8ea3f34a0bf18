"""The dashboard in a real browser: what it shows, what it does, and that no text of a user becomes markup."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from store import leases, workers
from store.values import Job, Lease, LogLine, MetricPoint
from tests.web.conftest import Page

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def measured(top1: Any) -> dict[str, Any]:
    return {
        "architecture": "cifar/resnet8",
        "num_params": 78_000,
        "macs": 12_700_000,
        "bytes": 312_000,
        "test": {"top1": top1, "top1_interval": [top1 - 0.05, top1 + 0.03], "num_images": 108},
        "validation": {"top1": top1},
        "latency": {"p50_ms": 0.3},
    }


def finish(write: Any, lease: Any) -> None:
    student = {key: measured(0.9)[key] for key in ("architecture", "num_params", "macs", "bytes")}
    result = {
        "student": student,
        "metrics": measured(0.9),
        "teacher": measured(0.95),
        "baselines": {"scratch": measured(0.8)},
    }
    write(leases.succeed, lease, result)


def test_without_jobs_it_says_what_to_do(page: Page, address: str) -> None:
    page.open(f"{address}/")
    page.wait("document.querySelector('.empty a')?.hash == '#/new'")
    page.wait("document.getElementById('health').innerText.includes('no worker')")
    assert page.complaints == []


def test_the_list_is_live_and_filters(
    page: Page, address: str, put: Callable[..., Job], write: Callable[..., Any]
) -> None:
    put(name="first", labels={"team": "retail"})
    page.open(f"{address}/#/jobs")
    page.wait("document.querySelectorAll('.records tbody tr').length == 1")
    put(name="second")
    page.wait("document.querySelectorAll('.records tbody tr').length == 2")
    page.open(f"{address}/#/jobs?label=team%3Dretail")
    page.wait("document.querySelectorAll('.records tbody tr').length == 1 && document.body.innerText.includes('first')")
    page.run("[...document.querySelectorAll('.filter')].find((one) => one.innerText == 'failed').click()")
    page.wait("document.querySelector('.empty a')?.hash == '#/jobs'")
    assert page.complaints == []


def test_a_job_that_waits_for_devices_says_so(
    page: Page, address: str, put: Callable[..., Job], write: Callable[..., Any]
) -> None:
    job = put(training={"devices": "cuda:4"})
    write(workers.announce, "w", host="h", pid=1, devices=["NVIDIA L4", "cpu"], version="1", slots=1)
    for place in (f"#/jobs/{job.id}", "#/jobs"):
        page.open(f"{address}/{place}")
        page.wait("document.body.innerText.includes('no worker alive can train on cuda:4')")
    assert page.complaints == []


def test_the_page_of_a_job_follows_it(
    page: Page, address: str, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put(name="shelf")
    page.open(f"{address}/#/jobs/{job.id}")
    page.wait("document.body.innerText.includes('no worker is alive')")
    lease = work(job)
    points = [MetricPoint("val/top1", step, step / 100, NOW) for step in range(50)]
    write(leases.record, lease, phase="training", metrics=points, logs=[LogLine("warning", "a line", NOW)],
          progress={"fraction": 0.5, "run": "student", "epoch": 3, "epochs": 6, "step": 5, "steps": 10})  # fmt: skip
    page.wait("document.querySelector('.chip').innerText == 'training'")
    page.wait("document.querySelector('.log')?.innerText.includes('a line')")
    page.wait("document.querySelectorAll('.chart .curve').length == 1")
    finish(write, lease)
    page.wait("document.querySelector('.chip').innerText == 'succeeded'")
    page.wait("document.querySelector('.comparison')?.innerText.includes('scratch')")
    assert "90.0%" in page.run("document.querySelector('.cards').innerText")
    assert page.complaints == []


def test_a_job_is_cancelled_and_retried_by_its_buttons(page: Page, address: str, put: Callable[..., Job]) -> None:
    job = put()
    page.open(f"{address}/#/jobs/{job.id}")
    page.wait("document.querySelector('[data-key=cancel]')")
    page.run("document.querySelector('[data-key=cancel]').click()")
    page.wait("document.querySelector('.chip').innerText == 'cancelled'")
    page.run("document.querySelector('[data-key=retry]').click()")
    page.wait("document.querySelector('.chip').innerText == 'queued'")


def test_a_job_is_paused_and_resumed_by_its_buttons(
    page: Page, address: str, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any],
    tmp_path: Path,
) -> None:  # fmt: skip
    job = put()
    lease = work(job)
    progress = {
        "fraction": 0.4,
        "run": "student",
        "epoch": 2,
        "epochs": 5,
        "step": 40,
        "steps": 100,
        "eta_seconds": 9.0,
    }
    write(leases.record, lease, phase="training", progress=progress)
    page.open(f"{address}/#/jobs/{job.id}")
    page.wait("document.querySelector('[data-key=pause]')")
    page.run("document.querySelector('[data-key=pause]').click()")
    page.wait("document.querySelector('.chip').innerText == 'pausing'")
    assert page.run("[...document.querySelectorAll('.actions button')].map((one) => one.innerText)") == ["Cancel"]
    write(leases.finish_paused, lease)
    page.wait("document.querySelector('[data-key=resume]')")
    assert "40%" in page.text() and "was paused after" in page.text() and "9.0 s" not in page.text()
    page.photograph(tmp_path / "paused.png")
    page.open(f"{address}/#/jobs?state=paused")
    page.wait("document.body.innerText.includes('40% · paused')")
    page.open(f"{address}/#/jobs/{job.id}")
    page.wait("document.querySelector('[data-key=resume]')")
    page.run("document.querySelector('[data-key=resume]').click()")
    page.wait("document.querySelector('.chip').innerText == 'queued'")
    assert page.complaints == []


def test_the_form_names_what_is_wrong_and_submits(page: Page, address: str) -> None:
    page.open(f"{address}/#/new")
    page.wait("document.querySelector('textarea')?.value.includes('teacher')")
    fill = "const box = document.querySelector('textarea'); box.value = {!r}; box.dispatchEvent(new Event('input'))"
    press = "[...document.querySelectorAll('button')].find((one) => one.innerText == 'Submit').click()"
    page.run("{ " + fill.format('{"dataset": "builtin:digits", "student": "smal"}') + " }")
    page.run(press)
    page.wait("document.querySelector('.errors')?.innerText.includes(\"Did you mean 'small'\")")
    page.run("{ " + fill.format('{"dataset": "builtin:digits", "student": "small"}') + " }")
    page.run(press)
    page.wait("location.hash.startsWith('#/jobs/job_')")
    page.wait("document.querySelector('.chip')?.innerText == 'queued'")


def test_no_text_becomes_markup(
    page: Page, address: str, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put(name=EVIL, labels={EVIL[:60]: EVIL})
    lease = work(job)
    point = MetricPoint(f"train/loss_{EVIL}", 1, 1.0, NOW)
    write(leases.record, lease, logs=[LogLine("info", EVIL, NOW)], metrics=[point],
          progress={"fraction": 0.1, "run": EVIL, "epoch": 1, "epochs": 2, "step": 1, "steps": 2})  # fmt: skip
    page.open(f"{address}/#/jobs")
    page.wait("document.querySelectorAll('.records tbody tr').length == 1")
    page.open(f"{address}/#/jobs/{job.id}")
    page.wait("document.querySelector('.log')?.innerText.includes('onerror')")
    page.wait("document.querySelector('.legend')")
    write(leases.fail, lease, {"code": "INTERNAL", "category": "internal", "message": EVIL, "hint": EVIL})
    page.wait("document.querySelector('.chip').innerText == 'failed'")
    assert page.run("document.querySelectorAll('main script, main img').length") == 0
    assert page.complaints == []


def test_it_fits_a_narrow_window(
    page: Page, address: str, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put(name="a-name-without-any-space-" * 5)
    finish(write, work(job))
    page.look(width=400, scheme="dark")
    for path in ("jobs", f"jobs/{job.id}", "new"):
        page.open(f"{address}/#/{path}")
        page.wait("document.querySelector('h1')")
        assert page.run("document.documentElement.scrollWidth") <= 400
