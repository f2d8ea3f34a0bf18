"""Chooses the settings of a run that depend on its built method: steps, stored teacher pass, kernels."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from core.errors import SpecInvalid
from core.events import Event, JobWarning, Log, WarningIssued
from core.job import PreparedRun
from core.kernels import KernelsUnavailable, has_instructions, load, serves
from core.methods.method import Method
from core.spec import ResolvedJob, TrainingSpec
from core.spec.part import Auto
from core.system.device import Arithmetic
from core.system.workspace import Workspace
from core.teachers.stored.opening import layout_for
from core.teachers.stored.store import CRC_BYTES
from core.teachers.teacher_set import TeacherSet
from core.training.build import build_method
from core.training.plan import end_steps

# Views of each image in a stored pass, and the epochs for which storing pays; measured in
# docs/explanation/performance.md.
AUTO_VIEWS = 8
EPOCHS_PER_VIEW = 2
# The kernels take two seconds to compile, once for each machine; a training with fewer steps may be shorter than that.
MIN_STEPS_FOR_KERNELS = 200
NEEDS_OF_KERNELS = "training.precision bf16 on a CPU with AVX-512 BF16 and without AMX"


def choose_strategies(
    runs: tuple[PreparedRun, ...],
    teachers: TeacherSet,
    arithmetic: Arithmetic,
    workspace: Workspace,
    report: Callable[[Event], None],
) -> tuple[PreparedRun, ...]:
    """The runs with their steps, their teacher pass and their kernels. A repetition uses the strategy of its first
    seed.

    Every run's method is built here, so that a missing tap or weights that do not fit are found before any training;
    the student's method is kept for its training. Raises SpecInvalid if a stored teacher pass or own kernels are
    requested and not possible.
    """
    chosen: dict[str, PreparedRun] = {}
    for run in runs:
        first = chosen.get(run.run.repeats)
        if first is None:
            chosen[run.run.name] = _Strategist(run, teachers, arithmetic, workspace, report).choose()
        else:
            names = ("teacher_pass", "stored_views", "kernels")
            filled = {name: getattr(first.training, name) for name in names}
            chosen[run.run.name] = replace(run, spec=_with_training(run.spec, filled), steps=first.steps)
    return tuple(chosen.values())


def _with_training(spec: ResolvedJob, filled: dict[str, Any]) -> ResolvedJob:
    return spec.model_copy(update={"training": spec.training.model_copy(update=filled)})


@dataclass
class _Strategist:
    """Chooses how one run is trained. The reasons of the student's run go to `report`."""

    run: PreparedRun
    teachers: TeacherSet
    arithmetic: Arithmetic
    workspace: Workspace
    report: Callable[[Event], None]

    def choose(self) -> PreparedRun:
        """The run with steps, teacher pass and kernels; the student's with its method."""
        run, training = self.run, self.run.training
        method = build_method(run, self.teachers, self.arithmetic, self.workspace, self._warn)
        steps_per_epoch = max(len(run.dataset.train.labels) // training.batch_size, 1)
        steps = end_steps(
            method.stages(), steps_per_epoch=steps_per_epoch, epochs=training.epochs, max_steps=training.max_steps
        )[-1]
        for warning in method.warnings():
            self._warn(warning)
        views = self._choose_stored_views(method, steps / steps_per_epoch)
        if run.warning is not None:
            self._warn(run.warning)
        self._tell(f"the student begins with {run.beginning}")
        filled = {
            "teacher_pass": "stored" if views else "live",
            "stored_views": views or 1,
            "kernels": self._choose_kernels(method, steps),
        }
        kept = method if self._is_student else None
        return replace(run, spec=_with_training(run.spec, filled), steps=steps, method=kept)

    @property
    def _asked(self) -> TrainingSpec:
        return self.run.run.spec.training

    @property
    def _is_student(self) -> bool:
        return self.run.run.name == "student"

    def _tell(self, message: str) -> None:
        if self._is_student:
            self.report(Log(message=message))

    def _warn(self, warning: JobWarning) -> None:
        if self._is_student:
            self.report(WarningIssued(warning=warning))

    def _choose_stored_views(self, method: Method, epochs: float) -> int:
        """The number of views to store; 0 if the teacher runs live."""
        max_bytes = self.workspace.policy.max_teacher_pass_bytes
        views, reason = _stored_views(self.run, self._asked, method, self.teachers, epochs, max_bytes)
        if reason and self._asked.teacher_pass == "stored":
            detail = f"'stored' cannot serve method {self.run.spec.method.name!r}: {reason}; allowed: auto, live"
            raise SpecInvalid([("/training/teacher_pass", detail)])
        if reason:
            self._tell(f"the teacher is run live: {reason}")
        elif views:
            self.report(Log(message=_stored_message(views)))
        return views

    def _choose_kernels(self, method: Method, steps: int) -> str:
        kernels, reason = _kernels(self._asked, method, self.arithmetic, steps, self.workspace)
        if reason and self._asked.kernels == "own":
            raise SpecInvalid([("/training/kernels", f"'own' cannot serve this job: {reason}; allowed: auto, torch")])
        if reason:
            self._tell(f"the kernels are torch's: {reason}")
        return kernels


def _stored_message(views: int) -> str:
    if views == 1:
        return "the teacher runs on each image once, and its outputs are stored for all epochs"
    return (
        f"the teacher runs on {views} views of each image; its outputs are stored, and the epochs use the views in turn"
    )


def _kernels(
    training: TrainingSpec, method: Method, arithmetic: Arithmetic, steps: int, workspace: Workspace
) -> tuple[str, str]:
    """(torch or own, the reason for torch). The reason is empty if own kernels are not expected."""
    if training.kernels == "torch":
        return "torch", ""
    insists = training.kernels == "own"
    if arithmetic.precision != "bf16" or not has_instructions(arithmetic.device):
        return "torch", f"they need {NEEDS_OF_KERNELS}" if insists else ""
    if not any(serves(module) for part in (method, method.context.student) for module in part.modules()):
        return "torch", "no 3x3 convolution has multiples of 32 channels, no batch norm of 16" if insists else ""
    if training.compile is True:
        return "torch", "training.compile lets torch compile the trained networks" if insists else ""
    if steps < MIN_STEPS_FOR_KERNELS and not insists:
        return "torch", ""
    try:
        with workspace.ranks.first_goes_first():
            load(workspace.cache)
    except KernelsUnavailable as error:
        return "torch", str(error)
    return "own", ""


def _stored_views(
    run: PreparedRun, asked: TrainingSpec, method: Method, teachers: TeacherSet, epochs: float, max_bytes: int
) -> tuple[int, str]:
    """(views to store, the reason against): 0 views if the teacher should run live; the reason is empty without a
    teacher.
    """
    training, needs = run.training, method.needs
    if not needs.teacher_output and not method.trains_teacher:
        return 0, "" if asked.teacher_pass != "stored" else "it uses no output of a frozen teacher"
    reason = live_reason(training, method)
    if reason or asked.teacher_pass == "live":
        return 0, reason or "training.teacher_pass says so"
    record_bytes = layout_for(training, needs, teachers.required).record_bytes
    view_bytes = record_bytes * len(run.dataset.train.labels) + CRC_BYTES
    fitting = max_bytes // view_bytes
    wanted = _wanted_views(asked.stored_views, training.augmentation)
    if asked.teacher_pass == "stored":
        if wanted <= fitting:
            return wanted, ""
        return 0, f"{wanted} views take {wanted * view_bytes:,} bytes, and the operator allows {max_bytes:,}"
    return _auto_views(wanted, epochs, fitting)


def _auto_views(wanted: int, epochs: float, fitting: int) -> tuple[int, str]:
    views = "1 view" if wanted == 1 else f"{wanted} views"
    if fitting < wanted:
        return 0, f"{views} of its output do not fit into the operator's limit"
    if epochs < wanted * EPOCHS_PER_VIEW:
        return 0, f"with {math.ceil(epochs)} epochs, storing {views} of its output would not save time"
    return wanted, ""


def _wanted_views(asked: int | Auto, augmentation: str) -> int:
    if asked != "auto":
        return asked
    return AUTO_VIEWS if augmentation != "none" else 1  # without augmentation all views are the same


def live_reason(training: TrainingSpec, method: Method) -> str:
    """Why no stored teacher pass can serve the training; empty where one can."""
    if method.live_teacher is not None:
        return method.live_teacher
    if method.context.more_teachers:
        return "it learns from several teachers"
    if training.mixup_alpha or training.cutmix_alpha:
        return "images are mixed differently at every step"
    return ""
