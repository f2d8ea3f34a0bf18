"""Where the time of a short job goes: preparing, training, evaluating, exporting, for a first job and for a second.

    python benchmarks/phases.py --data ../shared/data

The shortest jobs that name no length (1,500 steps): ten classes of CIFAR-100 with 50 images each, resnet56 to resnet8;
and digits without a teacher. Each is run twice with one cache, by an engine that waited for it, as in the service. The
table goes between markers into docs/explanation/performance.md. About five minutes on two cores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.cifar100 import class_names, every_tenth, joined
from benchmarks.harness.document import table, write_section
from benchmarks.learning.telling import circumstances, options_of
from worker.environment import SPIN_COUNT

ROOT = Path(__file__).parents[1]
PHASES = ("preparing", "training", "evaluating", "exporting")
IMAGES = 50  # a class
COLUMNS = {
    "job": "job",
    **{phase: f"{phase}, s" for phase in PHASES},
    "share": "evaluating and exporting, of the whole",
}


@dataclass(frozen=True)
class Phases:
    """Seconds of one job."""

    seconds: dict[str, float]

    @property
    def share(self) -> float:
        """What evaluation and export take of the job's time."""
        return (self.seconds["evaluating"] + self.seconds["exporting"]) / sum(self.seconds.values())

    @classmethod
    def read(cls, lines: list[str], given_at: float) -> "Phases":
        """From an engine's events, the last of which is its result; `given_at`: when it got the job, time.time()."""
        events = [json.loads(line) for line in lines]
        times = [datetime.fromisoformat(event["at"]).timestamp() for event in events]
        began = [(event["phase"], at) for event, at in zip(events, times, strict=True) if event["event"] == "phase"]
        edges = [given_at, *(at for _, at in began[1:]), times[-1]]
        return cls({phase: end - start for (phase, _), (start, end) in zip(began, pairwise(edges), strict=True)})


def main() -> None:
    """Run, print, write."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, spec in _jobs(options).items():
        with tempfile.TemporaryDirectory(prefix="phases-") as scratch:
            for order in ("first", "second"):
                rows.append(_row(f"{name}, {order} job", _run(spec, Path(scratch), order)))
                print(rows[-1], flush=True)
    text = _report(rows)
    print(text)
    write_section(options.document, "phases", text)


def _jobs(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    data, (classes, _) = joined(options.data.resolve(), options.out.resolve()), class_names(options.data)
    weights = (data / "weights/cifar100_resnet56.pth").as_uri()
    uri = (data / "cifar100.zip").as_uri()
    return {
        "resnet56 to resnet8": {
            "teacher": {"architecture": "cifar/resnet56", "weights": weights, "classes": classes},
            "dataset": {"uri": uri, "classes": every_tenth(classes), "max_per_class": IMAGES},
            "student": "cifar/resnet8",
        },
        "digits, resnet8, no teacher": {"dataset": "builtin:digits", "student": "cifar/resnet8", "method": "scratch"},
    }


def _run(spec: dict[str, Any], scratch: Path, order: str) -> Phases:
    out = scratch / order
    out.mkdir()
    (out / "spec.json").write_text(json.dumps(spec))
    arguments = ["--spec", str(out / "spec.json"), "--out", str(out), "--cache", str(scratch / "cache")]
    order = json.dumps({"folder": str(ROOT), "arguments": [*arguments, "--events", "json"]})
    with subprocess.Popen(
        [sys.executable, "-m", "core", "wait"],
        cwd=ROOT,
        env={**os.environ, **SPIN_COUNT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as engine:
        engine.stdout.readline()  # it has loaded everything
        given_at = time.time()
        told, _ = engine.communicate(f"{order}\n")
    if engine.returncode:
        raise SystemExit(f"the engine's exit status is {engine.returncode}; it told:\n{told}")
    return Phases.read(told.splitlines(), given_at)


def _row(name: str, phases: Phases) -> dict[str, object]:
    seconds = {phase: f"{phases.seconds[phase]:.1f}" for phase in PHASES}
    return {"job": name, **seconds, "share": f"{phases.share:.0%}"}


def _report(rows: list[dict[str, object]]) -> str:
    return "\n\n".join(
        [
            "## The phases of short jobs",
            f"{circumstances()}; 1,500 steps, what jobs take that name no length:",
            table(rows, COLUMNS),
            "```\npython benchmarks/phases.py --data ../shared/data\n```",
        ]
    )


def _options() -> argparse.Namespace:
    parser = options_of(__doc__)
    return parser.parse_args()


if __name__ == "__main__":
    main()
