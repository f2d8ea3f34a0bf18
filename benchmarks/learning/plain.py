"""The textbook loop's training, with the images that the engine's training would get."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision import transforms

from benchmarks import textbook
from benchmarks.learning.measuring import Meter, top1
from benchmarks.learning.runs import Run
from core.data.dataset import open_dataset
from core.evaluation.predict import evaluating
from core.networks import zoo
from core.networks.teacher import load_teacher
from core.spec import JobSpec, TrainingSpec
from core.system.workspace import Workspace


class _Enough(Exception):
    """The textbook loop has done its steps."""


def train_plainly(run: Run, spec: JobSpec, workspace: Workspace) -> Meter:
    """Data loader, float32, the teacher asked for every batch."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    source = open_dataset(spec.dataset, workspace, seed=run.seed)
    data = source.decode(32)
    known = load_teacher(spec.teacher, workspace)
    teacher = known.network.module
    teacher.fc = _sliced(teacher.fc, [known.classes.index(name) for name in data.classes])
    teacher.to(device).eval().requires_grad_(False)
    learners = _learners(run, teacher, len(data.classes)).to(device)
    look = known.network.input
    pixels = data.train.images.permute(0, 2, 3, 1).numpy()
    transform = textbook.cifar_transform(look.mean, look.std, augmented=spec.training.augmentation == "light")
    images = textbook.ArrayDataset(pixels, data.train.labels.tolist(), transform)
    loader = textbook.make_loader(images, int(spec.training.batch_size))
    optimizer = textbook.make_optimizer(learners, nesterov=True)
    schedule = LambdaLR(optimizer, _rate_factor(spec.training, run.steps, len(loader)))
    decay = spec.training.ema_decay
    average = AveragedModel(learners, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True) if decay else None
    normalize = transforms.Normalize(look.mean, look.std)

    def accuracy() -> float:
        final = average.module if average is not None else learners
        with evaluating(final):
            predict = _prediction(run, teacher, final)
            return top1(lambda part: predict(normalize(part.to(device))), data.test.images, data.test.labels)

    def after_step() -> None:
        schedule.step()
        if average is not None:
            average.update_parameters(learners)
        if meter.step_done():
            raise _Enough

    meter = Meter(run.steps, accuracy)
    try:
        while True:
            textbook.train_epoch(loader, _step(run, teacher, learners), optimizer, device, after_step=after_step)
    except _Enough:
        return meter


def _rate_factor(training: TrainingSpec, steps: int, steps_per_epoch: int) -> Callable[[int], float]:
    """The share of the peak rate by steps done: a linear rise and no fall, or a cosine from the first step on."""
    if training.schedule == "constant":
        warmup = max(1, round(training.warmup_epochs * steps_per_epoch))
        return lambda done: min(1.0, (done + 1) / warmup)
    return lambda done: 0.5 * (1 + math.cos(math.pi * done / steps))


def _sliced(classifier: nn.Linear, rows: list[int]) -> nn.Linear:
    """The classifier of some of the classes alone."""
    smaller = nn.Linear(classifier.in_features, len(rows))
    smaller.load_state_dict({"weight": classifier.weight[rows], "bias": classifier.bias[rows]})
    return smaller


def _learners(run: Run, teacher: nn.Module, num_classes: int) -> nn.ModuleList:
    """The student; SimKD's projector besides."""
    student = zoo.make(run.student, num_classes, None)[0]
    if run.method == "kd":
        return nn.ModuleList([student])
    return nn.ModuleList([student, textbook.make_projector(student.fc.in_features, teacher.fc.in_features)])


def _step(run: Run, teacher: nn.Module, learners: nn.ModuleList) -> textbook.Step:
    return textbook.kd_step(teacher, *learners) if run.method == "kd" else textbook.simkd_step(teacher, *learners)


def _prediction(run: Run, teacher: nn.Module, learners: nn.ModuleList) -> Callable[[Tensor], Tensor]:
    """Normalized images -> logits of what is deployed."""
    if run.method == "kd":
        return learners[0]
    student, projector = learners

    def predict(images: Tensor) -> Tensor:
        maps, _ = textbook.map_and_logits(student, images)
        return teacher.fc(projector(maps).mean(dim=(2, 3)))

    return predict
