"""What the teacher says of test views, over the customer's classes: for its own accuracy and for agreement with it."""

import torch
from torch import Tensor

from core.evaluate import Views, predict
from core.methods.method import select_classes
from core.networks.inference import frozen_copy, in_layout
from core.networks.network import Network


class TeacherView:
    """In float32, as accuracies are told; every split is looked at once, whoever asks."""

    def __init__(self, network: Network, class_indices: Tensor, device: torch.device) -> None:
        self.network = in_layout(frozen_copy(network).to(device))
        """Made for inference; not to be changed."""
        self._indices = class_indices
        self._device = device
        self._said: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def logits(self, images: Tensor, views: Views) -> Tensor:
        """(N, K) float32 on the CPU, of uint8 (N, 3, S, S) images."""
        return select_classes(predict(self.network, images, views=views, device=self._device), self._indices)

    def remembered(self, images: Tensor, views: Views, image_size: int) -> Tensor:
        """The same, for a whole split that may be asked for again; `image_size` is that of the views."""
        place = (id(images), image_size)
        if place not in self._said:
            # The images are kept with the answer, or their id might be given to others.
            self._said[place] = (images, self.logits(images, views))
        return self._said[place][1]
