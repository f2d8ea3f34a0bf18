"""Decides when a job stops and when it saves: by the clock, the deadline, and requests to end."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from core.errors import DeadlineExceeded
from core.spec import TrainingSpec
from core.system.deadline import Deadline


class Interrupted(BaseException):
    """The process was asked to end, and everything that a resumed job needs is on disk.

    Like KeyboardInterrupt it is not an Exception, so that code which converts errors does not catch it.
    """


@dataclass
class JobControl:
    """The clock of one job. `spent_seconds` is the time of earlier attempts."""

    checkpoint_seconds: float
    max_runtime_seconds: float | None = None
    spent_seconds: float = 0.0
    knows_spent: bool = False
    now: Callable[[], float] = time.monotonic
    interrupted: threading.Event = field(default_factory=threading.Event)
    deadline_seconds: float | None = None
    started: float | None = None
    """When the engine got the job, by the clock `now`; None: now."""

    def __post_init__(self) -> None:
        self._saved = self.now()
        self._started = self._saved if self.started is None else self.started
        self.deadline = Deadline(self.deadline_seconds, self.spent) if self.deadline_seconds is not None else None
        self._deferring = False

    @classmethod
    def of(cls, training: TrainingSpec, started: float | None = None) -> "JobControl":
        """The clock of a job with these settings; `started`: when the engine got it, by time.monotonic()."""
        return cls(
            training.checkpoint_seconds,
            training.max_runtime_seconds,
            deadline_seconds=training.deadline_seconds,
            started=started,
        )

    def begin_with(self, spent_seconds: float | None) -> None:
        """Count from the time of earlier attempts that the caller knows; None: what a checkpoint says counts."""
        if spent_seconds is not None:
            self.spent_seconds, self.knows_spent = spent_seconds, True

    def resume(self, spent_seconds: float) -> None:
        """Add the time of earlier attempts that a checkpoint says, unless the caller knows it."""
        if not self.knows_spent:
            self.spent_seconds += spent_seconds

    def interrupt(self) -> None:
        """Ask the job to end: called by a signal handler on the main thread. Raises Interrupted, unless deferred."""
        if self.interrupted.is_set():
            return
        self.interrupted.set()
        if not self._deferring:
            raise Interrupted

    @contextmanager
    def deferring(self) -> Iterator[None]:
        """Within the block, an interruption waits until the block checks `interrupted` or ends, so that a checkpoint
        can be written first.
        """
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        if self.interrupted.is_set():
            raise Interrupted

    def check(self) -> None:
        """Raise Interrupted where the job was asked to end, and DeadlineExceeded where its time is up. For work that
        is done again when the job resumes.
        """
        if self.interrupted.is_set():
            raise Interrupted
        self.check_deadline()

    def checkpoint_is_due(self, *, epoch_ends: bool) -> bool:
        """Whether `checkpoint_seconds` have passed since the last checkpoint, or a tenth of them at the end of an
        epoch.

        Without the tenth, epochs of one small batch would write more than they train.
        """
        due = self.checkpoint_seconds * (0.1 if epoch_ends else 1.0)
        return self.now() - self._saved >= due

    def saved(self) -> None:
        """Record that a checkpoint is on disk."""
        self._saved = self.now()

    def spent(self) -> float:
        """Seconds that the job has run, over all attempts."""
        return self.spent_seconds + self.now() - self._started

    def check_deadline(self) -> None:
        """Raise DeadlineExceeded where the job has used up its time, over all attempts."""
        if self.is_late():
            self.give_up()

    def is_late(self) -> bool:
        """Whether the job has used up its time, over all attempts."""
        return self.max_runtime_seconds is not None and self.spent() > self.max_runtime_seconds

    def give_up(self) -> NoReturn:
        """Raise DeadlineExceeded."""
        raise DeadlineExceeded(
            f"the job ran {self.spent():.0f} s, longer than its training.max_runtime_seconds of "
            f"{self.max_runtime_seconds:g}",
            hint="raise max_runtime_seconds, or lower training.epochs",
            pointer="/training/max_runtime_seconds",
        )
