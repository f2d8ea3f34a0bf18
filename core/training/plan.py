"""The schedule of one training: steps, stages, learning rate, validations and reports."""

from dataclasses import dataclass

from core.methods.contract import Stage
from core.spec import ResolvedTraining
from core.system.device import Arithmetic
from core.training.batches import Batches
from core.training.learning_rate import rate_factor

NUM_REPORTS = 200  # points of a curve: enough to draw, few enough to store for thousands of jobs
NUM_VALIDATIONS = 100


@dataclass(frozen=True)
class PlannedStage:
    """A stage with its batches and its steps: first_step <= step < end_step."""

    stage: Stage
    batches: Batches
    first_step: int
    end_step: int


@dataclass(frozen=True)
class TrainingPlan:
    """The schedule of one training."""

    run: str
    training: ResolvedTraining
    seed: int
    arithmetic: Arithmetic
    stages: tuple[PlannedStage, ...]

    @property
    def micro_batch_size(self) -> int:
        """Images that go through the networks at once, at the beginning."""
        return min(self.training.micro_batch_size, self.training.batch_size)

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole training."""
        return self.stages[-1].end_step

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch over the whole training split."""
        return self.stages[0].batches.steps_per_whole_epoch

    @property
    def epochs(self) -> int:
        """Epochs of the whole training; the last one may be incomplete."""
        return -(-self.steps // self.steps_per_epoch)

    @property
    def report_interval(self) -> int:
        """Steps between two points of a training curve."""
        return max(1, self.steps // NUM_REPORTS)

    def stage_of(self, position: float) -> int:
        """The index of the stage that a position in the schedule belongs to."""
        return next(index for index, stage in enumerate(self.stages) if position < stage.end_step)

    def within_next_stage(self, position: float, stage: int) -> float:
        """`position`, but not beyond the beginning of the stage after `stage`: no stage is left out."""
        return min(position, float(self.stages[stage].end_step))

    def epoch_of(self, step: int) -> int:
        """The number of epochs that have begun after `step` steps, at least 1."""
        return max(1, -(-step // self.steps_per_epoch))

    def validates_after(self, step: int, stage: int) -> bool:
        """Whether the network is validated after `step` steps, of which the last belongs to `stage`: at the ends of
        epochs (of about a hundred of them if there are more), not in a preparing stage. The end of the training is
        another reason.
        """
        if self.stages[stage].stage.prepares:
            return False
        return step % (self.steps_per_epoch * max(1, self.epochs // NUM_VALIDATIONS)) == 0

    def rate_factor(self, position: float) -> float:
        """The share of the peak learning rate at a position in the schedule (the step, from 0)."""
        stage = self.stages[self.stage_of(position)]
        if not stage.stage.restarts_schedule:
            return rate_factor(self.training, position, steps=self.steps, steps_per_epoch=self.steps_per_epoch)
        return rate_factor(
            self.training,
            position - stage.first_step,
            steps=stage.end_step - stage.first_step,
            steps_per_epoch=stage.batches.steps_per_epoch,
        )


def end_steps(
    stages: tuple[Stage, ...], *, steps_per_epoch: int, epochs: int, max_steps: int | None
) -> tuple[int, ...]:
    """The last step of each stage: a share of 1 is `epochs` epochs, or `max_steps` if that is less."""
    whole = epochs * steps_per_epoch
    whole = min(whole, max_steps) if max_steps is not None else whole
    ends: list[int] = []
    for count in range(1, len(stages) + 1):
        share = sum(stage.share for stage in stages[:count])
        ends.append(max((ends[-1] if ends else 0) + 1, round(whole * share)))
    return tuple(ends)


def plan_stages(
    stages: tuple[Stage, ...], batches: tuple[Batches, ...], *, epochs: int, max_steps: int | None
) -> tuple[PlannedStage, ...]:
    """The stages one after the other; an epoch is one over the whole training split."""
    ends = end_steps(stages, steps_per_epoch=batches[0].steps_per_whole_epoch, epochs=epochs, max_steps=max_steps)
    starts = (0, *ends[:-1])
    return tuple(PlannedStage(*each) for each in zip(stages, batches, starts, ends, strict=True))
