"""torchdistill from the package index: its DistillationBox, configured and driven as its example for image
classification does, with the zoo's plain networks. SimKD, which it lacks, is a student with a projector of ours and its
own wrapper for a mean squared error between two modules' outputs.
"""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import textbook
from benchmarks.harness.foreign import accept_synthetic_images, set_up
from benchmarks.harness.pacing import Channel, PacedLoader
from benchmarks.harness.plain import load_networks
from benchmarks.harness.request import Request, Unavailable
from benchmarks.harness.works import Work

INSTALL = "torchdistill is not installed: .venv/bin/uv pip install --python .venv/bin/python torchdistill==1.1.5"
LOG_EVERY = 100  # steps, as in its sample configurations


class Projected(nn.Module):
    """A CIFAR ResNet whose last map goes through a projector into the teacher's classifier; N 3 H W -> N K."""

    def __init__(self, network: nn.Module, classifier: nn.Linear) -> None:
        super().__init__()
        self.network = network
        self.projector = textbook.make_projector(network.fc.in_features, classifier.in_features)
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        """Logits; the projector's output is read by a hook."""
        maps, _ = textbook.map_and_logits(self.network, images)
        return self.classifier(self.projector(maps).mean(dim=(2, 3)))


def run(request: Request, channel: Channel) -> None:
    """Train until the channel says stop."""
    if importlib.util.find_spec("torchdistill") is None:
        raise Unavailable(INSTALL)
    from torchdistill.core.distillation import get_distillation_box
    from torchdistill.misc.log import set_basic_log_config

    pacer, device = set_up(request, channel)
    accept_synthetic_images()
    set_basic_log_config()
    teacher, student = load_networks(request)
    if request.work.method == "simkd":
        student = Projected(student, teacher.fc)
    datasets = {"train": textbook.cifar_dataset(Path(request.inputs.cifar))}
    box = get_distillation_box(
        teacher.to(device), student.to(device), datasets, configuration(request.work), device, None, False, 1
    )
    box.train_data_loader = PacedLoader(box.train_data_loader, pacer)
    epoch = 0
    while True:
        _train_epoch(box, device, epoch)
        epoch += 1


def configuration(work: Work) -> dict[str, Any]:
    """What its YAML files of the sample configurations say, for this work."""
    maps = work.method == "simkd"
    return {
        "num_epochs": 240,
        "train_data_loader": {
            "dataset_id": "train",
            "sampler": {"class_or_func": torch.utils.data.RandomSampler, "kwargs": None},
            "kwargs": {
                "batch_size": work.batch_size,
                "num_workers": textbook.NUM_WORKERS,
                "pin_memory": torch.cuda.is_available(),
                "drop_last": False,
            },
        },
        "teacher": {
            "forward_proc": "forward_batch_only",
            "requires_grad": False,
            "forward_hook": {"output": ["layer3"]} if maps else {},
        },
        "student": {
            "forward_proc": "forward_batch_only",
            "requires_grad": True,
            "forward_hook": {"output": ["projector"]} if maps else {},
        },
        "optimizer": {"key": "SGD", "kwargs": {"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4}},
        "scheduler": {"key": "MultiStepLR", "kwargs": {"milestones": [150, 180, 210], "gamma": 0.1}},
        "criterion": {"key": "WeightedSumLoss", "kwargs": {"sub_terms": {work.method: _term(work)}}},
    }


def _term(work: Work) -> dict[str, Any]:
    if work.method == "kd":
        outputs = {f"{side}_module_{part}": value for side in ("student", "teacher") for part, value in _OUTPUT.items()}
        # Its alpha weighs the cross-entropy, 1 - alpha the divergence.
        knobs = {**outputs, "temperature": 4.0, "alpha": 0.1, "reduction": "batchmean"}
        return {"criterion": {"key": "KDLoss", "kwargs": knobs}, "weight": 1.0}
    wrapper = {
        "input": {"is_from_teacher": False, "module_path": "projector", "io": "output"},
        "target": {"is_from_teacher": True, "module_path": "layer3", "io": "output"},
    }
    return {
        "criterion": {"key": "MSELoss", "kwargs": {}},
        "criterion_wrapper": {"key": "SimpleLossWrapper", "kwargs": wrapper},
        "weight": 1.0,
    }


_OUTPUT = {"path": ".", "io": "output"}


def _train_epoch(box: Any, device: torch.device, epoch: int) -> None:
    """What the example's function for one epoch does with the box."""
    from torchdistill.misc.log import MetricLogger, SmoothedValue

    box.pre_epoch_process(epoch=epoch)
    meters = MetricLogger(delimiter="  ")
    meters.add_meter("lr", SmoothedValue(window_size=1, fmt="{value}"))
    for images, labels, extra in meters.log_every(box.train_data_loader, LOG_EVERY, f"Epoch: [{epoch}]"):
        images, labels = images.to(device), labels.to(device)
        loss = box.forward_process(images, labels, extra)
        box.post_forward_process(loss=loss)
        meters.update(loss=loss.item(), lr=box.optimizer.param_groups[0]["lr"])
    box.post_epoch_process()
