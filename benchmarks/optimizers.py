"""What the optimizer is worth: test accuracy after as many steps with SGD and with Muon, by method, student, length.

    python benchmarks/optimizers.py --data ../shared/data

Ten classes of CIFAR-100 with 500 images each (a tenth held out), teacher resnet56, batches of 64; all else as a job
gets that names nothing. The table goes between markers into docs/explanation/performance.md. About 20 minutes on two
cores.
"""

import argparse
import statistics
from dataclasses import dataclass

from benchmarks.engine import own_workspace
from benchmarks.harness.document import table, write_section
from benchmarks.learning.alone import train_alone
from benchmarks.learning.child import NOTHING_NAMED
from benchmarks.learning.runs import Run
from benchmarks.learning.summary import interval
from benchmarks.learning.telling import circumstances, options_of
from core.system.workspace import Workspace

STEPS_PER_PASS = 70  # of 4,500 images in the training split
FIRST_SEED = 30  # of none that another benchmark trains with
COLUMNS = {
    "student": "student",
    "method": "method",
    "weights": "begins with",
    "passes": "passes",
    "sgd": "SGD, test top-1",
    "muon": "Muon, test top-1",
    "gain": "points above SGD, seed by seed",
    "seconds": "training with SGD and Muon, s",
}


@dataclass(frozen=True)
class Setting:
    """What is trained, how long."""

    student: str
    method: str
    passes: int
    weights: str | None = None


SETTINGS = (
    Setting("cifar/resnet8", "kd", 4),
    Setting("cifar/resnet8", "kd", 16),
    Setting("cifar/resnet8", "pkd", 4, "teacher"),
    Setting("cifar/resnet8", "simkd", 4),
    Setting("cifar/resnet8", "scratch", 4),
    Setting("cifar/mobilenetv2", "pkd", 2),
)


def main() -> None:
    """Train, print, write."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    with own_workspace("optimizers-") as workspace:
        rows = [_row(setting, workspace, options) for setting in SETTINGS]
    text = _report(rows, options)
    print(text)
    write_section(options.document, "optimizers", text)


def _row(setting: Setting, workspace: Workspace, options: argparse.Namespace) -> dict[str, object]:
    found: dict[str, list[tuple[float, float]]] = {"sgd": [], "muon": []}
    for number in range(options.seeds):
        for optimizer, its in found.items():
            its.append(_trained(setting, optimizer, FIRST_SEED + number, workspace, options))
    accuracies = {optimizer: [100 * accuracy for accuracy, _ in its] for optimizer, its in found.items()}
    seconds = [f"{statistics.fmean(seconds for _, seconds in its):.1f}" for its in found.values()]
    gains = [muon - sgd for sgd, muon in zip(accuracies["sgd"], accuracies["muon"], strict=True)]
    row: dict[str, object] = {
        "student": setting.student,
        "method": setting.method,
        "weights": f"its {setting.weights}'s" if setting.weights else "random weights",
        "passes": str(setting.passes),
        **{optimizer: interval(each) for optimizer, each in accuracies.items()},
        "gain": interval(gains, sign="+"),
        "seconds": " ".join(seconds),
    }
    print(row, flush=True)
    return row


def _trained(
    setting: Setting, optimizer: str, seed: int, workspace: Workspace, options: argparse.Namespace
) -> tuple[float, float]:
    """(test top-1, seconds of training)"""
    recipe = {
        "student": {"weights": setting.weights},
        "method": {"name": setting.method},
        "training": {**NOTHING_NAMED, "optimizer": optimizer},
    }
    run = Run("stored", 1, STEPS_PER_PASS * setting.passes, seed, student=setting.student, recipe=recipe)
    return train_alone(run, workspace, data=options.data, out=options.out)


def _report(rows: list[dict[str, object]], options: argparse.Namespace) -> str:
    return "\n\n".join(
        [
            "## Optimizers",
            f"{circumstances()}; ten classes of CIFAR-100, 4,500 images, teacher resnet56, {options.seeds} seeds, "
            "means and 95% intervals over them:",
            table(rows, COLUMNS),
            f"```\npython benchmarks/optimizers.py --data ../shared/data --seeds {options.seeds}\n```",
        ]
    )


def _options() -> argparse.Namespace:
    parser = options_of(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
