"""Test accuracy after a few passes over the images: what augmentation and batch size are worth there.

    python benchmarks/short_trainings.py --data ../shared/data

Ten classes of CIFAR-100 with 500 images each (a tenth held out), resnet56 to resnet8, which begins with its teacher's
weights and learns by pkd; all else as a job gets that names nothing. --optimizer sgd: the same with SGD, in a table of
its own. The table goes between markers into docs/explanation/performance.md. About ten minutes on two cores.
"""

import argparse
import statistics
from dataclasses import dataclass

from benchmarks.engine import own_workspace
from benchmarks.harness.document import table, write_section
from benchmarks.learning.alone import train_alone
from benchmarks.learning.child import NOTHING_NAMED
from benchmarks.learning.runs import Run
from benchmarks.learning.telling import circumstances, options_of
from core.system.workspace import Workspace

IMAGES = 4480  # of 4,500 in the training split: whole batches
FIRST_SEED = 10  # of none that accuracy_per_second.py trains with
METHOD = {"name": "pkd"}
COLUMNS = {
    "passes": "passes",
    "batch_size": "batch",
    "steps": "steps",
    "light": "top-1, light augmentation",
    "none": "top-1, none",
    "seconds": "training without augmentation, s",
}


@dataclass(frozen=True)
class Course:
    """How long, in which batches, of which views."""

    passes: int
    batch_size: int
    augmentation: str

    @property
    def steps(self) -> int:
        """Of the optimizer."""
        return self.passes * IMAGES // self.batch_size


def main() -> None:
    """Train, print, write."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    with own_workspace("short-") as workspace:
        rows = [_row(passes, batch_size, workspace, options) for passes, batch_size in options.courses]
    text = _report(rows, options)
    print(text)
    name = "short-trainings" if options.optimizer == "auto" else f"short-trainings-{options.optimizer}"
    write_section(options.document, name, text)


def _row(passes: int, batch_size: int, workspace: Workspace, options: argparse.Namespace) -> dict[str, object]:
    row: dict[str, object] = {"passes": passes, "batch_size": batch_size}
    for augmentation in ("light", "none"):
        course = Course(passes, batch_size, augmentation)
        found = [_trained(course, FIRST_SEED + number, workspace, options) for number in range(options.seeds)]
        row["steps"] = course.steps
        row[augmentation] = " ".join(f"{100 * accuracy:.1f}" for accuracy, _ in found)
        row["seconds"] = f"{statistics.fmean(seconds for _, seconds in found):.1f}"
    return row


def _trained(course: Course, seed: int, workspace: Workspace, options: argparse.Namespace) -> tuple[float, float]:
    """(test top-1, seconds of training)"""
    return train_alone(run_of(course, seed, options.optimizer), workspace, data=options.data, out=options.out)


def run_of(course: Course, seed: int, optimizer: str) -> Run:
    """What is trained."""
    chosen = {"optimizer": optimizer, "batch_size": course.batch_size, "augmentation": course.augmentation}
    recipe = {"student": {"weights": "auto"}, "method": METHOD, "training": {**NOTHING_NAMED, **chosen}}
    return Run("live", 0, course.steps, seed, student="cifar/resnet8", recipe=recipe)


def _report(rows: list[dict[str, object]], options: argparse.Namespace) -> str:
    command = f"python benchmarks/short_trainings.py --data ../shared/data --seeds {options.seeds}"
    command += f" --courses {' '.join(f'{passes}:{batch_size}' for passes, batch_size in options.courses)}"
    by_default = options.optimizer == "auto"
    command += "" if by_default else f" --optimizer {options.optimizer}"
    return "\n\n".join(
        [
            "## Short trainings" + ("" if by_default else f", {options.optimizer}"),
            f"{circumstances()}; ten classes of CIFAR-100, 4,500 images, resnet56 to resnet8 by pkd with its teacher's "
            f"weights, optimizer {options.optimizer}; every seed's test top-1, %:",
            table(rows, COLUMNS),
            f"```\n{command}\n```",
        ]
    )


def _course(text: str) -> tuple[int, int]:
    passes, _, batch_size = text.partition(":")
    return int(passes), int(batch_size)


def _options() -> argparse.Namespace:
    parser = options_of(__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--optimizer", choices=["auto", "sgd", "muon"], default="auto", help="default: what a job gets")
    parser.add_argument(
        "--courses",
        type=_course,
        nargs="+",
        default=[(1, 64), (1, 32), (2, 64), (2, 32), (4, 64), (8, 64)],
        metavar="PASSES:BATCH",
        help="passes over the training images, and images a batch",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
