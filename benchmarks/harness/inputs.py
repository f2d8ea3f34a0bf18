"""Images in the real formats, and teachers that know them, made up so that the race needs no downloads.

    python -m benchmarks.harness.inputs FOLDER cifar jpeg

CIFAR-100 as its authors pickle it (50,000 and 10,000 images), photographs as JPEG files of 500 x 375, quality 90, in
folders by class. A class is a coarse pattern of its own under noise. A teacher has random weights, residual branches as
strong beside their shortcuts as in a trained resnet56, batch norm that is calibrated to the images, and a classifier
that knows the classes by their mean features.
"""

import pickle
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.harness.works import WORKS, Work

NUM_TRAIN, NUM_TEST, CIFAR_CLASSES, CIFAR_SIDE, CELLS = 50_000, 10_000, 100, 32, 4
JPEG_CLASSES, JPEG_TRAIN, JPEG_TEST = 10, 100, 5  # images of each class
JPEG_WIDTH, JPEG_HEIGHT, JPEG_QUALITY = 500, 375, 90
JPEG_NOISE = 13.0  # standard deviation at half resolution; gives files of about 67 KB
PROTOCOL = 4  # the oldest that writes bytes as they are, like the published files
# The last batch norm's weight in a residual branch, whose deviation in a trained resnet56 is 0.34 of its shortcut's.
# With 1, the usual start, a random resnet50 amplifies rounding as no trained network does: bfloat16 moves its pooled
# features by 9%, with 0.3 by 1.5%; a trained resnet56's last map moves by 1.7%.
BRANCH_GAIN = 0.3
TAUGHT = {"cifar": 8, "jpeg": 8}  # images of each class from which a teacher's classifier is made


@dataclass(frozen=True)
class Inputs:
    """Where the images and the teachers lie."""

    root: Path

    @property
    def cifar(self) -> Path:
        """The folder that holds cifar-100-python, as torchvision wants to be told."""
        return self.root / "cifar"

    @property
    def jpeg(self) -> Path:
        """train/<class>/<image>.jpg and test/<class>/<image>.jpg."""
        return self.root / "jpeg"

    def dataset(self, work: Work) -> Path:
        """What the engine is given."""
        return self.cifar / "cifar-100-python" if work.images == "cifar" else self.jpeg

    def classes(self, work: Work) -> list[str]:
        """Class names in the order of the teacher's outputs."""
        return _names(CIFAR_CLASSES if work.images == "cifar" else JPEG_CLASSES)

    def checkpoint(self, architecture: str) -> Path:
        """{"model": state dict}, in a folder whose name tells the architecture, as the repositories want it."""
        name = architecture.partition("/")[2]
        return self.root / "teachers" / f"{name}_vanilla" / "ckpt_epoch_240.pth"


def make(root: Path, kinds: list[str]) -> None:
    """Make what is missing of "cifar" and "jpeg", each with the teachers of its works."""
    inputs = Inputs(root)
    makers = {"cifar": _make_cifar, "jpeg": _make_jpeg}
    for kind in kinds:
        folder = inputs.cifar if kind == "cifar" else inputs.jpeg
        if not folder.exists():
            unfinished = folder.with_suffix(".part")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            makers[kind](unfinished)
            unfinished.rename(folder)
        for work in WORKS:
            if work.images == kind and not inputs.checkpoint(work.teacher).exists():
                _make_teacher(inputs, work)


def _names(count: int) -> list[str]:
    return [f"class_{number:02}" for number in range(count)]


