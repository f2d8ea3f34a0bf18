"""How a training moves through its schedule: step by step, or so that the schedule ends when the time does.

A schedule (learning rate, stages, share of the training that a method asks for) is a function of a position from 0 to
the planned number of steps. Without a deadline, each step moves the position by one. With a deadline, the position
moves by what is left of the schedule divided by the steps that still fit into the time. The steps may take longer or
less long than planned, or the machine may stand still for a while: the learning rate always reaches zero at the end.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from core.system.distributed import ALONE, Ranks

MEMORY = 0.1  # of the training's time: after so long, the time of a step counts half in the mean
LEAST_MEMORY_SECONDS = 1.0


@dataclass
class Pace:
    """One position for each step. All fields but `steps` are the content of a checkpoint."""

    steps: int
    """Of the schedule."""
    position: float = 0.0
    stage_began: int = 0
    """The step at which the present stage began."""
    student_began: int = -1
    """The step at which the training of the final student began; -1 before it."""
    epoch_began: float = 0.0
    """The position at which the present epoch began."""

    @property
    def is_over(self) -> bool:
        """Whether the schedule has ended."""
        return self.position >= self.steps

    @property
    def share(self) -> float:
        """The part of the schedule that is done, 0 to 1."""
        return min(1.0, self.position / self.steps)

    @property
    def steps_to_go(self) -> int:
        """Steps until the end, as far as is known."""
        return max(0, round(self.steps - self.position))

    def begin(self) -> None:
        """Called when the training starts or goes on."""

    def advance(self) -> None:
        """Called after each step."""
        self.position += 1.0

    def begin_stage(self, step: int, *, prepares: bool) -> None:
        """Called when a stage begins with `step`; one that prepares does not train the final student yet."""
        self.stage_began = step
        if self.student_began < 0 and not prepares:
            self.student_began = step

    def filled(self, seconds: float, views_to_go: int) -> None:
        """Told of each epoch's view of a stored teacher pass: the seconds to compute it, 0 if it was stored, and the
        number of views that later epochs use for the first time."""

    def validated(self, seconds: float) -> None:
        """Told how long a validation took."""

    def told(self, step: int, steps_per_epoch: int) -> str:
        """The steps that are planned after `step` steps, for a person."""
        steps = step + self.steps_to_go
        return f"{steps} steps in {-(-steps // steps_per_epoch)} epochs, from step {step}"

    def state_dict(self) -> dict[str, float]:
        """For a checkpoint."""
        return {name: getattr(self, name) for name in _KEPT}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from a checkpoint."""
        for name in _KEPT:
            setattr(self, name, state[name])


_KEPT = ("position", "stage_began", "student_began", "epoch_began")


@dataclass
class TimedPace(Pace):
    """The schedule ends when `left` says that no time is left, to within a step."""

    left: Callable[[], float] = field(kw_only=True)
    """Seconds until the training has to end."""
    step_seconds: float = field(kw_only=True)
    """Expected; the steps' own times replace it."""
    validation_seconds: float = field(default=0.0, kw_only=True)
    """Of the last validation; expected, until one has been measured."""
    most_steps: int | None = field(default=None, kw_only=True)
    """A limit that the job sets; None: as many as fit."""
    ranks: Ranks = field(default=ALONE, kw_only=True)
    now: Callable[[], float] = field(default=time.monotonic, kw_only=True)
    num_steps: int = field(default=0, kw_only=True)
    """Taken so far, by this attempt."""

    def __post_init__(self) -> None:
        self._memory = max(MEMORY * self.left(), LEAST_MEMORY_SECONDS)
        self._seconds, self._count = self.step_seconds, 1.0
        self._ahead, self._stride = 0.0, 1.0
        self._last = self.now()

    @property
    def steps_to_go(self) -> int:
        """Steps until the end, at the present time of a step."""
        return 0 if self.is_over else max(1, round((self.steps - self.position) / max(self._stride, 1e-9)))

    def begin(self) -> None:
        """Fit what is left of the schedule into what is left of the time."""
        self._last = self.now()
        self._refit()

    def advance(self) -> None:
        """Move on, then fit the rest of the schedule into the rest of the time."""
        now = self.now()
        took, self._last = max(now - self._last, 0.0), now
        # Recent steps count more: a machine that has become slower is believed soon, one slow step is not.
        fade = 0.5 ** (took / self._memory)
        self._seconds, self._count = self._seconds * fade + took, self._count * fade + 1
        self.num_steps += 1
        self.position += self._stride
        self._refit()

    def filled(self, seconds: float, views_to_go: int) -> None:
        """Keep the time for the views to come; that of this one is no time of steps."""
        self._last += seconds
        self._ahead = seconds * views_to_go

    def validated(self, seconds: float) -> None:
        """Keep the time for the last validation."""
        self.validation_seconds = seconds

    def _refit(self) -> None:
        mean = max(self._seconds / self._count, 1e-9)
        fitting = (self.left() - self._ahead - self.validation_seconds) / mean
        fitting = self.ranks.largest(round(1000 * max(fitting, 0.0))) / 1000  # all ranks take the same steps
        if fitting < 0.5:
            self.position = float(self.steps)
        rest = max(self.steps - self.position, 0.0)
        self._stride = rest / max(fitting, 1.0)
        if self.most_steps is not None:
            self._stride = max(self._stride, self.steps / self.most_steps)
