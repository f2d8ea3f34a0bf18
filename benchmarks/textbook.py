"""The plain loop that the distillation libraries' examples write, as a measure of theirs and ours: PIL transforms in a
DataLoader's workers, float32, eager, the teacher under no_grad, SGD with momentum, loss and accuracy at every step.

Nothing here comes from the engine. Formulas: KD, Hinton et al. 2015; SimKD, Chen et al., CVPR 2022, section 3.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms

CIFAR_MEAN, CIFAR_STD = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# The fastest of what was tried on two cores (docs/explanation/performance.md); the repositories' defaults are 2 to 16.
NUM_WORKERS = 2

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(images, labels) -> (loss, the student's logits)"""


def cifar_transform(
    mean: tuple[float, ...] = CIFAR_MEAN, std: tuple[float, ...] = CIFAR_STD, *, augmented: bool = True
) -> Callable[[Image.Image], Tensor]:
    """A PIL image of 32 x 32 -> float32 (3, 32, 32): shifted by up to 4 pixels, maybe mirrored, normalized."""
    random = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()] if augmented else []
    return transforms.Compose([*random, transforms.ToTensor(), transforms.Normalize(mean, std)])


def cifar_dataset(root: Path) -> Dataset:
    """CIFAR-100's training split, from `root`/cifar-100-python."""
    return datasets.CIFAR100(str(root), train=True, transform=cifar_transform())


class ArrayDataset(Dataset):
    """uint8 (N, 32, 32, 3) pixels in memory and their labels; each image takes the way of torchvision's CIFAR100."""

    def __init__(self, pixels: np.ndarray, labels: list[int], transform: Callable[[Image.Image], Tensor]) -> None:
        self.pixels, self.labels, self.transform = pixels, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def folder_dataset(root: Path, image_size: int) -> Dataset:
    """`root`/<class>/<image>.jpg as ImageNet is trained on: random resized crops, flips."""
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(image_size),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    return datasets.ImageFolder(str(root), transform)


def make_loader(dataset: Dataset, batch_size: int, *, num_workers: int = NUM_WORKERS, persistent: bool = False):
    """Shuffled batches (images, labels)."""
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        num_workers=num_workers,
        drop_last=True,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=persistent,
    )


def kd_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    *,
    temperature: float = 4.0,
    kd_weight: float = 0.9,
    label_weight: float = 0.1,
) -> Tensor:
    """a CE(z_s, y) + b T^2 KL(p_t^T || p_s^T) of two (N, K) logits, mean over N."""
    log_student = F.log_softmax(student_logits / temperature, dim=1)
    soft_teacher = F.softmax(teacher_logits / temperature, dim=1)
    divergence = F.kl_div(log_student, soft_teacher, reduction="sum") / len(labels)
    return label_weight * F.cross_entropy(student_logits, labels) + kd_weight * temperature**2 * divergence


def kd_step(teacher: nn.Module, student: nn.Module) -> Step:
    """A step of KD for two networks of the same classes."""

    def step(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            teacher_logits = teacher(images)
        logits = student(images)
        return kd_loss(logits, teacher_logits, labels), logits

    return step


def map_and_logits(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """(the last map before pooling (N, C, H, W), logits) of a CIFAR ResNet, whose parts have the usual names."""
    maps = F.relu(network.bn1(network.conv1(images)))
    maps = network.layer3(network.layer2(network.layer1(maps)))
    return maps, network.fc(maps.mean(dim=(2, 3)))


def make_projector(student_channels: int, teacher_channels: int, *, factor: int = 2) -> nn.Sequential:
    """SimKD's projector: 1x1, 3x3 and 1x1 convolutions without biases, each with batch norm and ReLU."""
    middle = teacher_channels // factor
    return nn.Sequential(
        *(nn.Conv2d(student_channels, middle, 1, bias=False), nn.BatchNorm2d(middle), nn.ReLU(inplace=True)),
        *(nn.Conv2d(middle, middle, 3, padding=1, bias=False), nn.BatchNorm2d(middle), nn.ReLU(inplace=True)),
        *(nn.Conv2d(middle, teacher_channels, 1, bias=False), nn.BatchNorm2d(teacher_channels), nn.ReLU(inplace=True)),
    )


def simkd_step(teacher: nn.Module, student: nn.Module, projector: nn.Module) -> Step:
    """A step of SimKD for two maps of the same height and width; predictions come from the teacher's classifier."""

    def step(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            teacher_map, _ = map_and_logits(teacher, images)
        student_map, _ = map_and_logits(student, images)
        projected = projector(student_map)
        return F.mse_loss(projected, teacher_map), teacher.fc(projected.mean(dim=(2, 3)))

    return step


def make_optimizer(modules: Iterable[nn.Module], *, nesterov: bool = False) -> torch.optim.SGD:
    """SGD as in the CIFAR protocols of the literature."""
    parameters = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=nesterov)


def train_epoch(
    loader: Iterable[tuple[Tensor, Tensor]],
    step: Step,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    *,
    channels_last: bool = False,
    after_step: Callable[[], None] = lambda: None,
) -> tuple[float, float]:
    """One pass over the loader; (mean loss, share of right predictions)."""
    total_loss, total_right, seen = 0.0, 0.0, 0
    for images, labels in loader:
        images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        if channels_last:
            images = images.to(memory_format=torch.channels_last)
        loss, logits = step(images, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * len(labels)
        total_right += (logits.argmax(dim=1) == labels).sum().item()
        seen += len(labels)
        after_step()
    return total_loss / seen, total_right / seen