def _make_cifar(folder: Path) -> None:
    folder = folder / "cifar-100-python"
    folder.mkdir()
    random = np.random.default_rng(0)
    patterns = random.integers(0, 256, (CIFAR_CLASSES, 3, CELLS, CELLS))
    patterns = patterns.repeat(CIFAR_SIDE // CELLS, axis=2).repeat(CIFAR_SIDE // CELLS, axis=3)
    for split, count in (("train", NUM_TRAIN), ("test", NUM_TEST)):
        labels = random.permutation(np.arange(count) % CIFAR_CLASSES)
        pixels = random.integers(0, 128, (count, 3 * CIFAR_SIDE**2), dtype=np.uint8)
        pixels += (patterns[labels] // 2).reshape(count, -1).astype(np.uint8)
        batch = {
            "data": pixels,
            "fine_labels": labels.tolist(),
            "coarse_labels": (labels // 5).tolist(),
            "filenames": [f"{split}_{index}.png" for index in range(count)],
            "batch_label": split,
        }
        (folder / split).write_bytes(pickle.dumps(batch, protocol=PROTOCOL))
    names = {"fine_label_names": _names(CIFAR_CLASSES), "coarse_label_names": _names(CIFAR_CLASSES // 5)}
    (folder / "meta").write_bytes(pickle.dumps(names, protocol=PROTOCOL))


def _make_jpeg(folder: Path) -> None:
    from PIL import Image

    random = np.random.default_rng(0)
    size, half = (JPEG_WIDTH, JPEG_HEIGHT), (JPEG_HEIGHT // 2 + 1, JPEG_WIDTH // 2, 3)
    for name in _names(JPEG_CLASSES):
        pattern = Image.fromarray(random.integers(0, 256, (CELLS, CELLS, 3), dtype=np.uint8))
        smooth = np.asarray(pattern.resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
        for split, count in (("train", JPEG_TRAIN), ("test", JPEG_TEST)):
            (folder / split / name).mkdir(parents=True)
            for index in range(count):
                grain = random.normal(0, JPEG_NOISE, half).repeat(2, axis=0).repeat(2, axis=1)
                pixels = (smooth + grain[:JPEG_HEIGHT, :JPEG_WIDTH]).clip(0, 255).astype(np.uint8)
                path = folder / split / name / f"{index:04}.jpg"
                Image.fromarray(pixels).save(path, quality=JPEG_QUALITY)


def _make_teacher(inputs: Inputs, work: Work) -> None:
    import torch

    from core.networks import zoo

    torch.manual_seed(0)
    classes = inputs.classes(work)
    network = zoo.build(work.teacher, len(classes))
    images, labels = _examples(inputs, work, TAUGHT[work.images])
    with torch.no_grad():
        _weaken_branches(network)
        _calibrate(network, images[: 4 * work.batch_size].split(work.batch_size))
        features = torch.cat([network.features(part, ()).pooled for part in images.split(work.batch_size)])
        means = torch.stack([features[labels == label].mean(dim=0) for label in range(len(classes))])
        centre = means.mean(dim=0)
        directions = means - centre
        gain = 10 / directions.square().sum(dim=1).mean()
        network.classifier.weight.copy_(gain * directions)
        network.classifier.bias.copy_(-gain * (directions @ centre + directions.square().sum(dim=1) / 2))
    path = inputs.checkpoint(work.teacher)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": network.module.state_dict()}, path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


def _weaken_branches(network) -> None:
    for block in network.modules():
        last = getattr(block, "bn3", None) or getattr(block, "bn2", None)
        if last is not None:
            last.weight.fill_(BRANCH_GAIN)


def _calibrate(network, batches) -> None:
    """Set the statistics of every batch norm to the plain mean over some batches."""
    from torch import nn

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    network.train()
    for batch in batches:
        network(batch)
    network.eval()


def _examples(inputs: Inputs, work: Work, per_class: int):
    """float32 (N, 3, V, V) in [0, 1] and int64 (N,): the first images of every class, in a random order."""
    import torch

    if work.images == "cifar":
        batch = pickle.loads((inputs.dataset(work) / "train").read_bytes())  # noqa: S301 - written above
        labels = np.array(batch["fine_labels"])
        chosen = np.concatenate([np.flatnonzero(labels == label)[:per_class] for label in range(CIFAR_CLASSES)])
        pixels = batch["data"][chosen].reshape(-1, 3, CIFAR_SIDE, CIFAR_SIDE)
        labels = labels[chosen]
    else:
        from PIL import Image

        paths = [path for name in inputs.classes(work) for path in sorted((inputs.jpeg / "train" / name).iterdir())]
        paths = [path for path in paths if int(path.stem) < per_class]
        side = (work.image_size, work.image_size)
        pixels = np.stack([np.asarray(Image.open(path).resize(side)).transpose(2, 0, 1) for path in paths])
        labels = np.repeat(np.arange(JPEG_CLASSES), per_class)
    order = np.random.default_rng(0).permutation(len(labels))
    return torch.from_numpy(pixels[order]).float() / 255, torch.from_numpy(labels[order])


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2:])
