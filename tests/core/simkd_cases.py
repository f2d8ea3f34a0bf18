"""Settings and steps that the tests of simkd share."""

from dataclasses import replace
from typing import Any

import torch
from tiny import make_batch, make_context, make_network, snapshot

from core.methods.simkd import Simkd
from core.spec.knobs.simkd import SimkdKnobs

CHOSEN = torch.tensor([5, 0, 3, 2])


def settled(architecture: Any, *, seed: int = 1, image_size: int = 32) -> Any:
    """A frozen teacher of six classes whose batch-norm statistics are not the initial ones."""
    network = make_network(architecture, 6, seed=seed, image_size=image_size).train()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        for _ in range(3):
            network(torch.rand(8, 3, image_size, image_size))
        # torchvision's ViT begins with a classifier of zeros, from which nothing could be told.
        network.classifier.weight.normal_(std=0.1)
    return network.eval().requires_grad_(False)


def simkd(context: Any = None, **knobs: Any) -> Simkd:
    return Simkd(SimkdKnobs(**knobs), context or make_context(image_size=8))


def two_teachers(image_size: int = 8) -> Any:
    other = settled("cifar/wrn_10_1", seed=7, image_size=image_size)
    return make_context(
        image_size=image_size,
        teacher="cifar/resnet8x4",
        more_teachers=(other,),
        more_class_indices=(torch.tensor([1, 2, 4, 5]),),
    )


def steps(method: Any, *, changed_labels: bool = False, changed_images: bool = False, count: int = 3) -> Any:
    """The weights after some steps of plain SGD on random batches."""
    method.set_training_mode()
    groups = method.parameter_groups()
    for seed in range(count):
        batch = make_batch(method, seed=seed)
        if changed_labels:
            batch = replace(batch, targets=(batch.targets + 1) % 4)
        if changed_images:
            batch = replace(batch, views=1 - batch.views)
        torch.manual_seed(seed)
        for update in method.updates(batch):
            torch.stack(list(update.terms.values())).sum().backward()
            with torch.no_grad():
                for parameter in groups[update.group]:
                    parameter -= 0.05 * parameter.grad
            for parameter in (*method.parameters(), *method.context.student.parameters()):
                parameter.grad = None
    return snapshot(method.deployed())
