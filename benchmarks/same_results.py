"""Whether this tree computes what another commit computes: python -m benchmarks.same_results COMMIT

One CPU job of each kind runs in both trees, on this machine, one after the other. Compared are the sha256 of the
weights, the resolved spec, and the events without what is time. Hashes hold for one processor and one build of torch,
so none is stored: the other commit computes its own.
"""

import argparse
import hashlib
import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from sklearn.datasets import load_digits

ROOT = Path(__file__).parents[1]
SHORT = {"image_size": 8, "max_steps": 40, "devices": "cpu", "batch_size": 32}
TEACHER = {"architecture": "cifar/resnet14", "weights": "job:job_digits"}
TIMES = ("at", "images_per_second", "eta_seconds", "seconds", "latency", "training_seconds", "memory_bytes")
LARGEST_DIGIT = 16  # of scikit-learn's pixels
NUM_TARGET_IMAGES = 60


@dataclass(frozen=True)
class Job:
    """A job to compare; `is_killed`: it is interrupted after its first checkpoint and resumed."""

    method: str
    student: Any = "cifar/resnet8"
    training: dict[str, Any] = field(default_factory=dict)
    is_killed: bool = False

    def document(self, target: Path) -> dict[str, Any]:
        """The job as JSON; `target` is the folder with the second domain's images."""
        dataset: dict[str, Any] = {"uri": "builtin:digits", "classes": ["3", "5", "8", "9"]}
        if self.method == "kd_uda":
            dataset["target_uri"] = target.as_uri()
        return {
            "teacher": TEACHER,
            "dataset": dataset,
            "student": self.student,
            "method": self.method,
            "training": {**SHORT, **self.training},
        }


JOBS = {
    "pkd": Job("pkd"),
    "pkd, stored pass": Job("pkd", training={"teacher_pass": "stored", "stored_views": 2, "augmentation": "light"}),
    "skd": Job("skd"),
    "simkd": Job("simkd"),
    "finetune": Job("finetune", student="same"),
    "kd_uda": Job("kd_uda"),
    "kd, two processes": Job("kd", training={"devices": "cpu:2"}),
    "kd, resumed": Job("kd", training={"checkpoint_seconds": 0.01, "max_steps": 80}, is_killed=True),
}


def main() -> int:
    """Run all jobs in both trees and print a line for each; 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", help="the commit to compare this tree with")
    parser.add_argument("--jobs", help="comma-separated names of jobs (default: all)")
    options = parser.parse_args()
    chosen = options.jobs.split(",") if options.jobs else list(JOBS)
    with tempfile.TemporaryDirectory() as scratch, checked_out(options.commit, Path(scratch) / "tree") as other:
        target = write_target_images(Path(scratch) / "target")
        before, after = (
            Tree(tree, Path(scratch) / name, target) for tree, name in ((other, "before"), (ROOT, "after"))
        )
        differences = {name: differing(before.run(JOBS[name]), after.run(JOBS[name])) for name in chosen}
    for name, found in differences.items():
        print(f"{name:20} {'the same weights, spec and events' if not found else ', '.join(found)}")
    return int(any(differences.values()))


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """The commit's files in `folder` for the block."""
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", folder, commit], cwd=ROOT, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", folder], cwd=ROOT, check=True)


def write_target_images(folder: Path) -> Path:
    """A flat folder of images for kd_uda: digits, inverted."""
    folder.mkdir(parents=True)
    for number, digit in enumerate(load_digits().images[:NUM_TARGET_IMAGES]):
        pixels = 255 - (digit * 255 / LARGEST_DIGIT).astype("uint8")
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return folder


@dataclass(frozen=True)
class Outcome:
    """What is compared of a job."""

    weights: str
    spec: Any
    events: list[Any]


class Tree:
    """Runs jobs with the engine of one checkout."""

    def __init__(self, root: Path, scratch: Path, target: Path) -> None:
        self._root, self._scratch, self._target = root, scratch, target
        inputs = scratch / "inputs"
        inputs.mkdir(parents=True)
        out = scratch / "teacher"
        teacher = {"dataset": "builtin:digits", "student": TEACHER["architecture"], "training": SHORT}
        self._engine(teacher, out)
        (inputs / "job_digits").symlink_to(out / "artifacts")

    def run(self, job: Job) -> Outcome:
        """Run a job to its end."""
        out = Path(tempfile.mkdtemp(dir=self._scratch))
        document = job.document(self._target)
        if job.is_killed:
            self._engine(document, out, is_killed=True)
        lines = self._engine(document, out, "--resume")
        events = [json.loads(line) for line in lines]
        weights = hashlib.sha256((out / "artifacts" / "model.safetensors").read_bytes()).hexdigest()
        spec = next(event["spec"] for event in events if event["event"] == "resolved")
        return Outcome(weights, spec, [] if job.is_killed else timeless(events))

    def _engine(self, document: dict[str, Any], out: Path, *flags: str, is_killed: bool = False) -> list[str]:
        """The lines that the engine writes; `is_killed`: it is asked to end at its first checkpoint."""
        out.mkdir(exist_ok=True)
        spec = out / "job.json"
        spec.write_text(json.dumps(document))
        command = [sys.executable, "-m", "core", "--spec", spec, "--out", out, "--inputs", self._scratch / "inputs"]
        command += ["--cache", self._scratch / "cache", "--events", "json", *flags]
        lines = []
        with subprocess.Popen(command, cwd=self._root, stdout=subprocess.PIPE, text=True) as engine:
            assert engine.stdout is not None
            for line in engine.stdout:
                lines.append(line)
                if is_killed and json.loads(line)["event"] == "checkpoint":
                    engine.send_signal(signal.SIGTERM)
        if engine.returncode and not is_killed:
            raise SystemExit(f"the engine of {self._root} failed: {lines[-1] if lines else 'it wrote nothing'}")
        return lines


def timeless(events: list[dict[str, Any]]) -> list[Any]:
    """The events without times, progress and checkpoints, which come by the clock."""
    return [_without_times(event) for event in events if event["event"] not in ("progress", "checkpoint", "artifact")]


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(each) for name, each in value.items() if name not in TIMES}
    if isinstance(value, list):
        return [_without_times(each) for each in value]
    return re.sub(r"\d+\.\d+ s\b", "x s", value) if isinstance(value, str) else value


def differing(before: Outcome, after: Outcome) -> list[str]:
    """What differs, in words. Fields that only one of the trees has are left out: a new field is no other result."""
    found = [] if before.weights == after.weights else ["other weights"]
    found += [f"spec: {each}" for each in changed(before.spec, after.spec)]
    for number, (old, new) in enumerate(zip(before.events, after.events, strict=False)):
        if changes := changed(old, new):
            return [*found, f"event {number}: {changes[0]}"]
    if len(before.events) != len(after.events):
        found.append(f"{len(before.events)} events became {len(after.events)}")
    return found


def changed(old: Any, new: Any, path: str = "") -> list[str]:
    """`path: old became new` for each value that both have and that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        shared = [name for name in old if name in new]
        return [each for name in shared for each in changed(old[name], new[name], f"{path}/{name}")]
    return [] if old == new else [f"{path}: {json.dumps(old)[:200]} became {json.dumps(new)[:200]}"]


if __name__ == "__main__":
    sys.exit(main())
