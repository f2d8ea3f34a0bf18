"""What is said of trainings: accuracy after equal steps, the time to the textbook loop's accuracy, the clock."""

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.harness.pacing import Stopped
from benchmarks.learning.child import Errand, job
from benchmarks.learning.measuring import NUM_POINTS, Meter, top1
from benchmarks.learning.plot import draw
from benchmarks.learning.runs import TUNED, Outcome, Run, plan
from benchmarks.learning.summary import equal_steps, groups_of, time_to_textbook
from core.spec import parse_job


def outcome(
    variant: Any,
    accuracy: Any,
    *,
    views: int = 0,
    steps: int = 100,
    seed: int = 0,
    seconds: float = 100.0,
    before: float = 5.0,
) -> Outcome:
    return Outcome(
        Run(variant, views, steps, seed), before, 2.0, ((seconds / 2, steps // 2, 0.1), (seconds, steps, accuracy))
    )


@pytest.fixture
def groups() -> Any:
    """Textbook 0.80 on average; live alike, but below after half the steps; one stored view is five points worse."""
    return groups_of(
        [
            *(outcome("textbook", share, seed=seed) for seed, share in enumerate((0.79, 0.80, 0.81))),
            *(outcome("live", share, seed=seed, seconds=40) for seed, share in enumerate((0.80, 0.81, 0.82))),
            *(outcome("stored", 0.75, views=1, seed=seed, seconds=20) for seed in range(3)),
            *(outcome("stored", 0.81, views=4, seed=seed, seconds=22) for seed in range(3)),
            *(outcome("live", 0.70, seed=seed, steps=50, seconds=20) for seed in range(3)),
            *(outcome("stored", 0.80, views=4, seed=seed, steps=50, seconds=11) for seed in range(3)),
        ]
    )


def test_equal_steps_are_compared_with_the_textbooks_own_interval(groups: Any) -> None:
    rows = {row["variant"]: row for row in equal_steps(groups)}
    assert list(rows) == ["textbook", "live", "stored, 1 view", "stored, 4 views"]
    assert rows["textbook"]["mean_accuracy"] == pytest.approx(0.80)
    half = 4.303 * statistics.stdev((0.79, 0.80, 0.81)) / 3**0.5
    assert rows["textbook"]["half_interval"] == pytest.approx(half) and 0.02 < half < 0.03
    assert rows["live"]["difference"] == pytest.approx(0.01)
    assert {name: row["within_interval"] for name, row in rows.items()} == {
        "textbook": True,
        "live": True,
        "stored, 1 view": False,
        "stored, 4 views": True,
    }


def test_the_time_to_the_textbooks_accuracy_is_that_of_the_whole_process(groups: Any) -> None:
    rows = {row["variant"]: row for row in time_to_textbook(groups)}
    assert rows["live"]["steps"] == 100 and rows["live"]["times_faster"] == pytest.approx(100 / 45)
    assert rows["live"]["times_faster_loaded"] == pytest.approx(100 / 43)
    assert rows["stored, 4 views"]["steps"] == 50 and rows["stored, 4 views"]["times_faster"] == pytest.approx(100 / 16)
    assert (
        rows["stored, 1 view"]["times_faster"] is None is rows["stored, 1 view"]["times_faster_loaded"]
        and "textbook" not in rows
    )


def test_the_time_is_told_against_the_better_textbook(groups: Any) -> None:
    tuned = Outcome(Run("textbook", 0, 100, 0, recipe=TUNED), 5.0, 2.0, ((90.0, 100, 0.815),))
    rows = {row["variant"]: row for row in time_to_textbook([*groups, *groups_of([tuned])])}
    assert rows["live"]["times_faster"] is None and "textbook, tuned" not in rows
    easier = replace(tuned, curve=((90.0, 100, 0.805),))
    rows = {row["variant"]: row for row in time_to_textbook([*groups, *groups_of([easier])])}
    assert rows["live"]["times_faster"] == pytest.approx(90 / 45)


def test_one_seed_has_no_interval() -> None:
    (row,) = equal_steps(groups_of([outcome("textbook", 0.5)]))
    assert row["half_interval"] is None and row["within_interval"] is None


def test_every_training_is_planned_once_and_has_a_file_of_its_own() -> None:
    shared = {"recipe": {"training": {"schedule": "onecycle"}}, "method": "kd", "student": "cifar/resnet20"}
    runs = plan(steps=100, seeds=2, views=[1, 8], shares=[0.5, 0.1], **shared)
    assert len(runs) == 2 * (4 + 1 + 2 * 2) and len({run.name for run in runs}) == len(runs)
    assert {run.steps for run in runs} == {100, 50, 10}
    of_engine = [run for run in runs if run.variant != "textbook"]
    assert all(bool(run.recipe) == (run.steps < 100) for run in of_engine), "equal steps are of equal recipes"
    assert {run.label for run in runs if run.recipe} == {
        "textbook, tuned",
        "live, own recipe",
        "live, own recipe, second job",
    }


def test_an_outcome_survives_its_file(tmp_path: Path) -> None:
    kept = outcome("stored", 0.5, views=3)
    kept.save(tmp_path / "outcome.json")
    assert Outcome.load(tmp_path / "outcome.json") == kept
    assert (kept.accuracy, kept.seconds) == (0.5, 100.0)


@pytest.mark.parametrize("method", ["kd", "simkd"])
@pytest.mark.parametrize(("variant", "views"), [("textbook", 0), ("live", 0), ("stored", 4)])
def test_both_loops_are_given_the_same_job(variant: str, views: int, method: str, tmp_path: Path) -> None:
    run = Run(variant, views, 20, 3, method=method, recipe={"training": {"ema_decay": 0.99}})
    classes = [f"class_{number:03}" for number in range(100)]
    errand = Errand(run, str(tmp_path), classes, str(tmp_path), "result", 0.0)
    assert Errand.from_json(errand.to_json()) == errand
    spec = parse_job(job(errand))
    assert spec.training.max_steps == 20 and spec.training.seed == 3 and spec.training.ema_decay == 0.99
    assert spec.dataset.classes == tuple(classes[::10]) and spec.teacher.classes == tuple(classes)
    assert spec.training.teacher_pass == ("stored" if variant == "stored" else "live")


def test_a_recipe_stands_above_the_textbooks_part_by_part(tmp_path: Path) -> None:
    recipe = {"student": {"weights": "teacher"}, "method": {"name": "pkd"}, "training": {"learning_rate": 0.1}}
    errand = Errand(Run("live", 0, 20, 3, recipe=recipe), str(tmp_path), ["a"] * 100, str(tmp_path), "result", 0.0)
    described = job(errand)
    assert described["student"] == {"architecture": "cifar/resnet8x4", "weights": "teacher"}
    assert described["method"] == {"name": "pkd"}
    assert (described["training"]["learning_rate"], described["training"]["schedule"]) == (0.1, "cosine")


def test_the_accuracy_is_taken_outside_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("benchmarks.learning.measuring.time.perf_counter", lambda: now[0])

    def slow_accuracy() -> float:
        now[0] += 50.0
        return 0.5

    steps = 2 * NUM_POINTS
    meter, ended = Meter(steps, slow_accuracy), []
    for _ in range(steps):
        now[0] += 0.25
        ended.append(meter.step_done())
    assert ended == [False] * (steps - 1) + [True]
    assert meter.curve == [(0.25 * done, done, 0.5) for done in range(2, steps + 1, 2)]


def test_the_accuracy_counts_right_predictions_over_all_parts() -> None:
    labels = torch.arange(600) % 3
    images = (labels.view(-1, 1, 1, 1) * 100).expand(600, 3, 2, 2).to(torch.uint8).clone()
    images[:60] = 255  # taken for a class that they are not of, or are not there at all

    def logits_of(pixels: Any) -> Any:
        guess = (pixels.mean(dim=(1, 2, 3)) * 2.55).round().long().clamp(max=3)
        return torch.nn.functional.one_hot(guess, 4).float()

    assert top1(logits_of, images, labels) == pytest.approx(0.9)


def test_the_curves_are_drawn(groups: Any, tmp_path: Path) -> None:
    draw(groups, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_stopping_a_race_is_no_error_that_a_loop_could_swallow() -> None:
    assert not issubclass(Stopped, Exception)
