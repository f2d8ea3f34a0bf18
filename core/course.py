"""The fixed numbers of one training: how many steps, in which stages, at what rate, and when to look up."""

from dataclasses import dataclass

from core.batches import Batches
from core.device import Arithmetic
from core.methods.method import Stage
from core.schedule import rate_factor
from core.spec import TrainingSpec

NUM_REPORTS = 200  # points of a curve: enough to draw, few enough to store for thousands of jobs
NUM_VALIDATIONS = 100


@dataclass(frozen=True)
class PlannedStage:
    """A stage with its batches and where it lies among all steps: first_step <= step < end_step."""

    stage: Stage
    batches: Batches
    first_step: int
    end_step: int


@dataclass(frozen=True)
class Course:
    """One training, planned. `training` is resolved."""

    run: str
    training: TrainingSpec
    seed: int
    arithmetic: Arithmetic
    stages: tuple[PlannedStage, ...]

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole course."""
        return self.stages[-1].end_step

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch of the first stage."""
        return self.stages[0].batches.steps_per_epoch

    @property
    def epochs(self) -> int:
        """Epochs of the whole course, the last maybe cut short."""
        return -(-self.steps // self.steps_per_epoch)

    @property
    def report_interval(self) -> int:
        """Steps between two points of a training curve."""
        return max(1, self.steps // NUM_REPORTS)

    def stage_of(self, step: int) -> int:
        """The index of the stage that a step belongs to."""
        return next(index for index, stage in enumerate(self.stages) if step < stage.end_step)

    def epoch_of(self, step: int) -> int:
        """Epochs begun after `step` steps, at least 1."""
        return max(1, -(-step // self.steps_per_epoch))

    def validates_after(self, step: int) -> bool:
        """Whether the network is validated after `step` steps: at epoch ends, of many epochs at about a hundred, and
        at the end.
        """
        interval = self.steps_per_epoch * max(1, self.epochs // NUM_VALIDATIONS)
        return step % interval == 0 or step == self.steps

    def rate_factor(self, step: int) -> float:
        """The share of the peak learning rate for a step (from 0)."""
        return rate_factor(self.training, step, steps=self.steps, steps_per_epoch=self.steps_per_epoch)


def plan_stages(
    stages: tuple[Stage, ...], batches: tuple[Batches, ...], *, epochs: int, max_steps: int | None
) -> tuple[PlannedStage, ...]:
    """Lay the stages out one after the other: `epochs` epochs of the first stage's length, cut at `max_steps`."""
    total = epochs * batches[0].steps_per_epoch
    total = min(total, max_steps) if max_steps is not None else total
    planned, first, share = [], 0, 0.0
    for stage, its_batches in zip(stages, batches, strict=True):
        share += stage.share
        end = total if stage is stages[-1] else max(first + 1, round(total * share))
        planned.append(PlannedStage(stage, its_batches, first, end))
        first = end
    return tuple(planned)
