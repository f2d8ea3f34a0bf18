"""The time within which a job must have published its network (`training.deadline_seconds`)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


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
    apart_before: float = 0.0
    """Seconds of baselines and repetitions, without the block of `apart` that is running."""
    _apart_since: float | None = field(default=None, init=False)

    @property
    def apart_seconds(self) -> float:
        """Seconds of baselines and repetitions so far, over all attempts."""
        running = self.spent() - self._apart_since if self._apart_since is not None else 0.0
        return self.apart_before + running

    def used(self) -> float:
        """Seconds of the deadline that are over."""
        return self.spent() - self.apart_seconds

    def left(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.seconds - self.used()

    def left_to_train(self) -> float:
        """Seconds until the training has to end."""
        return self.left() - self.reserve_seconds

    def keep(self, reserve_seconds: float, publish_seconds: float) -> None:
        """Keep time for what follows the training, and within that for what follows the evaluation."""
        self.reserve_seconds, self.publish_seconds = reserve_seconds, publish_seconds

    @contextmanager
    def apart(self) -> Iterator[None]:
        """The time of the block does not count."""
        self._apart_since = self.spent()
        try:
            yield
        finally:
            self.apart_before, self._apart_since = self.apart_seconds, None
