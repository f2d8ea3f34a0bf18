"""One training in a process of its own: `python -m benchmarks.learning.child ERRAND`.

Both kinds of loop train on the same images, test on the same images, with the same recipe: KD or SimKD, SGD with
Nesterov momentum 0.9, weight decay 5e-4, batches of 64, a peak rate of 0.05 that falls along a cosine, step by step.
Images are shifted and mirrored, unless the run's recipe says otherwise.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.export._trace  # of core.waiting.LATE what comes before the first step
from torch import Tensor, nn

from benchmarks.cifar100 import every_tenth
from benchmarks.engine import make_trainer, prepare_job, set_up
from benchmarks.learning.measuring import Meter, top1
from benchmarks.learning.runs import Outcome, Run
from core.data.dataset import open_dataset
from core.evaluate import evaluating
from core.networks import zoo
from core.networks.teacher import load_teacher
from core.policy import Policy
from core.prepare import Place
from core.spec import JobSpec, parse_job

if TYPE_CHECKING:
    from benchmarks import textbook

BATCH_SIZE = 64
# So many that max_steps decides.
EPOCHS = 100_000


METHODS = {
    "kd": {"name": "kd", "temperature": 4.0, "weight": 0.9, "label_weight": 0.1},
    "simkd": {"name": "simkd"},
}


@dataclass(frozen=True)
class Errand:
    """A run, and where it finds and leaves things. `started_at`: time.time() when the process was started."""

    run: Run
    data: str
    """What benchmarks.cifar100.joined made."""
    classes: list[str]
    """All of CIFAR-100's, in the order of the teacher's outputs."""
    scratch: str
    result: str
    started_at: float
    threads: int | None = None
    """None: all that the process may use."""

    def to_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Errand":
        """What `to_json` wrote."""
        content = json.loads(text)
        return cls(**{**content, "run": Run(**content["run"])})


def job(errand: Errand) -> dict[str, Any]:
    """The job of a run, in the vocabulary of core.spec."""
    run, data = errand.run, Path(errand.data)
    training = {
        "seed": run.seed,
        "max_steps": run.steps,
        "epochs": EPOCHS,
        "batch_size": BATCH_SIZE,
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "weight_decay": 5e-4,
        "schedule": "cosine",
        "augmentation": "light",
        "teacher_pass": "stored" if run.variant == "stored" else "live",
    }
    if run.variant == "stored":
        training["stored_views"] = run.views
    # Random, as the textbook loop's.
    parts = {"student": {"architecture": run.student, "weights": None}, "training": training}
    return {
        "teacher": {
            "architecture": "cifar/resnet56",
            "weights": (data / "weights/cifar100_resnet56.pth").as_uri(),
            "classes": errand.classes,
        },
        "dataset": {"uri": (data / "cifar100.zip").as_uri(), "classes": every_tenth(errand.classes)},
        "method": run.recipe.get("method", METHODS[run.method]),
        **{part: {**fields, **run.recipe.get(part, {})} for part, fields in parts.items()},
    }


def main() -> None:
    """Train, and write the outcome."""
    loaded_at = time.time()
    errand = Errand.from_json(sys.argv[1])
    run, scratch = errand.run, Path(errand.scratch)
    place = Place(scratch / "out", scratch / "cache", None, Policy(num_threads=errand.threads))
    place.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(run.seed)
    if errand.threads is not None:
        torch.set_num_threads(errand.threads)
    spec = parse_job(job(errand))
    meter = train_plainly(run, spec, place) if run.variant == "textbook" else train_ours(run, spec, place)
    before, loading = meter.began_at - errand.started_at, loaded_at - errand.started_at
    Outcome(run, before, loading, tuple(meter.curve)).save(Path(errand.result))


def train_ours(run: Run, spec: JobSpec, place: Place) -> Meter:
    """The engine's training."""
    set_up(place)
    prepared = prepare_job(spec, place)
    test, device = prepared.student.dataset.test, prepared.arithmetic.device

    def accuracy() -> float:
        network = trainer.method.deployed()
        with trainer.averaged.in_place() if trainer.averaged is not None else nullcontext(), evaluating(network):
            return top1(lambda pixels: network(pixels.to(device)), test.images, test.labels)

    trainer = make_trainer(prepared, place, lambda trainer: meter.step_done())
    meter = Meter(run.steps, accuracy)
    trainer.run()
    return meter


class _Enough(Exception):
    """The textbook loop has done its steps."""


def train_plainly(run: Run, spec: JobSpec, place: Place) -> Meter:
    """The textbook loop, with the images that the engine's training would get."""
    from torch.optim.lr_scheduler import LambdaLR
    from torchvision import transforms

    from benchmarks import textbook  # here, for the engine's training has no need of it

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    source = open_dataset(spec.dataset, policy=place.policy, cache=place.cache, inputs=None, seed=run.seed)
    data = source.decode(32)
    known = load_teacher(spec.teacher, policy=place.policy, cache=place.cache, inputs=None)
    teacher = known.network.module
    teacher.fc = _sliced(teacher.fc, [known.classes.index(name) for name in data.classes])
    teacher.to(device).eval().requires_grad_(False)
    student = zoo.make(run.student, len(data.classes), None)[0].to(device)
    learners, step, predict = _plain_step(run, teacher, student, device)
    look = known.network.input
    pixels = data.train.images.permute(0, 2, 3, 1).numpy()
    transform = textbook.cifar_transform(look.mean, look.std, augmented=spec.training.augmentation == "light")
    images = textbook.ArrayDataset(pixels, data.train.labels.tolist(), transform)
    loader = textbook.make_loader(images, BATCH_SIZE)
    optimizer = textbook.make_optimizer(learners, nesterov=True)
    schedule = LambdaLR(optimizer, lambda done: 0.5 * (1 + math.cos(math.pi * done / run.steps)))
    normalize = transforms.Normalize(look.mean, look.std)

    def accuracy() -> float:
        with evaluating(nn.ModuleList(learners)):
            return top1(lambda part: predict(normalize(part.to(device))), data.test.images, data.test.labels)

    def after_step() -> None:
        schedule.step()
        if meter.step_done():
            raise _Enough

    meter = Meter(run.steps, accuracy)
    try:
        while True:
            textbook.train_epoch(loader, step, optimizer, device, after_step=after_step)
    except _Enough:
        return meter


def _sliced(classifier: nn.Linear, rows: list[int]) -> nn.Linear:
    """The classifier of some of the classes alone."""
    smaller = nn.Linear(classifier.in_features, len(rows))
    smaller.load_state_dict({"weight": classifier.weight[rows], "bias": classifier.bias[rows]})
    return smaller


def _plain_step(
    run: Run, teacher: nn.Module, student: nn.Module, device: torch.device
) -> tuple[list[nn.Module], "textbook.Step", Callable[[Tensor], Tensor]]:
    """(what learns, the step, normalized images -> logits of what is deployed)"""
    from benchmarks import textbook

    if run.method == "kd":
        return [student], textbook.kd_step(teacher, student), student
    projector = textbook.make_projector(student.fc.in_features, teacher.fc.in_features).to(device)

    def predict(images: Tensor) -> Tensor:
        maps, _ = textbook.map_and_logits(student, images)
        return teacher.fc(projector(maps).mean(dim=(2, 3)))

    return [student, projector], textbook.simkd_step(teacher, student, projector), predict


if __name__ == "__main__":
    main()
