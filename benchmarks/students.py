"""Milliseconds of a student's training step on a CPU by arithmetic and convolutions, interleaved in one process.

    python benchmarks/students.py

Students with random weights on random images; cross-entropy, SGD. Needs a machine with nothing else to do. The table
goes between markers into docs/explanation/performance.md.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from benchmarks.harness.document import machine, table, write_section
from benchmarks.harness.interleaved import seconds_of
from core.kernels import load
from core.networks import zoo
from core.networks.inference import in_layout
from core.system.device import Arithmetic
from core.system.process import set_up_process

ROOT = Path(__file__).parents[1]
CACHE = ROOT / "runs" / "cache"
CLASSES = 10


@dataclass(frozen=True)
class Batch:
    """Images of a step, and their height and width in pixels."""

    images: int
    size: int

    def __str__(self) -> str:
        return f"{self.images} of {self.size} x {self.size}"


SMALL, LARGE = Batch(64, 32), Batch(16, 224)
STUDENTS = {
    "cifar/resnet8": SMALL,
    "cifar/resnet8x4": SMALL,
    "cifar/wrn_16_2": SMALL,
    "cifar/vgg8": SMALL,
    "torchvision/resnet18": LARGE,
    "torchvision/vgg11_bn": LARGE,
    "torchvision/mobilenet_v2": LARGE,
    "torchvision/mobilenet_v3_small": LARGE,
    "torchvision/efficientnet_b0": LARGE,
    "torchvision/convnext_tiny": LARGE,
}
CPU = torch.device("cpu")
CASES: dict[str, tuple[Arithmetic, Callable[[Arithmetic], AbstractContextManager[object]]]] = {
    "float32": (Arithmetic(CPU, "fp32"), Arithmetic.autocast),
    "bfloat16": (Arithmetic(CPU, "bf16"), Arithmetic.autocast),
    "the engine": (Arithmetic(CPU, "bf16", load(CACHE)), Arithmetic.autocast_to_train),
}


def make_step(architecture: str, case: str) -> Callable[[], None]:
    """One training step of a student in one of the arithmetics."""
    arithmetic, mixed = CASES[case]
    torch.manual_seed(0)
    batch = STUDENTS[architecture]
    student = in_layout(zoo.build(architecture, CLASSES, image_size=batch.size).train())
    images = arithmetic.laid_out(torch.rand(batch.images, 3, batch.size, batch.size))
    labels = torch.randint(0, CLASSES, (batch.images,))
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
        "batch": str(STUDENTS[architecture]),
        **{case: f"{1e3 * statistics.median(found):.0f}" for case, found in seconds.items()},
        "gain": f"{statistics.median(gains):.2f}",
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="steps of each, in turn (default: %(default)s)")
    parser.add_argument(
        "--document", type=Path, default=ROOT / "docs/explanation/performance.md", help="Markdown file to update"
    )
    options = parser.parse_args()
    set_up_process(None, 1)
    rows = [measure(architecture, options.rounds) for architecture in STUDENTS]
    columns = {
        "student": "student",
        "batch": "images",
        **{case: f"{case}, ms a step" for case in CASES},
        "gain": "the engine against bfloat16, times faster",
    }
    text = "\n\n".join(
        [
            "## The student's step",
            f"{time.strftime('%B %Y')}, {machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads; "
            f"{options.rounds} rounds. The engine: bfloat16, but depthwise convolutions in float32; by its own kernels "
            "3x3 ones of stride 1 (Winograd's algorithm), the gradients of weights of stride 2, and batch norms.",
            table(rows, columns),
            "```\npython benchmarks/students.py\n```",
        ]
    )
    print(text)
    write_section(options.document, "students", text)


if __name__ == "__main__":
    main()
