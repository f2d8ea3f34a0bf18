"""What each lever of the engine gains alone and together: milliseconds of one KD step, interleaved in one process.

    python benchmarks/levers.py

cifar/resnet32x4 -> cifar/resnet8x4 with random weights, 64 random images of 32 x 32. Needs a machine with nothing else
to do. The table goes between markers into docs/explanation/performance.md.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional

from benchmarks.harness.document import machine, table, write_section
from benchmarks.harness.interleaved import seconds_of
from core.kernels import load
from core.methods.kd import kd_loss
from core.networks import zoo
from core.networks.inference import frozen_copy, in_layout, in_low_precision
from core.networks.quantized import NUM_IMAGES, quantized
from core.system.device import Arithmetic
from core.system.process import set_up_process

ROOT = Path(__file__).parents[1]
CACHE = ROOT / "runs" / "cache"
BATCH, CLASSES, SIZE = 64, 100, 32


@dataclass(frozen=True)
class Levers:
    """Which of them are pulled."""

    name: str
    channels_last: bool = False
    folded: bool = False
    teacher_bf16: bool = False
    teacher_int8: bool = False
    student_bf16: bool = False
    student_kernels: bool = False
    compiled: bool = False
    stored: bool = False


FLOATS = {"channels_last": True, "folded": True, "teacher_bf16": True, "student_bf16": True}
OWN = {**FLOATS, "student_kernels": True}
CASES = (
    Levers("none: float32, as libraries do it"),
    Levers("channels_last", channels_last=True),
    Levers("teacher folded", folded=True),
    Levers("teacher in bfloat16", teacher_bf16=True),
    Levers("student in bfloat16", student_bf16=True),
    Levers("student in bfloat16 by the engine's kernels", channels_last=True, student_bf16=True, student_kernels=True),
    Levers("both in bfloat16", teacher_bf16=True, student_bf16=True),
    Levers("teacher's pass stored", stored=True),
    Levers("all of these in floats", **FLOATS),
    Levers("the same, compiled", **FLOATS, compiled=True),
    Levers("floats, the student by the engine's kernels", **OWN),
    Levers("besides, the teacher in 8-bit integers: the engine, live", **OWN, teacher_int8=True),
    Levers("the same with the pass stored: the engine, stored", **OWN, stored=True),
)


def make_step(levers: Levers) -> Callable[[], None]:
    """One training step with these levers."""
    device = torch.device("cpu")
    low, full = Arithmetic(device, "bf16"), Arithmetic(device, "fp32")
    trained = low if levers.student_bf16 else full
    if levers.student_kernels:
        trained = replace(trained, kernels=load(CACHE))
    torch.manual_seed(0)
    teacher = zoo.build("cifar/resnet32x4", CLASSES, image_size=SIZE).eval().requires_grad_(False)
    student = zoo.build("cifar/resnet8x4", CLASSES, image_size=SIZE).train()
    images, labels = torch.rand(BATCH, 3, SIZE, SIZE), torch.randint(0, CLASSES, (BATCH,))
    calibrating = full.laid_out(torch.rand(NUM_IMAGES, 3, SIZE, SIZE))
    if levers.folded:
        teacher = frozen_copy(teacher)
    if levers.channels_last:
        teacher, student, images = in_layout(teacher), in_layout(student), full.laid_out(images)
    if levers.teacher_bf16 and not levers.teacher_int8:
        teacher = in_low_precision(copy.deepcopy(teacher), torch.bfloat16)
    if levers.teacher_int8:
        with torch.no_grad(), low.autocast():
            made = quantized(teacher, (), calibrating, dtype=low.dtype, batch_size=BATCH)
        observe = made.features
    else:
        observe = partial(teacher.features, taps=())
    if levers.compiled:
        teacher.compile_features(print)
        student.compile_features(print)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    kept = torch.randn(BATCH, CLASSES)

    def step() -> None:
        said = kept
        if not levers.stored:
            with torch.no_grad(), (low if levers.teacher_bf16 else full).autocast():
                said = observe(images).logits.float()
        with trained.autocast_to_train():
            logits = student.features(images, ()).logits.float()
        loss = 0.1 * functional.cross_entropy(logits, labels) + 0.9 * kd_loss(logits, said, temperature=4.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="steps of each, in turn (default: %(default)s)")
    parser.add_argument(
        "--document", type=Path, default=ROOT / "docs/explanation/performance.md", help="Markdown file to update"
    )
    options = parser.parse_args()
    set_up_process(None, 1)
    seconds = seconds_of([make_step(case) for case in CASES], options.rounds)
    plain = seconds[0]
    rows = [
        {
            "levers": case.name,
            "ms": f"{1e3 * statistics.median(found):.0f}",
            "gain": f"{statistics.median(a / b for a, b in zip(plain, found, strict=True)):.2f}",
        }
        for case, found in zip(CASES, seconds, strict=True)
    ]
    columns = {"levers": "levers", "ms": "ms a step, median", "gain": "times faster, median over rounds"}
    text = "\n\n".join(
        [
            "## Each lever alone and together",
            f"{time.strftime('%B %Y')}, {machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads; KD, "
            f"resnet32x4 to resnet8x4, batch {BATCH}; {options.rounds} rounds.",
            table(rows, columns),
            "```\npython benchmarks/levers.py\n```",
        ]
    )
    print(text)
    write_section(options.document, "levers", text)


if __name__ == "__main__":
    main()
