"""One training loop for every method, with checkpoint and exact resume.

Whatever is random in a step is seeded by (seed, step), so a checkpoint needs weights, optimizer states and counters
alone, and a run that is cut anywhere goes on, on a CPU, as if it had not been.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from core.averaging import Averaged
from core.batches import Batches
from core.course import Course
from core.errors import LossDiverged
from core.methods.method import Batch, Method, Moment, Update
from core.optimizers import build_optimizer, set_rate
from core.seeds import derive_seed
from core.tally import Tally
from core.teaching import FrozenTeacher
from core.validation import Validator


@dataclass
class Trainer:
    """The training of one network: `course` is what stays fixed, the rest is what a checkpoint holds."""

    method: Method
    course: Course
    teacher: FrozenTeacher | None
    validator: Validator
    tell: Callable[[int, dict[str, float | None]], None]
    """Called with (step, values by name) about 200 times in a run."""
    after_step: Callable[["Trainer"], None]
    """Called after each step: the place to save, report progress, or raise Interrupted."""
    step: int = 0
    seconds: float = 0.0
    stopped: bool = False
    _optimizers: dict[str, torch.optim.Optimizer] = field(default_factory=dict, init=False)
    _stage: int = field(default=-1, init=False)
    _resumed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.tally = Tally(self.course.arithmetic.device)
        self.scaler = self.course.arithmetic.scaler()
        decay = self.course.training.ema_decay
        self.averaged = Averaged(self.method.deployed(), decay) if decay is not None else None
        self._reported = (0, 0.0)

    def run(self) -> None:
        """Train to the end of the course or to an early stop; then the method's deployed network holds the result."""
        while self.step < self.course.steps and not self.stopped:
            started = time.perf_counter()
            self._enter_step()
            self._take_step()
            self.step += 1
            self.seconds += time.perf_counter() - started
            if self.step % self.course.report_interval == 0 or self.step == self.course.steps:
                self._report()
            if self.course.validates_after(self.step):
                self._validate()
            self.after_step(self)
        self._check_finite()
        if self.averaged is not None:
            self.method.deployed().load_state_dict(self.averaged.state_dict())
        self.validator.restore_best(self.method.deployed())

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs; raises LossDiverged rather than keep weights that are lost."""
        self._check_finite()
        return {
            "step": self.step,
            "seconds": self.seconds,
            "stopped": self.stopped,
            "stage": self._stage,
            "networks": {name: network.state_dict() for name, network in self._networks().items()},
            "method": self.method.state_dict(),
            "optimizers": {group: optimizer.state_dict() for group, optimizer in self._optimizers.items()},
            "scaler": self.scaler.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged is not None else None,
            "validator": self.validator.state_dict(),
            "tally": self.tally.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()` of a trainer made from the same spec."""
        for name, network in self._networks().items():
            network.load_state_dict(state["networks"][name])
        self.method.load_state_dict(state["method"])
        self.step, self.seconds, self.stopped = state["step"], state["seconds"], state["stopped"]
        if state["stage"] >= 0:
            self._enter_stage(state["stage"], fresh=False)
            for group, optimizer in self._optimizers.items():
                optimizer.load_state_dict(state["optimizers"][group])
        self.scaler.load_state_dict(state["scaler"])
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])
        self.validator.load_state_dict(state["validator"])
        self.tally.load_state_dict(state["tally"])
        self._resumed = True
        self._reported = (self.step, self.seconds)

    @property
    def batches(self) -> Batches:
        """Of the present stage."""
        return self.course.stages[max(self._stage, 0)].batches

    def _networks(self) -> dict[str, nn.Module]:
        networks: dict[str, nn.Module] = {"student": self.method.setting.student}
        if self.method.needs.teacher == "training" and self.method.setting.teacher is not None:
            networks["teacher"] = self.method.setting.teacher
        return networks

    def _enter_step(self) -> None:
        stage = self.course.stage_of(self.step)
        if stage != self._stage:
            self._enter_stage(stage, fresh=True)
        local = self.step - self.course.stages[stage].first_step
        if local % self.batches.steps_per_epoch == 0 or self._resumed:
            self._resumed = False
            planned = self.course.stages[stage].stage
            epoch = self.step // self.course.steps_per_epoch
            self.method.begin_epoch(Moment(planned, epoch, self.step, self.step / self.course.steps))
            self.method.set_training_mode()

    def _enter_stage(self, index: int, *, fresh: bool) -> None:
        self._stage = index
        self.method.stage = self.course.stages[index].stage
        if fresh:
            self.method.begin_stage(self.course.stages[index].stage)
        self._optimizers = {
            group: build_optimizer(self.course.training, parameters, self._peak_rate(group))
            for group, parameters in self.method.parameter_groups().items()
        }

    def _peak_rate(self, group: str) -> float:
        return float(self.course.training.learning_rate) * self.method.rate_scales.get(group, 1.0)

    def _take_step(self) -> None:
        # Dropout and its like draw from the global generators; seeding them by the step makes them resumable.
        torch.manual_seed(derive_seed(self.course.seed, "step", self.step))
        batch = self.batches.batch(self.step - self.course.stages[self._stage].first_step)
        if self.teacher is not None:
            batch = replace(batch, teacher=self.teacher.observe(batch.views))
        updates = self.method.updates(batch)
        while (update := self._next(updates)) is not None:
            self._apply(update, batch)
        if self.averaged is not None:
            self.averaged.update(self.step)

    def _next(self, updates: Any) -> Update | None:
        with self.course.arithmetic.autocast():
            return next(updates, None)

    def _apply(self, update: Update, batch: Batch) -> None:
        optimizer = self._optimizers[update.group]
        loss: Tensor = torch.stack(
            [term.float() if term.dtype.itemsize < 4 else term for term in update.terms.values()]
        ).sum()
        optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        set_rate(optimizer, self._peak_rate(update.group) * self.course.rate_factor(self.step))
        limit = self.course.training.clip_gradient_norm
        if limit is not None:
            self.scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], limit)
        self.scaler.step(optimizer)
        self.scaler.update()
        self.tally.add(update, loss, batch.targets, self.step)

    def _check_finite(self) -> None:
        step = self.tally.diverged_at()
        if step is not None:
            epoch = step // self.course.steps_per_epoch + 1
            raise LossDiverged(
                f"the training loss of {self.course.run} became NaN or infinite at step {step + 1} (epoch {epoch})",
                hint="lower training.learning_rate, set training.clip_gradient_norm, or use training.precision fp32",
                pointer="/training/learning_rate",
            )

    def _report(self) -> None:
        self._check_finite()
        steps, seconds = self.step - self._reported[0], self.seconds - self._reported[1]
        self._reported = (self.step, self.seconds)
        values: dict[str, float | None] = dict(self.tally.take())
        values["learning_rate"] = self._peak_rate("student") * self.course.rate_factor(self.step - 1)
        values["images_per_second"] = steps * self.course.training.batch_size / seconds if seconds else None
        self.tell(self.step, values)

    def _validate(self) -> None:
        with self._final_weights():
            values, self.stopped = self.validator.validate(self.method.deployed(), self.course.epoch_of(self.step))
        self.method.set_training_mode()
        self.tell(self.step, values)

    def _final_weights(self) -> AbstractContextManager[None]:
        return self.averaged.in_place() if self.averaged is not None else nullcontext()
