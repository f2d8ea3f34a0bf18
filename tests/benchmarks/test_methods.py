"""The comparison of methods: intervals, what makes a run the same, half-written files, the rows and their jobs."""

import argparse
import json
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import benchmarks.methods as methods
from benchmarks.comparison import texts
from benchmarks.comparison.child import Heard, asks, extra_memory
from benchmarks.comparison.domains import SOURCE, TARGETS, domain_runs, write_domains
from benchmarks.comparison.plot import draw, mean_curve
from benchmarks.comparison.rows import all_rows, chosen, run_of
from benchmarks.comparison.running import RunFailed, Runner
from benchmarks.comparison.runs import Errand, Finished, Run, located
from benchmarks.comparison.summary import Group, domain_rows, few_shot_rows, mean_and_half, method_rows
from core.events import Metric, Phase
from core.methods import find
from core.methods.contract import MethodContext
from core.methods.method import Method
from core.networks.zoo import build
from core.spec import Knobs, parse_job
from core.spec.knobs import LISTED
from core.spec.knobs.kd import KdKnobs
from core.spec.knobs.prokt import ProktKnobs
from core.spec.knobs.scratch import ScratchKnobs
from core.spec.knobs.tcs import TcsKnobs

CLASSES = [f"class_{number:03}" for number in range(100)]


def outcome(top1: Any, **more: Any) -> dict[Any, Any]:
    """What a child would write."""
    given = {
        "test_top1": top1,
        "teacher_test_top1": 0.9,
        "training_seconds": 10.0,
        "peak_memory": 2_000_000,
        "steps": 30,
        "num_params": 78_042,
        "extra_params": 1_024,
        "extra_buffer_bytes": 512,
        "teacher_pass": "live",
        "asks": "features",
        "precision": "fp32",
        "versions": {"torch": "2"},
        "curve": [[1.0, 10, top1 / 2], [3.0, 30, top1]],
        "tests": {},
    }
    return {**given, **more}


@pytest.mark.parametrize("values", [(0.5, 0.6), (0.5, 0.52, 0.57), (0.1, 0.2, 0.4, 0.3, 0.25)])
def test_the_interval_holds_95_percent_of_students_t(values: tuple[float, ...]) -> None:
    mean, half = mean_and_half(values)
    assert mean == pytest.approx(np.mean(values))
    freedom = len(values) - 1
    bound = half / (np.std(values, ddof=1) / np.sqrt(len(values)))
    # The density of t, integrated between the bounds and (as tan of the angle) over the whole line.
    angles = np.linspace(-np.pi / 2, np.pi / 2, 2_000_001)[1:-1]
    points = np.tan(angles)
    weights = (1 + points**2 / freedom) ** (-(freedom + 1) / 2) / np.cos(angles) ** 2
    share = weights[np.abs(points) <= bound].sum() / weights.sum()
    assert share == pytest.approx(0.95, abs=1e-4)


def test_one_value_has_no_interval() -> None:
    assert mean_and_half([0.4]) == (0.4, None)


def test_methods_are_ordered_by_their_mean_and_compared_with_scratch() -> None:
    groups = [
        Group("broken", "", (), {"notes": "a note"}, failure="it fell"),
        Group("scratch", "", (outcome(0.50), outcome(0.52)), {"fidelity": "common practice"}),
        Group("kd", "", (outcome(0.60, peak_memory=None), outcome(0.64)), {"fidelity": "as published"}),
    ]
    kd, scratch, broken = method_rows(groups)
    assert [row["method"] for row in (kd, scratch, broken)] == ["kd", "scratch", "broken"]
    half = 12.706 * statistics.stdev((60.0, 64.0)) / 2**0.5
    assert kd["accuracy"] == f"62.0 ± {half:.1f}" and kd["gain"] == "+11.0" and kd["fidelity"] == "as published"
    assert kd["peak"] == 2.0 and kd["extra_params"] == "1,024" and kd["extra_buffers"] == 0.512
    assert broken["notes"] == "a note; failed: it fell" and "accuracy" not in broken


