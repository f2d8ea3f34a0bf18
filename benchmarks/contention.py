"""A training step alone, beside a process that is always busy, and beside another training: by how threads wait and
whether they are pinned to cores.

    python benchmarks/contention.py

Students with random weights, 64 random images of 32 x 32, forward and backward. Needs a machine with nothing else to
do. The table goes between markers into docs/explanation/performance.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from benchmarks.harness.document import machine, table, write_section
from worker.environment import DECIDE_SPINS, SPIN_COUNT

ROOT = Path(__file__).parents[1]
STUDENTS = ("cifar/resnet8", "cifar/resnet8x4")
BATCH, CLASSES, SIZE, STEPS = 64, 100, 32, 24
ENDLESS = 1_000_000  # steps, of the other training
SECONDS_TO_START = 10.0
WAITING = {"spin as libgomp does": {}, "sleep at once": {"OMP_WAIT_POLICY": "PASSIVE"}, "the engine's": SPIN_COUNT}
CASES = (
    ("fp32", "the engine's", False),
    ("fp32", "the engine's", True),
    ("bf16", "spin as libgomp does", True),
    ("bf16", "sleep at once", True),
    ("bf16", "the engine's", False),
    ("bf16", "the engine's", True),
)


def measure(precision: str, pinned_too: bool, steps: int) -> dict[str, float]:
    """Median milliseconds of a step by student, in this process."""
    import torch
    from torch.nn import functional

    from core.networks import zoo
    from core.networks.inference import in_layout
    from core.system import affinity, device

    with nullcontext() if pinned_too else mock.patch.object(device, "pin_threads"):
        device.set_up_process(None, 1)
    arithmetic = device.Arithmetic(torch.device("cpu"), precision)
    found = {}
    with affinity.pinned() if pinned_too else nullcontext():
        for name in STUDENTS:
            student = in_layout(zoo.build(name, CLASSES, image_size=SIZE)).train()
            images = arithmetic.laid_out(torch.rand(BATCH, 3, SIZE, SIZE))
            labels = torch.randint(0, CLASSES, (BATCH,))
            seconds = []
            for _ in range(steps):
                began = time.perf_counter()
                with arithmetic.autocast_to_train():
                    loss = functional.cross_entropy(student(images).float(), labels)
                loss.backward()
                seconds.append(time.perf_counter() - began)
            found[name] = 1e3 * statistics.median(seconds[2:])
    return found


@dataclass(frozen=True)
class Case:
    """A precision, and what is done about the threads."""

    precision: str
    waiting: str
    is_pinned: bool

    def start(self, steps: int) -> subprocess.Popen:
        """`measure` in a process of its own."""
        command = [sys.executable, __file__, "--child", self.precision, "--steps", str(steps)]
        own = {name: value for name, value in os.environ.items() if name not in DECIDE_SPINS}
        return subprocess.Popen(
            [*command, *(["--pinned"] if self.is_pinned else [])],
            env={**own, **WAITING[self.waiting]},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(self) -> dict[str, float]:
        """Milliseconds by student."""
        told, _ = self.start(STEPS).communicate()
        return json.loads(told)

    def row(self) -> dict[str, str]:
        """Of the table."""
        alone = self.measure()
        with _meanwhile(subprocess.Popen([sys.executable, "-c", "while True: pass"])):
            busy = self.measure()
        with _meanwhile(self.start(ENDLESS)):
            time.sleep(SECONDS_TO_START)
            twin = self.measure()
        told = {name: f"{alone[name]:.0f} / {busy[name]:.0f} / {twin[name]:.0f}" for name in STUDENTS}
        return {
            "precision": self.precision,
            "waiting": self.waiting,
            "threads": "a core each" if self.is_pinned else "free",
            **told,
        }


@contextmanager
def _meanwhile(other: subprocess.Popen) -> Iterator[None]:
    try:
        yield
    finally:
        other.kill()
        other.wait()


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--document", type=Path, default=ROOT / "docs/explanation/performance.md", help="Markdown file to update"
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--pinned", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child, options.pinned, options.steps)))
        return
    rows = [Case(*case).row() for case in CASES]
    columns = {"precision": "precision", "waiting": "threads that wait", "threads": "threads"}
    columns |= {name: f"{name}, ms" for name in STUDENTS}
    text = "\n\n".join(
        [
            "## Beside another busy process",
            f"{time.strftime('%B %Y')}, {machine()}. A student's step, alone / beside one process that is always busy"
            " / beside a training like itself:",
            table(rows, columns),
            "```\npython benchmarks/contention.py\n```",
        ]
    )
    print(text)
    write_section(options.document, "contention", text)


if __name__ == "__main__":
    main()
