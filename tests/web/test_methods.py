"""How the dashboard chooses methods, names combinations, and shows what came of them besides the student."""

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from core.spec import KNOBS
from store import blobs, leases
from store.database import Database
from store.values import Job, Lease
from tests.web.conftest import Page

# One white pixel.
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg==")
JOB = "JSON.parse(document.querySelector('textarea').value)"


def pick(page: Any, label: Any, name: Any) -> None:
    page.run(
        f"{{ const box = document.querySelector('[data-key=\"pick {label} \"]'); box.value = {name!r};"
        " box.dispatchEvent(new Event('change')); }"
    )


def turn(page: Any, key: Any, value: Any) -> None:
    page.run(
        f"{{ const box = document.querySelector('[data-key=\"knob {key}\"]'); box.value = {value!r};"
        " box.dispatchEvent(new Event('change')); }"
    )


@pytest.fixture
def form(page: Page, address: str) -> Any:
    page.open(f"{address}/#/new")
    page.wait("document.querySelector('[data-key=\"pick method \"]')")
    return page


def test_every_method_can_be_picked_and_says_what_it_is(form: Any) -> None:
    for name, knobs in KNOBS.items():
        if name == "combined":
            continue
        pick(form, "method" if name == min(KNOBS) else "replace with", name)
        form.wait(f"document.querySelector('.term h3')?.innerText == {name!r}")
        shown = form.run("document.querySelector('.picker').innerText")
        assert knobs.source in shown and knobs.fidelity in shown
        assert all(need in shown for need in knobs.needs)
        assert all(knob in shown for knob in knobs.model_fields if knob != "name"), name
        assert form.run(f"{JOB}.method") == name
    assert form.complaints == []


def test_knobs_are_written_into_the_job_and_taken_back(form: Any) -> None:
    pick(form, "method", "skd")
    turn(form, "0.weight", "3.5")
    turn(form, "0.form", "2")
    turn(form, "0.taps", '["layer1", "layer2"]')
    assert form.run(f"{JOB}.method") == {"name": "skd", "weight": 3.5, "form": "cosine", "taps": ["layer1", "layer2"]}
    for knob in ("weight", "form", "taps"):
        turn(form, f"0.{knob}", "")
    assert form.run(f"{JOB}.method") == "skd"


def test_methods_are_added_up_and_taken_away(form: Any) -> None:
    pick(form, "method", "kd")
    pick(form, "add", "skd")
    turn(form, "1.weight", "2")
    assert form.run(f"{JOB}.method") == ["kd", {"name": "skd", "weight": 2}]
    closed = form.run("[...document.querySelectorAll('[data-key=\"pick add \"] option')]"
                      ".filter((one) => one.disabled).map((one) => one.value)")  # fmt: skip
    assert set(closed) == {name for name, knobs in KNOBS.items() if not knobs.can_be_combined}
    form.run("document.querySelector('[aria-label=\"Remove kd\"]').click()")
    assert form.run(f"{JOB}.method") == {"name": "skd", "weight": 2}
    form.run("document.querySelector('[aria-label=\"Remove skd\"]').click()")
    assert "method" not in form.run(JOB)


def test_what_a_method_lacks_is_marked_until_the_job_has_it(form: Any) -> None:
    pick(form, "method", "kd_uda")
    assert form.run("[...document.querySelectorAll('.lacking')].map((one) => one.innerText)") == [
        "target images: missing"
    ]
    dataset = {"uri": "s3://a/b", "target_uri": "s3://a/c"}
    job = {"teacher": "torchvision/resnet50", "dataset": dataset, "student": "small", "method": "kd_uda"}
    form.run(
        f"{{ const box = document.querySelector('textarea'); box.value = {json.dumps(job)!r};"
        " box.dispatchEvent(new Event('input')); }"
    )
    form.wait("document.querySelectorAll('.lacking').length == 0")
    form.run("[...document.querySelectorAll('button')].find((one) => one.innerText == 'Submit').click()")
    form.wait("document.querySelector('.summary')?.innerText.includes('kd_uda')")


def test_a_combination_is_named_by_its_terms(page: Page, address: str, put: Callable[..., Job]) -> None:
    job = put(method=["kd", "skd"])
    page.open(f"{address}/#/jobs")
    page.wait("document.querySelector('.records')?.innerText.includes('kd + skd')")
    page.open(f"{address}/#/jobs/{job.id}")
    page.wait("document.querySelector('.summary')?.innerText.includes('kd + skd')")
    page.wait("document.querySelectorAll('.methods dt').length == 2")
    facts = page.run("document.querySelector('.methods').innerText")
    assert KNOBS["kd"].source in facts and KNOBS["skd"].source in facts and "our variant" in facts
    assert page.complaints == []


def test_products_checkpoints_and_the_target_domain_are_shown(
    page: Page,
    address: str,
    database: Database,
    put: Callable[..., Job],
    work: Callable[[Job], Lease],
    write: Callable[..., Any],
) -> None:
    job = put(name="two domains", method="dfa")
    lease = work(job)
    for name, media_type, content in (
        ("model.onnx", "application/octet-stream", b"onnx"),
        ("aggregation.json", "application/json", b"{}"),
        ("aggregation.png", "image/png", PNG),
        ("trajectory-0001.safetensors", "application/octet-stream", b"1"),
        ("trajectory-0002.safetensors", "application/octet-stream", b"2"),
    ):
        blob = blobs.put(database, io.BytesIO(content))
        write(leases.add_artifact, lease, name, media_type, blob.sha256, blob.size_bytes)
    test = {"top1": 0.9, "top1_interval": [0.85, 0.93], "num_images": 108}
    target = {"top1": 0.4321, "top1_interval": [0.38, 0.49], "num_images": 300}
    student = {"architecture": "cifar/resnet8", "num_params": 78_000, "macs": 12_700_000, "bytes": 312_000}
    teacher = {**student, "architecture": "cifar/resnet56", "test": test}
    networks = {"metrics": {**student, "test": test, "target": target}, "teacher": teacher, "baselines": {}}
    write(leases.succeed, lease, {"student": student, **networks})
    page.open(f"{address}/#/jobs/{job.id}")
    page.wait("document.querySelector('.cards')?.innerText.includes('43.2%')")
    assert "Target domain" in page.run("document.querySelector('.comparison thead').innerText")
    page.wait("document.querySelector('img.product')")
    assert page.run("document.querySelectorAll('table.artifacts')[1].innerText").count("aggregation") >= 2
    summary = page.run("document.querySelector('details summary').innerText")
    assert summary.startswith("2 checkpoint") and "2 B" in summary
    page.run("document.querySelector('img.product').scrollIntoView()")
    page.wait("document.querySelector('img.product').naturalWidth == 1")
    assert page.complaints == []


def test_the_form_fits_a_narrow_window(form: Any) -> None:
    form.look(width=400)
    pick(form, "method", "kd_uda")
    assert form.run("document.documentElement.scrollWidth") <= 400
