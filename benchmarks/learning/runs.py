"""One training of the comparison, what came of it, and which trainings there are."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Variant = Literal["textbook", "live", "stored"]
# The textbook loop's other recipe: in so few passes it learns more from the images as they are, and at a constant rate
# whose weights are averaged than along a cosine (benchmarks/schedules.py).
TUNED = {"training": {"augmentation": "none", "schedule": "constant", "warmup_epochs": 0.8, "ema_decay": 0.99}}


@dataclass(frozen=True)
class Run:
    """One training. `views`: of the stored teacher pass; 0 for the others.

    `recipe`: the parts of the job that differ from the textbook loop's, as a job has them: fields of `training` and
    `student`, a whole `method`. The textbook loop takes none but TUNED. `is_second`: the same job was run before, and
    left in the engine's cache what it found out of dataset and teacher.
    """

    variant: Variant
    views: int
    steps: int
    seed: int
    method: str = "kd"
    student: str = "cifar/resnet8x4"
    recipe: dict[str, Any] = field(default_factory=dict)
    is_second: bool = False

    @property
    def label(self) -> str:
        """What it is called in tables and curves, whatever the seed and the number of steps."""
        name = f"stored, {self.views} view{'s' * (self.views != 1)}" if self.variant == "stored" else self.variant
        recipe = ", tuned" if self.variant == "textbook" else ", own recipe"
        return name + recipe * bool(self.recipe) + ", second job" * self.is_second

    @property
    def name(self) -> str:
        """Of its files: every field that could differ."""
        recipe = hashlib.sha256(json.dumps(self.recipe, sort_keys=True).encode()).hexdigest()[:8] if self.recipe else ""
        words = [self.method, self.student, self.variant, self.views, self.steps, self.seed, recipe]
        words += ["second"] if self.is_second else []
        return "-".join(str(word) for word in words if word != "").replace("/", "_").replace(" ", "")

    def to_json(self) -> str:
        """For a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Run":
        """What `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Outcome:
    """What came of a run. `curve`: (seconds of training, steps, test top-1), the last one after all steps.

    `before_seconds`: from the start of the process to the first step; `loading_seconds`: what of them imports took,
    which an engine that waits for a job has behind it (core.process.standby). The engine's seconds of training include
    its own validations and the filling of a stored pass; those of the textbook loop are training alone.
    """

    run: Run
    before_seconds: float
    loading_seconds: float
    curve: tuple[tuple[float, int, float], ...]

    @property
    def accuracy(self) -> float:
        """Test top-1 at the end, a fraction."""
        return self.curve[-1][2]

    @property
    def seconds(self) -> float:
        """Of training, without what comes before."""
        return self.curve[-1][0]

    def save(self, path: Path) -> None:
        """Write it whole or not at all."""
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(asdict(self), indent=1))
        unfinished.rename(path)

    @classmethod
    def load(cls, path: Path) -> "Outcome":
        """What `save` wrote."""
        content = json.loads(path.read_text())
        curve = tuple((seconds, steps, top1) for seconds, steps, top1 in content["curve"])
        return cls(Run(**content["run"]), content["before_seconds"], content["loading_seconds"], curve)


def plan(
    *,
    steps: int,
    seeds: int,
    views: Sequence[int],
    shares: Sequence[float],
    recipe: dict[str, Any],
    method: str,
    student: str,
) -> list[Run]:
    """All trainings: the textbook loop, live and each number of stored views for `steps` steps, and the textbook loop
    once more with TUNED; then the engine's for each share of those steps, with `recipe`, to find how few reach what the
    textbook loop reached: alone, and as a second job.
    """
    equal: list[tuple[Variant, int]] = [("textbook", 0), ("live", 0), *(("stored", count) for count in views)]
    shared = {"method": method, "student": student}
    runs = []
    for seed in range(seeds):
        runs += [Run(variant, count, steps, seed, **shared) for variant, count in equal]
        runs.append(Run("textbook", 0, steps, seed, recipe=TUNED, **shared))
        for share in shares:
            its_steps = max(1, round(steps * share))
            runs += [
                Run("live", 0, its_steps, seed, recipe=recipe, is_second=is_second, **shared)
                for is_second in (False, True)
            ]
    return runs
