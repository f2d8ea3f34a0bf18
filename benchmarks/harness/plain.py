"""The textbook loop as a variant; `textbook-tuned` is the same in the channels_last layout, with workers that stay."""

import itertools

import torch
from torch import nn

from benchmarks import textbook
from benchmarks.harness.foreign import accept_synthetic_images, set_up
from benchmarks.harness.pacing import Channel
from benchmarks.harness.request import Request
from benchmarks.harness.works import Work


def run(request: Request, channel: Channel) -> None:
    """Train until the channel says stop."""
    pacer, device = set_up(request, channel)
    work, tuned = request.work, request.variant == "textbook-tuned"
    teacher, student = load_networks(request)
    teacher.to(device).eval().requires_grad_(False)
    student.to(device).train()
    step, learners = _step(work, teacher, student, device)
    if tuned:
        for network in (teacher, *learners):
            network.to(memory_format=torch.channels_last)
    inputs = request.inputs
    if work.images == "cifar":
        accept_synthetic_images()
        dataset = textbook.cifar_dataset(inputs.cifar)
    else:
        dataset = textbook.folder_dataset(inputs.jpeg / "train", work.image_size)
    loader = textbook.make_loader(dataset, work.batch_size, persistent=tuned)
    optimizer = textbook.make_optimizer(learners)
    for _ in itertools.count():
        textbook.train_epoch(loader, step, optimizer, device, channels_last=tuned, after_step=pacer.step_done)


def load_networks(request: Request) -> tuple[nn.Module, nn.Module]:
    """The work's teacher with its weights and its student with random ones, as plain modules that take normalized
    images.
    """
    from core.networks import zoo

    work, inputs = request.work, request.inputs
    num_classes = len(inputs.classes(work))
    teacher, _, _ = zoo.make(work.teacher, num_classes, None)
    teacher.load_state_dict(torch.load(inputs.checkpoint(work.teacher), weights_only=True)["model"])
    student, _, _ = zoo.make(work.student, num_classes, None)
    return teacher, student


def _step(
    work: Work, teacher: nn.Module, student: nn.Module, device: torch.device
) -> tuple[textbook.Step, list[nn.Module]]:
    """The step, and the modules that it trains."""
    if work.method == "kd":
        return textbook.kd_step(teacher, student), [student]
    projector = textbook.make_projector(student.fc.in_features, teacher.fc.in_features).to(device)
    return textbook.simkd_step(teacher, student, projector), [student, projector]
