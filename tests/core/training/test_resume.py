"""The engine as a process, killed at several points: it ends with the bits of the run that was left alone."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core.events import EXIT_INTERRUPTED, EXIT_OK, EXIT_USER_ERROR, parse_event
from core.training.resuming import FORMAT

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
SPEC = {
    "teacher": "job:job_digits",
    "dataset": {"uri": "builtin:digits", "classes": ["3", "5", "8"], "max_per_class": 20},
    "student": "cifar/resnet8",
    "method": "skd",
    "training": {
        "image_size": 8,
        "epochs": 4,
        "batch_size": 12,
        "ema_decay": 0.9,
        "mixup_alpha": 0.2,
        "devices": "cpu",
        "checkpoint_seconds": 1e-4,
    },
    "evaluation": {"baselines": ["scratch"]},
    "exports": ["safetensors"],
}
STEPS = 16
"""Of each run: 54 images of three classes in batches of 12, four epochs."""


class Engine:
    """One engine process; its events are read as they come."""

    def __init__(self, out: Any, inputs: Any, *more: Any, spec: Any = SPEC, **how: Any) -> None:
        self.out = out
        out.mkdir(exist_ok=True)
        (out / "spec.json").write_text(json.dumps(spec))
        flags = ["--spec", out / "spec.json", "--out", out, "--inputs", inputs, "--events", "json", *more]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "core", *map(str, flags)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            **how,
        )
        self.events = []

    def until(self, wanted: Any) -> Any:
        """Read events until one that is wanted."""
        for line in self.process.stdout:
            self.events.append(parse_event(line))
            if wanted(self.events[-1]):
                return self
        raise AssertionError(f"the engine ended with {self.process.wait()} and {self.events[-1:]}")

    def end(self, number: Any = None) -> Any:
        """Send a signal, or wait; the exit status."""
        if number is not None:
            self.process.send_signal(number)
        self.events += [parse_event(line) for line in self.process.stdout]
        return self.process.wait(60)

    @property
    def weights(self) -> Any:
        """A digest of the exported tensors; the order of a safetensors header's own words differs from run to run."""
        tensors = load_file(self.out / "artifacts" / "model.safetensors")
        content = b"".join(name.encode() + tensors[name].numpy().tobytes() for name in sorted(tensors))
        return hashlib.sha256(content).hexdigest()


def is_checkpoint(number: Any) -> Callable[..., Any]:
    count = iter(range(1, 1000))
    return lambda event: event.event == "checkpoint" and next(count) == number


def in_baseline(event: Any) -> Any:
    return event.event == "checkpoint" and event.step >= STEPS + 3


def in_phase(name: Any) -> Callable[..., Any]:
    return lambda event: event.event == "phase" and event.phase == name


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, digits_teacher: Path) -> Any:
    engine = Engine(tmp_path_factory.mktemp("unbroken") / "out", digits_teacher)
    assert engine.end() == EXIT_OK
    assert engine.events[-1].event == "result"
    return engine


def test_the_unbroken_run_is_as_long_as_the_points_below_assume(unbroken: Any) -> None:
    assert unbroken.events[-1].metrics["steps"] == STEPS
    steps = [event.step for event in unbroken.events if event.event == "checkpoint"]
    assert steps == sorted(set(steps)) and steps[-1] == 2 * STEPS
    assert len(list((unbroken.out / "checkpoints").iterdir())) == 1


def test_killed_at_several_points_it_ends_with_the_same_bits(
    unbroken: Any, tmp_path: Path, digits_teacher: Path
) -> None:
    out = tmp_path / "out"
    for resume, point in (
        ([], is_checkpoint(3)),
        (["--resume"], is_checkpoint(7)),
        (["--resume"], in_baseline),
        (["--resume"], in_phase("evaluating")),
    ):
        engine = Engine(out, digits_teacher, *resume).until(point)
        assert engine.end(signal.SIGKILL) == -signal.SIGKILL
    last = Engine(out, digits_teacher, "--resume")
    assert last.end() == EXIT_OK
    assert not [event for event in last.events if event.event == "metric"], "all trainings were done"
    assert last.weights == unbroken.weights
    ours, theirs = last.events[-1], unbroken.events[-1]
    assert ours.metrics["test"] == theirs.metrics["test"]
    assert ours.baselines["scratch"]["test"] == theirs.baselines["scratch"]["test"]


