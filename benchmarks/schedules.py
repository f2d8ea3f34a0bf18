"""What a schedule is worth: test accuracy after as many images, by rates, batches, averages, resolutions, selections.

    python benchmarks/schedules.py --data ../shared/data

Ten classes of CIFAR-100 with 500 images each (a tenth held out), resnet56 to resnet8 by kd from random weights, one
stored view. Each row changes something of the first. The table goes between markers into
docs/explanation/performance.md. A quarter of an hour on two cores.
"""

import argparse
import statistics
from dataclasses import dataclass, field
from typing import Any

from benchmarks.engine import own_workspace
from benchmarks.harness.document import table, write_section
from benchmarks.learning.alone import Change, train_alone
from benchmarks.learning.changes import ProgressiveResolution, Selected
from benchmarks.learning.runs import Run
from benchmarks.learning.summary import interval
from benchmarks.learning.telling import circumstances, options_of
from core.system.workspace import Workspace

NAMES = {"sgd": "SGD", "muon": "Muon"}
IMAGES = 4480  # of 4,500 in the training split: whole batches of 32, 64 and 128
FIRST_SEED = 20  # of none that accuracy_per_second.py trains with
DEFAULTS = {"batch_size": 64, "augmentation": "auto", "learning_rate": 0.05, "weight_decay": "auto"}
COLUMNS = {
    "what": "what is changed",
    "steps": "steps",
    "top1": "test top-1, mean and 95% interval over seeds",
    "gain": "points above the first, seed by seed",
    "seconds": "training, s",
}


@dataclass(frozen=True)
class Trial:
    """One change: of the job's training, or of the trainer."""

    what: str
    training: dict[str, Any] = field(default_factory=dict)
    change: Change | None = None

    def steps(self, passes: int) -> int:
        """Of the optimizer."""
        return passes * IMAGES // self.training.get("batch_size", DEFAULTS["batch_size"])


TRIALS = (
    Trial("nothing: cosine from 0.05, batches of 64"),
    Trial(
        "constant rate, average of weights, a tenth of warmup",
        {"schedule": "auto", "warmup_epochs": "auto", "ema_decay": "auto"},
    ),
    Trial("rate 0.025", {"learning_rate": 0.025}),
    Trial("rate 0.1", {"learning_rate": 0.1}),
    Trial("rate 0.2", {"learning_rate": 0.2}),
    Trial("one epoch of warmup", {"warmup_epochs": 1.0}),
    Trial("one epoch of warmup, rate 0.1", {"warmup_epochs": 1.0, "learning_rate": 0.1}),
    Trial("one-cycle", {"schedule": "onecycle"}),
    Trial("one-cycle, rate 0.1", {"schedule": "onecycle", "learning_rate": 0.1}),
    Trial("multistep at 62, 75 and 87%", {"schedule": "multistep"}),
    Trial("batches of 32, rate 0.025", {"batch_size": 32, "learning_rate": 0.025}),
    Trial("batches of 32, rate 0.05", {"batch_size": 32}),
    Trial("batches of 128, rate 0.1", {"batch_size": 128, "learning_rate": 0.1}),
    Trial("batches of 128, rate 0.2", {"batch_size": 128, "learning_rate": 0.2}),
    Trial("average of weights, decay 0.98", {"ema_decay": 0.98}),
    Trial("average of weights, decay 0.99, constant rate", {"ema_decay": 0.99, "schedule": "constant"}),
    Trial("resolutions 24 and 32, half of the steps each", change=ProgressiveResolution((24, 32))),
    Trial("resolutions 16, 24, 32 and 32, a quarter each", change=ProgressiveResolution((16, 24, 32, 32))),
    Trial("the half with the teacher's largest losses", change=Selected(0.5, hardest=True)),
    Trial("the half with the teacher's smallest losses", change=Selected(0.5, hardest=False)),
)


def main() -> None:
    """Train, print, write."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    with own_workspace("schedules-") as workspace:
        rows = _rows(workspace, options)
    text = _report(rows, options)
    print(text)
    write_section(options.document, _section(options), text)


def _section(options: argparse.Namespace) -> str:
    return "schedules" if options.optimizer == "sgd" else f"schedules-{options.optimizer}"


def _rows(workspace: Workspace, options: argparse.Namespace) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    reference: list[float] = []
    for trial in TRIALS[: options.first]:
        found = [_trained(trial, FIRST_SEED + number, workspace, options) for number in range(options.seeds)]
        accuracies = [100 * accuracy for accuracy, _ in found]
        reference = reference or accuracies
        gains = [mine - its for mine, its in zip(accuracies, reference, strict=True)]
        rows.append(
            {
                "what": trial.what,
                "steps": str(trial.steps(options.passes)),
                "top1": interval(accuracies),
                "gain": interval(gains, sign="+") if trial is not TRIALS[0] else None,
                "seconds": f"{statistics.fmean(seconds for _, seconds in found):.1f}",
            }
        )
        print(rows[-1], flush=True)
    return rows


def _trained(trial: Trial, seed: int, workspace: Workspace, options: argparse.Namespace) -> tuple[float, float]:
    """(test top-1, seconds of training)"""
    training = {**DEFAULTS, "optimizer": options.optimizer, **trial.training, "teacher_pass": "stored"}
    steps = trial.steps(options.passes)
    run = Run("stored", 1, steps, seed, student="cifar/resnet8", recipe={"training": training})
    return train_alone(run, workspace, data=options.data, out=options.out, change=trial.change)


def _report(rows: list[dict[str, object]], options: argparse.Namespace) -> str:
    return "\n\n".join(
        [
            "## Schedules" + (" with Muon" if options.optimizer == "muon" else ""),
            f"{circumstances()}; ten classes of CIFAR-100, 4,500 images, resnet56 to resnet8 by kd from random "
            f"weights, with {NAMES[options.optimizer]}, {options.passes} passes without augmentation, "
            f"{options.seeds} seeds:",
            table(rows, COLUMNS),
            f"```\npython benchmarks/schedules.py --data ../shared/data {_named(options)}\n```",
        ]
    )


def _named(options: argparse.Namespace) -> str:
    """The options that decide what is in the table."""
    named = {"seeds": options.seeds, "passes": options.passes}
    if options.optimizer != "sgd":
        named["optimizer"] = options.optimizer
    if options.first < len(TRIALS):
        named["first"] = options.first
    return " ".join(f"--{name} {value}" for name, value in named.items())


def _options() -> argparse.Namespace:
    parser = options_of(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--passes", type=int, default=8, help="over the training images")
    parser.add_argument("--optimizer", choices=["sgd", "muon"], default="sgd", help="of all rows")
    parser.add_argument("--first", type=int, default=len(TRIALS), help="so many rows alone")
    return parser.parse_args()


if __name__ == "__main__":
    main()
