"""What benchmarks/specialization.py asks of the service."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import specialization
from core.spec import TrainingSpec, parse_job
from core.spec.knobs.pkd import PkdKnobs

CLASSES = [f"class_{number:03}" for number in range(100)]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the program with these words on its command line, and tells which specs it had to send to the service."""
    sent = []

    def over_http(spec: Any, out: Any, url: Any) -> None:
        sent.append((spec, url))
        figures = {"test": {"top1": 0.5}, "num_params": 7, "seconds": 1.0}
        baselines = dict.fromkeys(spec["evaluation"]["baselines"], figures)
        (out / "artifacts").mkdir()
        metrics = {"metrics": figures, "baselines": baselines, "teacher": figures}
        (out / "artifacts/metrics.json").write_text(json.dumps(metrics))

    monkeypatch.setattr(specialization, "_over_http", over_http)
    monkeypatch.setattr(specialization, "joined", lambda data, out: tmp_path)
    superclasses = dict.fromkeys(CLASSES[:5], specialization.SUPERCLASS) | dict.fromkeys(CLASSES[5:], "other")
    monkeypatch.setattr(specialization, "class_names", lambda data: (CLASSES, superclasses))

    def run(*words: Any) -> list[Any]:
        places = ["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--url", "http://service"]
        monkeypatch.setattr(sys, "argv", ["specialization.py", *words, *places])
        sent.clear()
        specialization.main()
        return [spec for spec, url in sent if url == "http://service"]

    return run


def test_jobs_name_their_method_and_leave_the_rest_to_the_service(run: Any) -> None:
    specs = [parse_job(spec) for spec in run("--seeds", "2", "--steps", "20", "--customers", "ten50")]
    assert [spec.method.name for spec in specs] == 2 * ["pkd", "kd", "skd", "simkd"]
    assert all(spec.training == TrainingSpec(max_steps=20, seed=spec.training.seed) for spec in specs)
    assert [spec.training.seed for spec in specs] == 4 * [0] + 4 * [1]
    assert specs[0].method == PkdKnobs() and specs[0].student.weights == "auto"


def test_each_baseline_is_trained_once_a_customer_and_seed(run: Any, tmp_path: Path) -> None:
    specs = run("--seeds", "2", "--customers", "superclass", "ten500")
    assert [spec["evaluation"]["baselines"] for spec in specs] == 4 * [("scratch", "finetune"), (), (), ()]
    rows = json.loads((tmp_path / "out/results.json").read_text())
    networks = {"default", "kd", "skd", "simkd", "scratch", "finetune", "teacher"}
    assert {row["network"] for row in rows} == networks and len(rows) == 2 * len(networks)
    assert all(len(row["test_top1"]) == 2 for row in rows)


def test_a_job_is_run_again_where_it_is_another(run: Any) -> None:
    words = ["--seeds", "1", "--customers", "ten50", "--methods", "default", "kd"]
    assert len(run(*words, "--steps", "20")) == 2 and run(*words, "--steps", "20") == []
    assert [spec["training"]["max_steps"] for spec in run(*words, "--steps", "30")] == [30, 30]
