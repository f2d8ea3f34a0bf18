"""Milliseconds of a student's training step by arithmetic, interleaved in one process: where bfloat16 pays on a CPU.

    python benchmarks/depthwise.py

Students with random weights on 16 random images of 224 x 224; cross-entropy, SGD. Needs a machine with nothing else to
do. The table goes between markers into docs/performance.md.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch.nn import functional

from benchmarks.harness.document import machine, table, write_section
from benchmarks.harness.interleaved import seconds_of
from core.device import Arithmetic, set_up_process
from core.networks import zoo
from core.networks.inference import in_layout

ROOT = Path(__file__).parents[1]
BATCH, CLASSES, SIZE = 16, 10, 224
STUDENTS = (
    "torchvision/mobilenet_v2",
    "torchvision/mobilenet_v3_small",
    "torchvision/efficientnet_b0",
    "torchvision/convnext_tiny",
    "torchvision/resnet18",
)
CPU = torch.device("cpu")
CASES: dict[str, tuple[Arithmetic, Callable[[Arithmetic], AbstractContextManager[object]]]] = {
    "float32": (Arithmetic(CPU, "fp32"), Arithmetic.autocast),
    "bfloat16": (Arithmetic(CPU, "bf16"), Arithmetic.autocast),
    "the engine": (Arithmetic(CPU, "bf16"), Arithmetic.autocast_to_train),
}


def make_step(architecture: str, case: str) -> Callable[[], None]:
    """One training step of a student in one of the arithmetics."""
    arithmetic, mixed = CASES[case]
    torch.manual_seed(0)
    student = in_layout(zoo.build(architecture, CLASSES, image_size=SIZE).train())
    images = arithmetic.laid_out(torch.rand(BATCH, 3, SIZE, SIZE))
    labels = torch.randint(0, CLASSES, (BATCH,))
    optimizer = torch.optim.SGD(student.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def step() -> None:
        with mixed(arithmetic):
            logits = student.features(images, ()).logits.float()
        optimizer.zero_grad()
        functional.cross_entropy(logits, labels).backward()
        optimizer.step()

    return step


def measure(architecture: str, rounds: int) -> dict[str, str]:
    """The row of a student: medians over the rounds, and the median of the ratios within each."""
    found_in_turn = seconds_of([make_step(architecture, case) for case in CASES], rounds)
    seconds = dict(zip(CASES, found_in_turn, strict=True))
    gains = [low / engine for low, engine in zip(seconds["bfloat16"], seconds["the engine"], strict=True)]
    return {
        "student": architecture,
        **{case: f"{1e3 * statistics.median(found):.0f}" for case, found in seconds.items()},
        "gain": f"{statistics.median(gains):.2f}",
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="steps of each, in turn (default: %(default)s)")
    parser.add_argument("--document", type=Path, default=ROOT / "docs/performance.md", help="Markdown file to update")
    options = parser.parse_args()
    set_up_process(None, 1)
    rows = [measure(architecture, options.rounds) for architecture in STUDENTS]
    columns = {
        "student": "student",
        **{case: f"{case}, ms a step" for case in CASES},
        "gain": "the engine against bfloat16, times faster",
    }
    text = "\n\n".join(
        [
            "## Depthwise convolutions",
            f"{time.strftime('%B %Y')}, {machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads; "
            f"{BATCH} images of {SIZE} x {SIZE}; {options.rounds} rounds. The engine: bfloat16, but depthwise "
            "convolutions in float32.",
            table(rows, columns),
            "```\npython benchmarks/depthwise.py\n```",
        ]
    )
    print(text)
    write_section(options.document, "depthwise", text)


if __name__ == "__main__":
    main()
