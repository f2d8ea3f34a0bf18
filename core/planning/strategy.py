"""What can only be settled once a run's method is built: how many steps it takes, and how its teacher is asked."""

import math
from collections.abc import Callable
from dataclasses import replace

from core.errors import SpecInvalid
from core.events import Event, Log, WarningIssued
from core.kernels import KernelsUnavailable, has_instructions, load, serves
from core.methods.method import Method
from core.planning.prepare import Place, Prepared, PreparedRun
from core.spec import TrainingSpec
from core.system.device import Arithmetic
from core.teachers.stored.opening import layout_for
from core.teachers.stored.store import CRC_BYTES
from core.training.build import build_method
from core.training.plan import end_steps

# Views of each image in a stored pass, and the epochs for which storing pays; measured in
# docs/explanation/performance.md.
AUTO_VIEWS = 8
EPOCHS_PER_VIEW = 2
# The kernels are compiled in two seconds once a machine; these may well take less.
MIN_STEPS_FOR_KERNELS = 200
NEEDS_OF_KERNELS = "training.precision bf16 on a CPU with AVX-512 BF16 and without AMX"


def settle(prepared: Prepared, place: Place, report: Callable[[Event], None]) -> Prepared:
    """The runs with their steps, and without any `auto` left. A repetition is settled as its first seed was.

    Building every run's method here finds a tap that does not exist, or weights that do not fit, before any training.
    Raises SpecInvalid where a stored teacher pass was asked for and cannot serve.
    """
    settled: dict[str, PreparedRun] = {}
    for run in prepared.runs:
        first = settled.get(run.run.repeats)
        if first is None:
            settled[run.run.name] = _settled(prepared, run, place, report)
        else:
            chosen = first.spec.training
            training = run.spec.training.model_copy(
                update={name: getattr(chosen, name) for name in ("teacher_pass", "stored_views", "kernels")}
            )
            spec = run.spec.model_copy(update={"training": training})
            settled[run.run.name] = replace(run, spec=spec, steps=first.steps)
    return replace(prepared, runs=tuple(settled.values()))


def _settled(prepared: Prepared, run: PreparedRun, place: Place, report: Callable[[Event], None]) -> PreparedRun:
    method, training = build_method(prepared, run, place), run.spec.training
    steps_per_epoch = max(len(run.dataset.train.labels) // int(training.batch_size), 1)
    steps = end_steps(
        method.stages(), steps_per_epoch=steps_per_epoch, epochs=int(training.epochs), max_steps=training.max_steps
    )[-1]
    views, reason = _stored_views(run, method, steps / steps_per_epoch, place.policy.max_teacher_pass_bytes)
    if reason and training.teacher_pass == "stored":
        detail = f"'stored' cannot serve method {run.spec.method.name!r}: {reason}; allowed: auto, live"
        raise SpecInvalid([("/training/teacher_pass", detail)])
    if reason and run is prepared.student:
        report(Log(message=f"the teacher is run live: {reason}"))
    elif views:
        report(Log(message=_stored_message(views)))
    if run is prepared.student:
        for warning in method.warnings():
            report(WarningIssued(warning=warning))
    if run is prepared.student and run.spec.student.weights == "teacher":
        report(Log(message="the student begins with weights of its teacher"))
    kernels, reason = _kernels(run, method, prepared.arithmetic, steps, place)
    if reason and training.kernels == "own":
        raise SpecInvalid([("/training/kernels", f"'own' cannot serve this job: {reason}; allowed: auto, torch")])
    if reason and run is prepared.student:
        report(Log(message=f"the kernels are torch's: {reason}"))
    filled = {
        "teacher_pass": "stored" if views else "live",
        "stored_views": views or 1,
        "kernels": kernels,
    }
    spec = run.spec.model_copy(update={"training": training.model_copy(update=filled)})
    return replace(run, spec=spec, steps=steps)


def _stored_message(views: int) -> str:
    if views == 1:
        return "the teacher sees each image once, and what it says is stored for all epochs"
    return f"the teacher sees {views} views of each image, which are stored and gone through in turn"


def _kernels(run: PreparedRun, method: Method, arithmetic: Arithmetic, steps: int, place: Place) -> tuple[str, str]:
    """(whose, why not the engine's own). The reason is empty where nobody would expect them."""
    training = run.spec.training
    if training.kernels == "torch":
        return "torch", ""
    insists = training.kernels == "own"
    if arithmetic.precision != "bf16" or not has_instructions(arithmetic.device):
        return "torch", f"they need {NEEDS_OF_KERNELS}" if insists else ""
    if not any(serves(module) for part in (method, method.context.student) for module in part.modules()):
        return "torch", "no 3x3 convolution has multiples of 32 channels, no batch norm of 16" if insists else ""
    if training.compile is True:
        return "torch", "training.compile has torch compile what is trained" if insists else ""
    if steps < MIN_STEPS_FOR_KERNELS and not insists:
        return "torch", ""
    try:
        with place.ranks.first_goes_first():
            load(place.cache)
    except KernelsUnavailable as error:
        return "torch", str(error)
    return "own", ""


def _stored_views(run: PreparedRun, method: Method, epochs: float, max_bytes: int) -> tuple[int, str]:
    """(views to store, why not): 0 views where the teacher is to be run live; the reason is empty without a teacher."""
    training, needs = run.spec.training, method.needs
    if not needs.teacher_output and not method.trains_teacher:
        return 0, "" if training.teacher_pass != "stored" else "it asks no frozen teacher for anything"
    reason = _live_reason(training, method)
    if reason or training.teacher_pass == "live":
        return 0, reason or "training.teacher_pass says so"
    view_bytes = layout_for(run, method).record_bytes * len(run.dataset.train.labels) + CRC_BYTES
    fitting = max_bytes // view_bytes
    if training.teacher_pass == "stored":
        wanted = _wanted_views(training)
        if wanted <= fitting:
            return wanted, ""
        return 0, f"{wanted} views take {wanted * view_bytes:,} bytes, and the operator allows {max_bytes:,}"
    return _auto_views(training, epochs, fitting)


def _auto_views(training: TrainingSpec, epochs: float, fitting: int) -> tuple[int, str]:
    wanted = _wanted_views(training)
    views = "1 view" if wanted == 1 else f"{wanted} views"
    if fitting < wanted:
        return 0, f"{views} of its output do not fit into the operator's limit"
    if epochs < wanted * EPOCHS_PER_VIEW:
        return 0, f"{math.ceil(epochs)} epochs are too few for storing {views} of its output to pay"
    return wanted, ""


def _wanted_views(training: TrainingSpec) -> int:
    if training.stored_views != "auto":
        return training.stored_views
    return AUTO_VIEWS if training.augmentation != "none" else 1  # without augmentation every view is the same


def _live_reason(training: TrainingSpec, method: Method) -> str:
    if method.live_teacher is not None:
        return method.live_teacher
    if method.context.more_teachers:
        return "it learns from several teachers"
    if training.mixup_alpha or training.cutmix_alpha:
        return "images are mixed anew at every step"
    return ""
