"""A training step alone and beside a process that is always busy, with the threads pinned to cores and without.

    python benchmarks/contention.py

Students with random weights, 64 random images of 32 x 32, forward and backward. Needs a machine with nothing else to
do. The table goes between markers into docs/performance.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

from benchmarks.harness.document import machine, table, write_section

ROOT = Path(__file__).parents[1]
STUDENTS = ("cifar/resnet8", "cifar/resnet8x4")
BATCH, CLASSES, SIZE, STEPS = 64, 100, 32, 12


def measure(precision: str, pinned_too: bool) -> dict[str, float]:
    """Median milliseconds of a step by student, in this process."""
    import torch
    from torch.nn import functional

    from core import device, pinning
    from core.networks import zoo
    from core.networks.inference import in_layout

    with nullcontext() if pinned_too else mock.patch.object(device, "pin_threads"):
        device.set_up_process(None, 1)
    arithmetic = device.Arithmetic(torch.device("cpu"), precision)
    found = {}
    with pinning.pinned() if pinned_too else nullcontext():
        for name in STUDENTS:
            student = in_layout(zoo.build(name, CLASSES, image_size=SIZE)).train()
            images = arithmetic.laid_out(torch.rand(BATCH, 3, SIZE, SIZE))
            labels = torch.randint(0, CLASSES, (BATCH,))
            seconds = []
            for _ in range(STEPS):
                began = time.perf_counter()
                with arithmetic.autocast_to_train():
                    loss = functional.cross_entropy(student(images).float(), labels)
                loss.backward()
                seconds.append(time.perf_counter() - began)
            found[name] = 1e3 * statistics.median(seconds[2:])
    return found


def child(precision: str, pinned_too: bool) -> dict[str, float]:
    """`measure` in a process of its own, which waits as the worker's engines do."""
    command = [sys.executable, __file__, "--child", precision, *(["--pinned"] if pinned_too else [])]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--document", type=Path, default=ROOT / "docs/performance.md", help="Markdown file to update")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--pinned", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child, options.pinned)))
        return
    rows = []
    for precision in ("fp32", "bf16"):
        for pinned_too in (False, True):
            alone = child(precision, pinned_too)
            busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            try:
                beside = child(precision, pinned_too)
            finally:
                busy.kill()
            row = {"threads": "a core each" if pinned_too else "free", "precision": precision}
            rows.append({**row, **{name: f"{alone[name]:.0f} / {beside[name]:.0f}" for name in STUDENTS}})
    columns = {"precision": "precision", "threads": "threads", **{name: f"{name}, ms" for name in STUDENTS}}
    text = "\n\n".join(
        [
            "## Beside another busy process",
            f"{time.strftime('%B %Y')}, {machine()}. A student's step, alone / beside one process that is always busy:",
            table(rows, columns),
            "```\npython benchmarks/contention.py\n```",
        ]
    )
    print(text)
    write_section(options.document, "contention", text)


if __name__ == "__main__":
    main()