def test_few_shot_has_a_column_for_each_number_of_images() -> None:
    groups = [Group("skd", f"{count} images a class", (outcome(count / 1000),)) for count in (10, 50)]
    groups.append(Group("kd", "10 images a class", (), failure="it fell"))
    skd, kd = few_shot_rows(groups)
    assert skd == {"method": "skd", "10 images a class": "1.0", "50 images a class": "5.0", "seeds": 1}
    assert kd["10 images a class"] == "failed: it fell"


def test_the_mean_over_domains_is_taken_seed_by_seed() -> None:
    per_seed = ((0.2, 0.5), (0.4, 0.7))
    both = Group(
        "source only", "a, b", tuple(outcome(0, tests=dict(zip("ab", each, strict=True))) for each in per_seed)
    )
    apart = [
        Group("joint", name, tuple(outcome(0, tests={name: top1}) for top1 in tops))
        for name, tops in zip("ab", zip(*per_seed, strict=True), strict=True)
    ]
    cut = [Group("cut", "a", (outcome(0, tests={"a": 0.3}),)), Group("cut", "b", (), failure="it fell")]
    first, second, third = domain_rows([both, *apart, *cut], ("a", "b"))
    half = 12.706 * statistics.stdev((35.0, 55.0)) / 2**0.5
    assert first["mean"] == second["mean"] == f"45.0 ± {half:.1f}"
    assert first["a"] == second["a"] and first["a"].startswith("30.0")
    assert "mean" not in third and third["notes"] == "failed: it fell"


def test_a_run_is_known_by_its_job_alone() -> None:
    one = {"method": {"name": "kd"}, "training": {"seed": 0, "max_steps": 3}}
    turned = {"training": {"max_steps": 3, "seed": 0}, "method": {"name": "kd"}}
    assert Run(one).key == Run(turned).key == Run(one, is_kept=True, after=(Run({}),)).key
    other = {**one, "training": {"seed": 1, "max_steps": 3}}
    keys = {Run(one).key, Run(other).key, Run(one, {"a": "file:a"}).key, Run(one, {"a": "file:b"}).key}
    keys.add(Run(one, {"a": "file:a"}, tested={"weights": "file://{out}/other"}).key)
    assert len(keys) == 5


def test_a_job_names_no_folder_until_it_is_run(tmp_path: Path) -> None:
    run = run_of(chosen(["kd"])[0], classes=CLASSES, images=100, steps=3, seed=0)
    assert "{data}" in json.dumps(run.spec)
    assert located({"a": ["{data}/x", 3]}, {"data": tmp_path}) == {"a": [f"{tmp_path}/x", 3]}
    errand = Errand(located(run.spec, {"data": tmp_path}), {}, {}, "kept", "scratch", "result", 1.5)
    assert Errand.from_json(errand.to_json()) == errand
    assert parse_job(errand.spec).dataset.uri == f"file://{tmp_path}/cifar100.zip"


