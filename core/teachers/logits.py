"""The logits of a teacher for test views, over the customer's classes: for its accuracy and for agreement with it."""

import contextlib
import hashlib
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from core.data.augment import Augmenter
from core.data.image_file import Images
from core.evaluation.predict import predict
from core.files.result_cache import ResultCache, content_address
from core.methods.method import select_classes
from core.networks.inference import frozen_copy, in_layout
from core.networks.network import Network
from core.system.device import Arithmetic, images_at_once

KIND = "teacher-logits"
_FORM = 1  # increased whenever a change of the code changes the logits: part of every cache address


class TeacherLogits:
    """Logits of one teacher. Each split is computed once: the result cache keeps it for later jobs too."""

    def __init__(
        self, network: Network, class_indices: Tensor, device: torch.device, result_cache: ResultCache
    ) -> None:
        self.network = in_layout(frozen_copy(network).to(device))
        """Made for inference; not to be changed."""
        self._indices = class_indices
        self._device = device
        self._result_cache = result_cache
        facts = {"architecture": network.architecture, "input": asdict(network.input)}
        self._teacher = content_address(facts, self.network.state_dict())
        self._splits: dict[tuple[int, int], tuple[Images, Tensor]] = {}

    def logits(self, images: Images, augmenter: Augmenter, arithmetic: Arithmetic | None = None) -> Tensor:
        """(N, K) float32 on the CPU, of the test views of uint8 (N, 3, S, S) images.

        In float32, as for reported accuracies, or in the precision of an arithmetic.
        """
        precision = arithmetic.precision if arithmetic is not None else "fp32"
        address = self._address(images, augmenter.image_size, precision)
        content = self._result_cache.recall(KIND, address)
        if content is not None:
            return torch.from_numpy(np.frombuffer(content, dtype=np.float32).reshape(len(images), -1).copy())
        with arithmetic.autocast() if arithmetic is not None else contextlib.nullcontext():
            logits = predict(self.network, images, views=augmenter.test_views, device=self._device)
        logits = select_classes(logits, self._indices)
        self._result_cache.keep(KIND, address, logits.contiguous().numpy().tobytes())
        return logits

    def of_split(self, images: Images, augmenter: Augmenter) -> Tensor:
        """(N, K) float32 on the CPU, of the test views of a whole split; kept in memory for later calls."""
        key = (id(images), augmenter.image_size)
        if key not in self._splits:
            # Kept with the logits: otherwise Python could give the id of the deleted images to other ones.
            self._splits[key] = (images, self.logits(images, augmenter))
        return self._splits[key][1]

    def _address(self, images: Images, image_size: int, precision: str) -> str:
        facts = {
            "form": _FORM,
            "teacher": self._teacher,
            "image_size": image_size,
            "precision": precision,
            "device": self._device.type,
            "torch": torch.__version__,
            "images": _digest(images),
        }
        return content_address(facts, {"classes": self._indices})


def _digest(images: Images) -> str:
    """The sha256 of the pixels, read a few images at a time, because they may be in a file."""
    digest = hashlib.sha256(f"{tuple(images.shape)}\n".encode())
    at_once = images_at_once(images.shape[-1], torch.device("cpu"))
    for start in range(0, len(images), at_once):
        digest.update(images[start : start + at_once].cpu().contiguous().numpy().data)
    return digest.hexdigest()