def test_asked_to_end_it_saves_and_goes_on(unbroken: Any, tmp_path: Path, digits_teacher: Path) -> None:
    out = tmp_path / "out"
    engine = Engine(out, digits_teacher).until(is_checkpoint(2))
    assert engine.end(signal.SIGTERM) == EXIT_INTERRUPTED
    assert engine.events[-1].event == "checkpoint"
    assert (out / engine.events[-1].path).exists()
    again = Engine(out, digits_teacher, "--resume")
    assert again.end() == EXIT_OK
    first = next(event.step for event in again.events if event.event == "metric")
    assert first == engine.events[-1].step + 1, "no step is done twice"
    assert again.weights == unbroken.weights


def test_another_optimizer_is_refused_and_the_checkpoint_kept(
    unbroken: Any, tmp_path: Path, digits_teacher: Path
) -> None:
    out = tmp_path / "out"
    assert Engine(out, digits_teacher).until(is_checkpoint(2)).end(signal.SIGTERM) == EXIT_INTERRUPTED
    changed = Engine(out, digits_teacher, "--resume", "--set", "training.optimizer=sgd")
    assert changed.end() == EXIT_USER_ERROR
    error = changed.events[-1]
    assert (error.event, error.code) == ("error", "SPEC_INVALID")
    assert error.message.startswith("/training/optimizer: the checkpoint was begun with 'muon', not 'sgd'")
    again = Engine(out, digits_teacher, "--resume")
    assert again.end() == EXIT_OK
    assert again.weights == unbroken.weights


def test_the_checkpoint_of_another_version_costs_its_steps_and_no_more(
    unbroken: Any, tmp_path: Path, digits_teacher: Path
) -> None:
    out = tmp_path / "out"
    begun = Engine(out, digits_teacher).until(is_checkpoint(2))
    begun.end(signal.SIGTERM)
    path = out / begun.events[-1].path
    torch.save({"format": FORMAT - 1}, path)
    again = Engine(out, digits_teacher, "--resume")
    assert again.end() == EXIT_OK
    warnings = [event.message for event in again.events if event.event == "log" and event.level == "warning"]
    assert any(f"format {FORMAT - 1}, this version reads {FORMAT}: training starts anew" in told for told in warnings)
    assert again.weights == unbroken.weights


def test_it_ends_with_its_parent(tmp_path: Path, digits_teacher: Path) -> None:
    reading, writing = os.pipe()
    engine = Engine(tmp_path / "out", digits_teacher, "--parent-pipe", reading, pass_fds=(reading,))
    os.close(reading)
    engine.until(is_checkpoint(1))
    os.close(writing)
    assert engine.end() == EXIT_INTERRUPTED
    assert not (tmp_path / "out" / "artifacts").exists()


def test_it_ends_when_its_parent_stands_still(tmp_path: Path, digits_teacher: Path) -> None:
    """A worker that was stopped sends nothing any more; its pipe stays open."""
    reading, writing = os.pipe()
    options: tuple[Any, ...] = ("--parent-pipe", reading, "--parent-seconds", 60)
    engine = Engine(tmp_path / "out", digits_teacher, *options, pass_fds=(reading,))
    os.close(reading)
    os.write(writing, b".")
    engine.until(is_checkpoint(1))
    assert engine.process.poll() is None
    engine.process.kill()
    engine.process.wait()
    reading, writing = os.pipe()
    options = ("--parent-pipe", reading, "--parent-seconds", 0.5)
    engine = Engine(tmp_path / "silent", digits_teacher, *options, pass_fds=(reading,))
    assert engine.end() == EXIT_INTERRUPTED
    assert not (tmp_path / "silent" / "artifacts").exists()


def test_the_time_of_earlier_attempts_is_what_the_worker_says(tmp_path: Path, digits_teacher: Path) -> None:
    """It may be more than the checkpoint knows, and less: after a retry it counts afresh."""
    out = tmp_path / "out"
    limit = {**SPEC, "training": {**SPEC["training"], "max_runtime_seconds": 3600.0}}  # type: ignore[dict-item]
    begun = Engine(out, digits_teacher, spec=limit).until(is_checkpoint(2))
    begun.end(signal.SIGTERM)
    late = Engine(out, digits_teacher, "--resume", "--spent-seconds", 3601, spec=limit)
    assert late.end() == EXIT_USER_ERROR
    assert (late.events[-1].event, late.events[-1].code) == ("error", "DEADLINE_EXCEEDED")
    checkpoints = [event for event in late.events if event.event == "checkpoint"]
    assert checkpoints and checkpoints[-1].step >= 2  # what a retry goes on from
    again = Engine(out, digits_teacher, "--resume", "--spent-seconds", 0, spec=limit)
    assert again.end() == EXIT_OK
