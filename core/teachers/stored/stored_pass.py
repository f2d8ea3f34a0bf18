"""A stored teacher pass in use: a view is computed when an epoch first needs it, and read later."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from core.data.augment import Augmenter
from core.data.dataset import Split
from core.files.result_cache import content_address
from core.networks.compiled import begin_step
from core.networks.network import Features, InputFormat
from core.system.device import Arithmetic, images_at_once
from core.system.seeds import generator
from core.teachers.stored.record import Layout
from core.teachers.stored.store import PassStore

FOLDER = "teacher-pass"
_FORM = 2  # increased whenever a change of the code changes the records: part of every address


@dataclass(frozen=True)
class StoredPass:
    """`num_views` views of each image of `split`, with the teacher's outputs for them.

    A view depends only on the images and its number, not on the seed of a job, so that jobs can share it.
    """

    split: Split
    augmenter: Augmenter
    layout: Layout
    store: PassStore
    num_views: int
    arithmetic: Arithmetic
    observe: Callable[[Tensor], Features]

    def ensure(self, view: int, poll: Callable[[], None]) -> bool:
        """Compute a view if it is not stored yet; returns whether it was computed. `poll` is called between batches;
        if it raises, nothing of the view is stored.
        """
        if self.store.has(view):
            return False
        self.store.write(view, self._records(view, poll))
        return True

    def fetch(self, indices: Tensor, view: int) -> Tensor:
        """The records of int64 `indices` into the split, as they are stored: uint8 (N, bytes)."""
        return self.store.read(view, indices)

    def decode(self, records: Tensor, device: torch.device) -> tuple[Tensor, Features]:
        """float32 views (N, 3, V, V) in [0, 1] and the teacher's features, on the device."""
        return self.layout.decode(records, device)

    def _records(self, view: int, poll: Callable[[], None]) -> Iterator[Tensor]:
        count, device = len(self.split.labels), self.arithmetic.device
        at_once = images_at_once(self.layout.image_size, device)
        for start in range(0, count, at_once):
            poll()
            begin_step()
            images = self.split.images[start : start + at_once].to(device)
            views = self.augmenter.train_views(images, generator(0, "stored view", view, start, device=device))
            pixels = (views * 255).round().to(torch.uint8)
            # Zeros fill up the last batch: the last bits of a network's outputs may depend on the batch size.
            padded = torch.nn.functional.pad(pixels, (0, 0, 0, 0, 0, 0, 0, at_once - len(pixels)))
            features = self.observe(self.arithmetic.laid_out(padded.float() / 255))
            yield self.layout.encode(padded, features)[: len(pixels)]


def address_of(
    weights: Mapping[str, Tensor], *, architecture: str, input_format: InputFormat, fingerprint: str, split: Split,
    augmenter: Augmenter, taps: tuple[int | str, ...], layout: Layout, arithmetic: Arithmetic, teacher_precision: str,
) -> str:  # fmt: skip
    """The content address of a pass: everything that its records depend on, hashed."""
    facts = {
        "form": _FORM,
        "architecture": architecture,
        "input": asdict(input_format),  # not among the weights: the state dict of a Network has no mean and std
        "dataset": fingerprint,
        "images": hashlib.sha256("\n".join(split.names).encode()).hexdigest(),
        "canvas": list(split.images.shape[1:]),
        "augmentation": augmenter.policy,
        "taps": taps,
        "layout": layout.as_json(),
        "precision": arithmetic.precision,
        "teacher_precision": teacher_precision,
        "device": arithmetic.device.type,
        "torch": torch.__version__,
        "batch": images_at_once(layout.image_size, arithmetic.device),
    }
    return content_address(facts, weights)


def store_root(cache: Path) -> Path:
    """The folder of the passes in an engine's cache."""
    return cache / FOLDER
