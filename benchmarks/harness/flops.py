"""The floating-point operations that a work takes for one image."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import textbook
from benchmarks.harness.works import Work

# A backward pass does two products for each of the forward pass. torch's counter agrees within 0.1% for plain
# convolutions, and counts ten times too many for depthwise ones.
PASSES = 3
BATCH = 2


def count_flops(work: Work, num_classes: int) -> dict[str, float]:
    """Of one image: "live" with the teacher's forward pass, "stored" without it."""
    from core.networks import zoo

    teacher, _, _ = zoo.make(work.teacher, num_classes, None)
    student, _, _ = zoo.make(work.student, num_classes, None)
    images = torch.zeros(BATCH, 3, work.image_size, work.image_size)
    learning = _forward(student, images)
    if work.method == "simkd":
        maps, _ = textbook.map_and_logits(student, images)
        projector = textbook.make_projector(student.fc.in_features, teacher.fc.in_features)
        learning += _forward(projector, maps)
    return {"live": PASSES * learning + _forward(teacher, images), "stored": PASSES * learning}


def _forward(network: nn.Module, images: torch.Tensor) -> float:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(images)
    return counter.get_total_flops() / BATCH
