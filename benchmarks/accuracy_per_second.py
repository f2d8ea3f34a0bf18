"""Test accuracy over wall seconds: the engine against the textbook loop, on real images.

    python benchmarks/accuracy_per_second.py --data ../shared/data --seeds 3

Ten classes of CIFAR-100 with 500 images each (a tenth held out for validation), the trained resnet56 as teacher, one
process at a time. First all loops take the same number of steps with the same recipe: what bfloat16 and k stored views
cost in accuracy. Then the textbook loop trains as it learns most in so few passes (TUNED), and the engine takes shares
of those steps, with a recipe of its own: the wall time to what the textbook loop reached. What has an outcome in OUT is
not run again. Needs a machine with nothing else to do.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.cifar100 import class_names, joined
from benchmarks.harness.document import machine, table, write_section
from benchmarks.learning.child import Errand
from benchmarks.learning.plot import draw
from benchmarks.learning.runs import TUNED, Outcome, Run, plan
from benchmarks.learning.summary import Group, equal_steps, groups_of, time_to_textbook
from worker.environment import SPIN_COUNT

ROOT = Path(__file__).parents[1]
# What a job gets that names none of it.
RECIPE = {
    "student": {"weights": "auto"},
    "method": {"name": "pkd"},
    "training": {"augmentation": "auto", "optimizer": "auto", "weight_decay": "auto"},
}
EQUAL_COLUMNS = {
    "variant": "variant",
    "accuracy": "test top-1, mean and 95% interval over seeds",
    "difference": "points above textbook",
    "within": "within its interval",
    "training_seconds": "training, s",
    "all_seconds": "whole process, s",
}
TIME_COLUMNS = {
    "variant": "variant",
    "steps": "steps",
    "accuracy": "test top-1, mean and 95% interval over seeds",
    "all_seconds": "whole process, s",
    "times_faster": "times faster than the better textbook",
    "loaded_seconds": "the same, code loaded, s",
    "times_faster_loaded": "times faster, code loaded",
}
LEGEND = """\
- *training*: the engine's time includes its validations and the computation of the stored pass, which every run does
  again; the textbook loop has neither.
- *whole process*: from the start of the process to the last step.
- *times faster*: the time of the textbook loop's training alone, divided by the time of the engine's whole process. The
  field is empty if no training reached the textbook loop's accuracy; then the row has the best training.
- *code loaded*: the same in a process that waited for the job.
- *second job*: the same job a second time; results about images and teacher are in the engine's cache."""


