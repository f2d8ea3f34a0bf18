"""Test accuracy while a network trains, outside the clock."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

NUM_POINTS = 20
BATCH = 250


class Meter:
    """Counts steps and takes the accuracy after some of them; the time that this takes is not counted."""

    def __init__(self, steps: int, accuracy: Callable[[], float]) -> None:
        """Made when all is ready for the first step: `began_at` (time.time()) is now."""
        self.steps = steps
        self.curve: list[tuple[float, int, float]] = []
        self.began_at = time.time()
        self._accuracy = accuracy
        self._done = 0
        self._began, self._paused = time.perf_counter(), 0.0

    def step_done(self) -> bool:
        """A step has ended; whether it was the last."""
        self._done += 1
        if self._done % max(1, self.steps // NUM_POINTS) == 0 or self._done == self.steps:
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()  # a GPU may yet be at these steps
            stopped = time.perf_counter()
            self.curve.append((stopped - self._began - self._paused, self._done, self._accuracy()))
            self._paused += time.perf_counter() - stopped
        return self._done >= self.steps


def top1(logits_of: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor) -> float:
    """The share of right predictions; `logits_of` takes float (N, 3, V, V) pixels in [0, 1]."""
    with torch.no_grad():
        parts = [logits_of(part.float() / 255).argmax(dim=1).cpu() for part in images.split(BATCH)]
    return (torch.cat(parts) == labels).double().mean().item()
