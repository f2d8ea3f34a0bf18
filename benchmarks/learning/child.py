"""One training in a process of its own: `python -m benchmarks.learning.child ERRAND`.

Both kinds of loop train on the same images, test on the same images, with the same recipe: KD or SimKD, SGD with
Nesterov momentum 0.9, weight decay 5e-4, batches of 64, a peak rate of 0.05 that falls along a cosine, step by step.
Images are shifted and mirrored. A run's recipe may say otherwise.
"""

import json
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.export._trace  # of core.process.standby.LATE what comes before the first step

from benchmarks.cifar100 import every_tenth
from benchmarks.engine import make_trainer, prepare_job, set_up
from benchmarks.learning.measuring import Meter, top1
from benchmarks.learning.runs import Outcome, Run
from core.evaluation.predict import evaluating
from core.policy import Policy
from core.spec import JobSpec, parse_job
from core.system.workspace import Workspace

BATCH_SIZE = 64
# So many that max_steps decides.
EPOCHS = 100_000

# Training with all that `job` names besides lengths, batches and the seed left to the engine.
NOTHING_NAMED = dict.fromkeys(
    (
        "optimizer",
        "learning_rate",
        "weight_decay",
        "schedule",
        "warmup_epochs",
        "ema_decay",
        "augmentation",
        "teacher_pass",
        "stored_views",
    ),
    "auto",
)
METHODS = {
    "kd": {"name": "kd", "temperature": 4.0, "weight": 0.9, "label_weight": 0.1},
    "simkd": {"name": "simkd"},
}


@dataclass(frozen=True)
class Errand:
    """A run, and where it finds and leaves things. `started_at`: time.time() when the process was started."""

    run: Run
    data: str
    """What benchmarks.cifar100.joined made."""
    classes: list[str]
    """All of CIFAR-100's, in the order of the teacher's outputs."""
    scratch: str
    result: str
    started_at: float
    threads: int | None = None
    """None: all that the process may use."""

    def to_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Errand":
        """What `to_json` wrote."""
        content = json.loads(text)
        return cls(**{**content, "run": Run(**content["run"])})


def job(errand: Errand) -> dict[str, Any]:
    """The job of a run, in the vocabulary of core.spec."""
    run, data = errand.run, Path(errand.data)
    training = {
        "seed": run.seed,
        "max_steps": run.steps,
        "epochs": EPOCHS,
        "batch_size": BATCH_SIZE,
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "weight_decay": 5e-4,
        "schedule": "cosine",
        "warmup_epochs": 0.0,
        "ema_decay": None,
        "augmentation": "light",
        "teacher_pass": "stored" if run.variant == "stored" else "live",
    }
    if run.variant == "stored":
        training["stored_views"] = run.views
    # Random, as the textbook loop's.
    parts = {"student": {"architecture": run.student, "weights": None}, "training": training}
    return {
        "teacher": {
            "architecture": "cifar/resnet56",
            "weights": (data / "weights/cifar100_resnet56.pth").as_uri(),
            "classes": errand.classes,
        },
        "dataset": {"uri": (data / "cifar100.zip").as_uri(), "classes": every_tenth(errand.classes)},
        "method": run.recipe.get("method", METHODS[run.method]),
        **{part: {**fields, **run.recipe.get(part, {})} for part, fields in parts.items()},
    }


def main() -> None:
    """Train, and write the outcome."""
    loaded_at = time.time()
    errand = Errand.from_json(sys.argv[1])
    run, scratch = errand.run, Path(errand.scratch)
    workspace = Workspace(scratch / "out", scratch / "cache", None, Policy(num_threads=errand.threads))
    workspace.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(run.seed)
    if errand.threads is not None:
        torch.set_num_threads(errand.threads)
    spec = parse_job(job(errand))
    if run.variant == "textbook":
        from benchmarks.learning.plain import train_plainly  # here, for the engine's training has no need of it

        meter = train_plainly(run, spec, workspace)
    else:
        meter = train_ours(run, spec, workspace)
    before, loading = meter.began_at - errand.started_at, loaded_at - errand.started_at
    Outcome(run, before, loading, tuple(meter.curve)).save(Path(errand.result))


def train_ours(run: Run, spec: JobSpec, workspace: Workspace) -> Meter:
    """The engine's training."""
    set_up(workspace)
    prepared = prepare_job(spec, workspace)
    test, device = prepared.student.dataset.test, prepared.arithmetic.device

    def accuracy() -> float:
        network = trainer.method.deployed()
        with trainer.ema.in_place() if trainer.ema is not None else nullcontext(), evaluating(network):
            return top1(lambda pixels: network(pixels.to(device)), test.images, test.labels)

    trainer = make_trainer(prepared, lambda trainer: meter.step_done())
    meter = Meter(run.steps, accuracy)
    trainer.run()
    return meter


if __name__ == "__main__":
    main()