def main() -> None:
    """Run what is missing, then tell."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    data, (classes, _) = joined(options.data.resolve(), options.out.resolve()), class_names(options.data)
    runs = plan(
        steps=options.steps,
        seeds=options.seeds,
        views=options.views,
        shares=options.shares,
        recipe=options.recipe,
        method=options.method,
        student=options.student,
    )
    groups = groups_of([_outcome(run, data, classes, options) for run in runs])
    draw(groups, options.out / "accuracy_per_second.png")
    report = _report(groups, options)
    print(report)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(_document(groups), indent=1))
    if options.document:
        write_section(options.document, f"accuracy-{options.method}", report)


def _outcome(run: Run, data: Path, classes: list[str], options: argparse.Namespace) -> Outcome:
    result = options.out / f"{run.name}.json"
    if not result.exists():
        with tempfile.TemporaryDirectory(prefix="accuracy-") as scratch:
            errand = Errand(run, str(data), classes, scratch, str(result.resolve()), time.time(), options.threads)
            for _ in range(2 if run.is_second else 1):
                errand = replace(errand, started_at=time.time())
                command = [sys.executable, "-m", "benchmarks.learning.child", errand.to_json()]
                environment = {**os.environ, **(SPIN_COUNT if run.variant != "textbook" else {})}
                subprocess.run(command, cwd=ROOT, env=environment, check=True)
        outcome = Outcome.load(result)
        told = f"{outcome.before_seconds:.1f} + {outcome.seconds:.1f} s, {outcome.accuracy:.1%}"
        print(f"{run.name}: {told}", file=sys.stderr, flush=True)
    return Outcome.load(result)


def _document(groups: list[Group]) -> dict[str, Any]:
    rows = [
        {
            **vars(outcome.run),
            "accuracy": outcome.accuracy,
            "training_seconds": outcome.seconds,
            "before_seconds": outcome.before_seconds,
            "loading_seconds": outcome.loading_seconds,
            "curve": outcome.curve,
        }
        for group in groups
        for outcome in group.outcomes
    ]
    return {"rows": rows, "equal_steps": equal_steps(groups), "time_to_textbook": time_to_textbook(groups)}


def _report(groups: list[Group], options: argparse.Namespace) -> str:
    import torch

    equal = [_cells(row) for row in equal_steps(groups)]
    quickest = [_cells(row) for row in time_to_textbook(groups)]
    command = f"python benchmarks/accuracy_per_second.py --data ../shared/data --method {options.method}"
    command += f" --student {options.student} --steps {options.steps} --seeds {options.seeds}"
    command += f" --views {' '.join(map(str, options.views))} --shares {' '.join(map(str, options.shares))}"
    command += f" --recipe '{json.dumps(options.recipe)}'" if options.recipe != RECIPE else ""
    threads = options.threads or len(os.sched_getaffinity(0))
    return "\n\n".join(
        [
            f"## Accuracy, cifar/resnet56 -> {options.student} by {options.method}",
            f"{time.strftime('%B %Y')}, {machine()}, torch {torch.__version__}, {threads} threads, "
            f"{options.seeds} seeds. After {options.steps} steps of 64 images each:",
            table(equal, EQUAL_COLUMNS),
            "The shortest training that reached the accuracy of the textbook loop with its better recipe (*tuned*: "
            f"`{json.dumps(TUNED['training'])}`); *own recipe* is "
            f"`{json.dumps(options.recipe)}`:",
            table(quickest, TIME_COLUMNS),
            LEGEND,
            f"```\n{command}\n```",
        ]
    )


def _cells(row: dict[str, Any]) -> dict[str, object]:
    half = f" ± {100 * row['half_interval']:.1f}" if row["half_interval"] is not None else ""
    cells: dict[str, object] = {**row, "accuracy": f"{100 * row['mean_accuracy']:.1f}{half}"}
    if "difference" in row:
        cells["difference"] = f"{100 * row['difference']:+.1f}"
        cells["within"] = {True: "yes", False: "no", None: None}[row["within_interval"]]
    return cells


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data", help="folder with the CIFAR-100 archives")
    parser.add_argument("--out", type=Path, default=ROOT / "runs/accuracy_per_second")
    parser.add_argument("--method", choices=["kd", "simkd"], default="kd")
    parser.add_argument("--student", default="cifar/resnet8x4")
    parser.add_argument("--steps", type=int, default=3000, help="of the textbook loop (64 images each)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--views", type=int, nargs="*", default=[1, 2, 4, 8], help="of stored teacher passes")
    parser.add_argument(
        "--shares", type=float, nargs="*", default=[0.5, 0.25, 0.125], help="of the steps that the engine takes besides"
    )
    parser.add_argument(
        "--recipe",
        type=json.loads,
        default=RECIPE,
        help="JSON: what those shorter trainings have of their own: fields of a job's training and student, a method",
    )
    parser.add_argument("--threads", type=int, help="CPU threads of every training; default: all")
    parser.add_argument("--json", type=Path, help="file for all outcomes")
    parser.add_argument(
        "--document", type=Path, default=ROOT / "docs/explanation/performance.md", help="Markdown file to update"
    )
    parser.add_argument("--no-document", dest="document", action="store_const", const=None, help="update none")
    return parser.parse_args()


if __name__ == "__main__":
    main()
