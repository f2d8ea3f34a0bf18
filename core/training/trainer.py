"""One training loop for every method, with checkpoint and exact resume.

Every random draw of a step is seeded by (seed, step). A checkpoint therefore needs only weights, optimizer states and
counters, and on a CPU a run that was interrupted anywhere continues exactly as without the interruption.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import DiskFull
from core.methods.contract import Batch, TrainingProgress, Update
from core.methods.method import Method
from core.networks.compiled import begin_step
from core.system.distributed import ALONE, Ranks
from core.system.seeds import derive_seed
from core.teachers.frozen import FrozenTeachers
from core.teachers.stored.store import NoRoom
from core.training.accumulation import GradientAccumulation, Part
from core.training.batch_norms import freeze_statistics
from core.training.batches import Batches
from core.training.ema import ExponentialAverage
from core.training.optimizers import build_optimizer, set_rate
from core.training.pace import Pace
from core.training.plan import TrainingPlan
from core.training.running_means import RunningMeans
from core.training.validation import Validator


@dataclass
class Trainer:
    """The training of one network: `plan` is fixed, the other fields are the content of a checkpoint."""

    method: Method
    plan: TrainingPlan
    teachers: FrozenTeachers
    validator: Validator
    report_metrics: Callable[[int, dict[str, float | None]], None]
    """Called with (step, values by name) about 200 times in a run."""
    after_step: Callable[["Trainer"], None]
    """Called after each step: the place to save, report progress, or raise Interrupted."""
    poll: Callable[["Trainer"], None] = lambda trainer: None
    """Called now and then in long work between two steps: it may save, and raise Interrupted."""
    notify: Callable[[str], None] = lambda message: None
    """Told what a person should know, in a sentence."""
    ranks: Ranks = ALONE
    timed: Pace | None = None
    """The pace of a training with a deadline; None: step by step."""
    step: int = 0
    seconds: float = 0.0
    stopped: bool = False
    _optimizers: dict[str, torch.optim.Optimizer] = field(default_factory=dict, init=False)
    _stage: int = field(default=-1, init=False)
    _resumed: bool = field(default=False, init=False)
    _is_live: bool = field(default=False, init=False)
    _has_lacked_room: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.means = RunningMeans(self.plan.arithmetic.device)
        self.scaler = self.plan.arithmetic.scaler()
        decay = self.plan.training.ema_decay
        self.ema = ExponentialAverage(self.method.deployed(), decay) if decay is not None else None
        self.accumulation = GradientAccumulation(self.plan.micro_batch_size, self.notify, self.ranks)
        self.pace: Pace = self.timed or Pace(self.plan.steps)
        self._reported, self._rate_factor = (0, 0.0), 0.0

    @property
    def ends(self) -> bool:
        """Whether the step that was taken last is the last one."""
        return self.stopped or self.pace.is_over

    def run(self) -> None:
        """Train to the end or to an early stop; then the method's deployed network has the result."""
        if self.method.needs.survey and self.step == 0:
            self.method.survey(self.teachers.surveyed(self.plan.stages[0].batches.survey()))
        self.pace.begin()
        while not self.ends:
            started = time.perf_counter()
            self._enter_step()
            self._take_step()
            self.step += 1
            self.pace.advance()
            self.pace.position = self.plan.within_next_stage(self.pace.position, self._stage)
            reports = self.step % self.plan.report_interval == 0 or self.pace.is_over
            if reports:
                self.plan.arithmetic.wait()  # else it would be the time of launching GPU work
            self.seconds += time.perf_counter() - started
            if reports:
                self._report()
            if self.pace.is_over or self.plan.validates_after(self.step, self._stage):
                self._validate()
            self.after_step(self)
        self.means.check_finite(self.plan.run, self.plan.steps_per_epoch, self.ranks)
        if self.ema is not None:
            self.method.deployed().load_state_dict(self.ema.state_dict())
        self.validator.restore_best(self.method.deployed())

    def close(self) -> None:
        """Release the stored pass; other jobs may remove it from now on."""
        stored = self.plan.stages[0].batches.stored  # that of all stages
        if stored is not None:
            stored.store.close()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs; raises LossDiverged instead of storing weights that are not finite."""
        self.means.check_finite(self.plan.run, self.plan.steps_per_epoch, self.ranks)
        return {
            "step": self.step,
            "seconds": self.seconds,
            "stopped": self.stopped,
            "stage": self._stage,
            "networks": {name: network.state_dict() for name, network in self._networks().items()},
            "method": self.method.state_dict(),
            "optimizers": {group: optimizer.state_dict() for group, optimizer in self._optimizers.items()},
            "scaler": self.scaler.state_dict(),
            "ema": self.ema.state_dict() if self.ema is not None else None,
            "validator": self.validator.state_dict(),
            "means": self.means.state_dict(),
            "micro_batch_size": self.accumulation.size,
            "pace": self.pace.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the `state_dict()` of a trainer of the same spec."""
        for name, network in self._networks().items():
            network.load_state_dict(state["networks"][name])
        self.method.load_state_dict(state["method"])
        self.pace.load_state_dict(state["pace"])
        self.step, self.seconds, self.stopped = state["step"], state["seconds"], state["stopped"]
        if state["stage"] >= 0:
            self._enter_stage(state["stage"], fresh=False)
            for group, optimizer in self._optimizers.items():
                optimizer.load_state_dict(state["optimizers"][group])
        self.scaler.load_state_dict(state["scaler"])
        if self.ema is not None:
            # If the interrupted run did not average weights, because it had another length, averaging starts with its
            # weights.
            self.ema.load_state_dict(state["ema"] or self.method.deployed().state_dict())
        self.validator.load_state_dict(state["validator"])
        self.means.load_state_dict(state["means"])
        self.accumulation.size = state["micro_batch_size"]
        self._resumed = True
        self._reported = (self.step, self.seconds)

    @property
    def batches(self) -> Batches:
        """The batches of the current stage and epoch."""
        batches = self.plan.stages[max(self._stage, 0)].batches
        return batches.live if self._is_live else batches

    def _networks(self) -> dict[str, nn.Module]:
        networks: dict[str, nn.Module] = {"student": self.method.context.student}
        if self.method.trains_teacher and self.method.context.teacher is not None:
            networks["teacher"] = self.method.context.teacher
        return networks

    def _enter_step(self) -> None:
        pace, stage = self.pace, self.plan.stage_of(self.pace.position)
        if stage != self._stage:
            self._enter_stage(stage, fresh=True)
        planned, local = self.plan.stages[stage].stage, self.step - pace.stage_began
        if local % self.batches.steps_per_epoch == 0 or self._resumed:
            self._fill_view(local)
            self._resumed = False
            # For the epoch's first step, also if a resume starts within the epoch: the method gets the same input.
            began = self.step - local % self.batches.steps_per_epoch
            pace.epoch_began = pace.position if began == self.step else pace.epoch_began
            epoch = began // self.plan.steps_per_epoch
            self.method.begin_epoch(TrainingProgress(planned, epoch, began, pace.epoch_began / self.plan.steps))
            if self.method.requires("trajectory"):
                self.teachers.take_anchor(self.method.anchor())
            self._begin_training_mode()
        epoch = self.step // self.plan.steps_per_epoch
        self.method.begin_step(TrainingProgress(planned, epoch, self.step, pace.share))

    def _fill_view(self, local: int) -> None:
        """Run the teacher on this epoch's view, unless it is stored already. If there is no space for it (limit, disk),
        all ranks run the teacher live in this epoch. That depends on other jobs, so that a resumed run may differ.
        """
        batches = self.plan.stages[self._stage].batches
        stored = batches.stored
        if stored is None:
            return
        view, filled, lack, began = batches.view_of(local), False, None, time.monotonic()
        # With several ranks, a poll would wait for the others, which wait for this view.
        poll = (lambda: self.poll(self)) if self.ranks.size == 1 else (lambda: None)
        with self.ranks.first_goes_first():
            try:
                filled = stored.ensure(view, poll)
            except (NoRoom, DiskFull) as reason:
                lack = reason
        self._is_live = self.ranks.any(lack is not None)
        self.pace.filled(time.monotonic() - began if filled else 0.0, stored.num_views - view - 1)
        if filled:
            self.notify(f"the teacher has seen view {view + 1} of {stored.num_views} of the training images")
        if self._is_live and not self._has_lacked_room:
            self._has_lacked_room = True
            self.notify(
                f"there is no room for view {view + 1} of {stored.num_views} of the stored teacher pass "
                f"({lack or 'in another process'}): the teacher is run live in epochs that lack theirs"
            )

    def _enter_stage(self, index: int, *, fresh: bool) -> None:
        self._stage = index
        self.method.stage = self.plan.stages[index].stage
        if fresh:
            self.pace.begin_stage(self.step, prepares=self.method.stage.prepares)
            self.method.begin_stage(self.method.stage)
        self._optimizers = {
            group: build_optimizer(self.plan.training, parameters, self._peak_rate(group))
            for group, parameters in self.method.parameter_groups().items()
        }

    def _peak_rate(self, group: str) -> float:
        return float(self.plan.training.learning_rate) * self.method.rate_scales.get(group, 1.0)

    def _take_step(self) -> None:
        begin_step()
        self._rate_factor = self.plan.rate_factor(self.pace.position)
        batch = self.batches.batch(self.step - self.pace.stage_began)
        self.accumulation.take(batch, self._begin_part, self._apply)
        if self.ema is not None and not self.method.stage.prepares:
            self.ema.update(self.step - self.pace.student_began)

    def _begin_part(self, batch: Batch, place: int) -> Iterator[Update]:
        """The updates of a batch or of a part of it; each is computed, in the precision of the training, when it is
        used.
        """
        # Dropout and its like draw from the global generators; seeding them by the step makes them resumable.
        torch.manual_seed(derive_seed(self.plan.seed, "step", self.step, *([place] if place else [])))
        updates = self.method.updates(self.teachers.complete(batch))
        while True:
            with self.plan.arithmetic.autocast_to_train():
                update = next(updates, None)
            if update is None:
                return
            yield update

    def _apply(self, parts: Iterator[Part]) -> bool:
        """One optimizer step from the parts of a batch, each gone backward through before the next is computed; whether
        there were any.
        """
        seen: list[tuple[Part, Tensor]] = []
        for part in parts:
            if not seen:
                self._optimizers[part.update.group].zero_grad(set_to_none=True)
            loss = part.update.loss
            self.scaler.scale(loss * part.share if part.share < 1 else loss).backward()
            seen.append((part, loss.detach()))
        if not seen:
            return False
        self._step_optimizer(seen[0][0].update.group)
        self.means.add(seen, self.step)
        return True

    def _step_optimizer(self, group: str) -> None:
        optimizer = self._optimizers[group]
        self.ranks.sum_gradients(p for each in optimizer.param_groups for p in each["params"])
        set_rate(optimizer, self._peak_rate(group) * self._rate_factor)
        limit = self.plan.training.clip_gradient_norm
        if limit is not None:
            self.scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_([p for each in optimizer.param_groups for p in each["params"]], limit)
        self.scaler.step(optimizer)
        self.scaler.update()

    def _report(self) -> None:
        self.means.check_finite(self.plan.run, self.plan.steps_per_epoch, self.ranks)
        steps, seconds = self.step - self._reported[0], self.seconds - self._reported[1]
        self._reported = (self.step, self.seconds)
        values: dict[str, float | None] = dict(self.means.take(self.ranks))
        values["learning_rate"] = self._peak_rate("student") * self._rate_factor
        values["images_per_second"] = steps * self.plan.training.batch_size / seconds if seconds else None
        self.report_metrics(self.step, values)

    def _validate(self) -> None:
        began = time.monotonic()
        with self._final_weights():
            values, self.stopped = self.validator.validate(self.method.deployed(), self.plan.epoch_of(self.step))
        self._begin_training_mode()
        self.pace.validated(time.monotonic() - began)
        self.report_metrics(self.step, values)

    def _begin_training_mode(self) -> None:
        self.method.set_training_mode()
        if self.plan.training.batch_norm == "frozen":
            freeze_statistics(self.method.context.student)

    def _final_weights(self) -> AbstractContextManager[None]:
        return self.ema.in_place() if self.ema is not None else nullcontext()
