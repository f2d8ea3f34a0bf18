"""The ten lines of their own that a customer with photographs would write: fine-tune a published network on the labels.

Torchvision's transforms in a DataLoader, float32, SGD with momentum and one cycle, cross entropy. Of the engine it uses
only `zoo.build`, because MobileNet v1 is in no library for PyTorch.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision import datasets, transforms

from core.networks import zoo
from core.policy import Policy

BATCH_SIZE = 64
SIZE = 224
MIN_AREA = 0.35


@dataclass(frozen=True)
class PlainResult:
    """What a plain training gave: seconds of its loop without the test, and the share of right test answers."""

    seconds: float
    central_crop: float
    whole_frame: float
    num_params: int


def fine_tune(
    architecture: str, shelf: Path, folder: Path, *, steps: int, rate: float, seed: int, per_class: int | None
) -> PlainResult:
    """Train on `folder`/train and test on `folder`/test, each with a folder of images for every class.

    `per_class`: images of each class, drawn with the seed; None: all.
    """
    torch.manual_seed(seed)
    train, test = (datasets.ImageFolder(str(folder / name)) for name in ("train", "test"))
    policy = Policy(weights_shelf=str(shelf))
    network = zoo.build(architecture, len(train.classes), pretrained=True, policy=policy)
    mean, std = network.input.mean, network.input.std
    train.transform = _train_transform(mean, std)
    chosen = Subset(train, _drawn(train.targets, per_class, seed))
    started = time.perf_counter()
    _train(network.module.train(), chosen, steps, rate)
    seconds = time.perf_counter() - started
    scores = []
    for resized in (SIZE * 8 // 7, SIZE):
        test.transform = _test_transform(resized, mean, std)
        scores.append(_top1(network.module.eval(), test))
    num_params = sum(parameter.numel() for parameter in network.parameters())
    return PlainResult(seconds, *scores, num_params)


def _train_transform(mean: tuple[float, ...], std: tuple[float, ...]) -> transforms.Compose:
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(SIZE, scale=(MIN_AREA, 1.0)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )


def _test_transform(resized: int, mean: tuple[float, ...], std: tuple[float, ...]) -> transforms.Compose:
    return transforms.Compose(
        [
            transforms.Resize(resized),
            transforms.CenterCrop(SIZE),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )


def _drawn(labels: list[int], per_class: int | None, seed: int) -> list[int]:
    """The places of the training images."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).tolist()
    if per_class is None:
        return order
    groups = [[place for place in order if labels[place] == label] for label in sorted(set(labels))]
    return [place for group in groups for place in group[:per_class]]


def _train(network: nn.Module, images: Dataset, steps: int, rate: float) -> None:
    optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=steps)
    loader = DataLoader(images, batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
    for pixels, labels in islice(_endless(loader), steps):
        loss = F.cross_entropy(network(pixels.to(memory_format=torch.channels_last)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _endless(loader: DataLoader) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from loader


@torch.no_grad()
def _top1(network: nn.Module, images: Dataset) -> float:
    right = 0
    for pixels, labels in DataLoader(images, batch_size=BATCH_SIZE):
        right += int((network(pixels).argmax(dim=1) == labels).sum())
    return right / len(images)  # type: ignore[arg-type]  # an ImageFolder has a length