def test_finished_runs_outlive_a_process_that_died_while_writing(tmp_path: Path) -> None:
    path = tmp_path / "finished.jsonl"
    first, second, third = (Run({"training": {"seed": seed}}) for seed in range(3))
    Finished(path).add(first, outcome(0.5))
    with path.open("a") as file:
        file.write(json.dumps({"key": second.key, "spec": {}, "outcome": outcome(0.6)})[:40])
    finished = Finished(path)
    assert finished.get(first) == outcome(0.5) and finished.get(second) is None
    finished.add(third, outcome(0.7))
    again = Finished(path)
    assert again.get(first) == outcome(0.5) and again.get(second) is None and again.get(third) == outcome(0.7)


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A runner whose processes write an outcome at once, or fail where the job says so; `started` are their jobs."""
    program = (
        "import json, pathlib, sys; errand = json.loads(sys.argv[1]); job = errand['spec']; "
        "sys.exit('ValueError: it fell') if job.get('falls') else None; "
        "folder = pathlib.Path(errand['scratch'], 'out/artifacts'); folder.mkdir(parents=True); "
        "(folder / 'model.safetensors').write_text(job['name']); "
        f"pathlib.Path(errand['result']).write_text(json.dumps({outcome(0.5)!r}))"
    )
    runner = Runner(tmp_path, tmp_path, lambda line: None)
    runner.started = []
    run = subprocess.run

    def start(command: Any, **options: Any) -> Any:
        runner.started.append(json.loads(command[-1])["spec"]["name"])
        return run([sys.executable, "-c", program, command[-1]], **options)

    monkeypatch.setattr("benchmarks.comparison.running.subprocess.run", start)
    return runner


def test_a_run_comes_after_what_it_needs_and_is_not_repeated(runner: Any, tmp_path: Path) -> None:
    teacher = Run({"name": "teacher"}, is_kept=True)
    student = Run({"name": "student", "teacher": teacher.uri}, after=(teacher,))
    assert runner.outcome(student, "student")["test_top1"] == 0.5
    runner.outcome(student, "student")
    runner.outcome(teacher, "teacher")
    assert runner.started == ["teacher", "student"]
    assert (tmp_path / "kept" / teacher.key / "model.safetensors").read_text() == "teacher"
    assert not (tmp_path / "kept" / student.key).exists()
    again = Runner(tmp_path, tmp_path, lambda line: None)
    again.outcome(student, "student")
    assert runner.started == ["teacher", "student"]


def test_what_fails_is_told_and_takes_along_what_needs_it(runner: Any) -> None:
    broken = Run({"name": "broken", "falls": True})
    needing = Run({"name": "needing"}, after=(broken,))
    fine = Run({"name": "fine"})
    entries = [methods.Entry(run.spec["name"], "", run, 0) for run in (broken, needing, fine)]
    groups = {group.label: group for group in methods.run_all(entries, runner, 2)}
    assert groups["broken"].failure == groups["needing"].failure == "ValueError: it fell"
    assert groups["fine"].outcomes and not groups["fine"].failure and "needing" not in runner.started
    with pytest.raises(RunFailed):
        runner.outcome(broken, "broken")
    assert runner.started.count("broken") == 1


def test_every_method_has_a_row_or_needs_a_second_domain() -> None:
    named = {name for row in all_rows() for name in row.names}
    assert set(LISTED) - named == {name for name, knobs in LISTED.items() if "target images" in knobs.needs} | {"deit"}
    assert len({row.label for row in all_rows()}) == len(all_rows())
    with pytest.raises(ValueError, match="no row is called 'nonsense'"):
        chosen(["kd", "nonsense"])


@pytest.mark.parametrize("row", all_rows(), ids=lambda row: row.label)
def test_a_row_is_a_job_that_the_engine_takes(row: Any, tmp_path: Path) -> None:
    first, second = (run_of(row, classes=CLASSES, images=100, steps=7, seed=seed) for seed in (0, 1))
    spec = parse_job(located(first.spec, {"data": tmp_path, "kept": tmp_path}))
    assert (spec.training.max_steps, spec.training.seed, spec.dataset.max_per_class) == (7, 0, 100)
    assert spec.dataset.classes == tuple(CLASSES[::10])
    assert first.key != second.key and first.after == second.after
    if "trajectory" in row.needs:
        (teacher,) = first.after
        assert spec.teacher.weights == teacher.uri and teacher.is_kept and spec.teacher.may_have_trajectory
        assert parse_job(located(teacher.spec, {"data": tmp_path})).training.keep_trajectory > 1


def test_domains_are_jobs_whose_needs_come_first(tmp_path: Path) -> None:
    seen = set()
    for _, run in domain_runs(steps=5, seed=0):
        assert {needed.key for needed in run.after} <= seen and all(needed.is_kept for needed in run.after)
        spec = parse_job(located(run.spec, {"data": tmp_path, "kept": tmp_path}))
        assert spec.dataset.uri.endswith("pacs_photo.zip") and set(run.tests) <= set(TARGETS)
        assert spec.dataset.target_uri in (None, *located(run.tests, {"data": tmp_path}).values())
        seen.add(run.key)
    assert len(seen) == len(domain_runs(steps=5, seed=0)) == 4 + 7 * len(TARGETS)


def test_a_domain_becomes_an_archive_of_class_folders(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pacs.zip", "w") as archive:
        for domain in (SOURCE, *TARGETS):
            archive.writestr(f"{domain}/dog/1.jpg", domain)
        archive.writestr(f"{SOURCE}/readme.txt", "no image")
    write_domains(tmp_path / "pacs.zip", tmp_path)
    for domain in (SOURCE, *TARGETS):
        with zipfile.ZipFile(tmp_path / f"pacs_{domain}.zip") as archive:
            assert {name: archive.read(name).decode() for name in archive.namelist()} == {"dog/1.jpg": domain}


def test_seconds_to_a_step_begin_with_the_training() -> None:
    heard = Heard()
    for event in (
        Phase(phase="training", at="2026-01-01T00:00:10Z"),
        Metric(step=5, values={}, at="2026-01-01T00:00:12Z"),
        Metric(step=5, values={}, at="2026-01-01T00:00:15Z"),
        Metric(step=9, values={}, at="2026-01-01T00:00:17Z"),
        Phase(phase="evaluating", at="2026-01-01T00:00:20Z"),
    ):
        heard(event)
    assert [heard.seconds_to(step) for step in (3, 5, 6, 9)] == [2, 2, 7, 7]
    assert heard.training_seconds == 10 and heard.peak_memory > 1e6


class Adapted(Method):
    """Has an adapter of six parameters, a memory of three float64, and trains a teacher of eight along."""

    def __init__(self, context: Any) -> None:
        super().__init__(ProktKnobs(), context)
        self.adapter = torch.nn.Linear(2, 2)
        self.register_buffer("memory", torch.zeros(3, dtype=torch.float64))

    def parameter_groups(self) -> dict[Any, Any]:
        return {**super().parameter_groups(), "teacher": list(self.context.teacher.parameters())}


def test_extra_memory_is_all_but_a_plain_student() -> None:
    student = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.BatchNorm1d(4))
    method = Adapted(MethodContext(student, torch.nn.Linear(3, 2), None, 2))
    assert extra_memory(method, student) == {"extra_params": 6 + 8, "extra_buffer_bytes": 24}
    assert asks(method) == "nothing of a frozen teacher"


@pytest.mark.parametrize(
    ("knobs", "asked"),
    [(ScratchKnobs(), "nothing of a frozen teacher"), (KdKnobs(), "soft labels"), (TcsKnobs(), "features")],
)
def test_what_a_method_asks_of_a_teacher_is_told(knobs: Knobs, asked: str) -> None:
    network = build("cifar/resnet8", 2)
    assert asks(find(knobs.name)(knobs, MethodContext(network, network, None, 2))) == asked


def test_the_curves_are_means_over_seeds_and_drawn(tmp_path: Path) -> None:
    groups = [
        Group("kd", "", (outcome(0.4), outcome(0.6, curve=[[3.0, 10, 0.3], [5.0, 30, 0.6]]))),
        Group("broken", "", (), failure="it fell"),
    ]
    (first, last) = mean_curve(groups[0])
    assert first == pytest.approx((2.0, 0.25)) and last == pytest.approx((4.0, 0.5))
    draw(groups, tmp_path / "curves.png", "title")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_each_table_has_its_own_place_in_the_document(tmp_path: Path) -> None:
    document = tmp_path / "docs/methods.md"
    options = argparse.Namespace(
        document=document, out=tmp_path, steps=30, seeds=1, parallel=2, methods=None, done=False
    )
    groups = [
        Group("scratch", "100 images a class", (outcome(0.5),)),
        Group("kd", "100 images a class", (outcome(0.6),)),
    ]
    methods.tell("methods", groups, options)
    document.write_text(document.read_text() + "\nWritten by hand.\n")
    methods.tell("few-shot", [Group("kd", "10 images a class", (outcome(0.3),))], options)
    methods.tell("methods", groups[:1], options)
    text = document.read_text()
    assert text.startswith(texts.HEAD) and text.count(texts.HEAD) == 1 and "Written by hand." in text
    assert text.count("## All methods") == text.count("## Over images per class") == 1
    assert "--steps 30 --seeds 1 --parallel 2" in text and "--few-shot" in text and str(Path.home()) not in text
    assert "| kd | 30.0 |" in text and "| kd |  | 60.0" not in text
    assert "90.0%" in text and (tmp_path / "docs/methods.png").exists()
