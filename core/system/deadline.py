"""The time within which a job must have published its network (`training.deadline_seconds`)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Deadline:
    """The clock of a deadline. It counts from the engine's start over all attempts, without work that stands apart:
    the baselines and the repetitions with other seeds, which a job asks for besides its network.
    """

    seconds: float
    spent: Callable[[], float]
    """Seconds that the job has run, over all attempts."""
    reserve_seconds: float = 0.0
    """What follows the training: evaluation, export, report."""
    publish_seconds: float = 0.0
    """Of the reserve, what follows the evaluation."""
    apart_seconds: float = 0.0
    """Of baselines and repetitions so far, over all attempts."""

    def used(self) -> float:
        """Seconds of the deadline that are over."""
        return self.spent() - self.apart_seconds

    def left(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.seconds - self.used()

    def left_to_train(self) -> float:
        """Seconds until the training has to end."""
        return self.left() - self.reserve_seconds

    @contextmanager
    def apart(self) -> Iterator[None]:
        """The time of the block does not count."""
        began = self.spent()
        try:
            yield
        finally:
            self.apart_seconds += self.spent() - began
