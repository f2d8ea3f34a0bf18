"""One training in this process: what its network knows at the end, and how long it took."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.cifar100 import class_names, joined
from benchmarks.engine import make_trainer, prepare_job
from benchmarks.learning.child import Errand, job
from benchmarks.learning.measuring import top1
from benchmarks.learning.runs import Run
from core.evaluation.predict import evaluating
from core.spec import parse_job
from core.system.workspace import Workspace
from core.training.inputs import PreparedJob
from core.training.trainer import Trainer

Change = Callable[[Trainer, PreparedJob], None]


def train_alone(
    run: Run, workspace: Workspace, *, data: Path, out: Path, change: Change | None = None
) -> tuple[float, float]:
    """(test top-1, seconds of training). `data`: the folder of CIFAR-100's archives; `out`: of inputs made of them;
    `change` is called with the trainer at step 0."""
    inputs, (classes, _) = joined(data.resolve(), out.resolve()), class_names(data)
    torch.manual_seed(run.seed)
    errand = Errand(run, str(inputs), classes, str(workspace.out), "", time.time())
    prepared = prepare_job(parse_job(job(errand)), workspace)
    trainer = make_trainer(prepared, lambda trainer: None)
    if change is not None:
        change(trainer, prepared)
    trainer.run()
    network, test = trainer.method.deployed(), prepared.student.dataset.test
    with evaluating(network):
        return top1(network, test.images, test.labels), trainer.seconds
