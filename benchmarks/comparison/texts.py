"""The text around the tables in docs/explanation/methods.md: headings, conditions, how to read them, the command."""

import argparse
import time
from collections.abc import Sequence

from benchmarks.comparison import domains
from benchmarks.comparison.rows import IMAGES, OWN_TEACHER, OWN_TEACHER_IMAGES, OWN_TEACHER_STEPS, STUDENT, TEACHER
from benchmarks.comparison.summary import Group
from benchmarks.harness.document import machine

HEAD = "# Comparison of the methods on real images\n"
METHOD_COLUMNS = {
    "method": "method",
    "fidelity": "formula",
    "accuracy": "test top-1, mean and 95% interval over seeds",
    "seeds": "seeds",
    "gain": "points above scratch",
    "seconds": "training, s",
    "steps": "steps",
    "params": "parameters deployed",
    "extra_params": "extra parameters",
    "extra_buffers": "extra buffers, kB",
    "peak": "peak memory, MB",
    "teacher_pass": "teacher",
    "notes": "notes",
}
FEW_SHOT_COLUMNS = {
    "method": "method",
    "10 images a class": "10 images a class",
    "50 images a class": "50",
    "500 images a class": "500",
    "seeds": "seeds",
}
DOMAIN_COLUMNS = {
    "way": "way",
    **{target: f"{domains.SOURCE} to {target}" for target in domains.TARGETS},
    "mean": "mean of the three",
    "seeds": "seeds",
    "seconds": "its last training, s",
    "notes": "notes",
}
HEADINGS = {
    "methods": "All methods, ten classes of CIFAR-100",
    "few-shot": "Over images per class",
    "domains": "A second domain: PACS",
}
CIFAR = (
    f"Ten classes of CIFAR-100: every tenth in the order of the official labels. The teacher is cifar/{TEACHER}. It "
    "was trained on all 100 classes, these training images included, which makes it look better than on new images. "
    f"The student is {STUDENT}. Accuracy is measured on the 1,000 official test images of the ten classes. A tenth of "
    "the training images is held out for validation."
)
METHODS_TOLD = f"""\
There are {IMAGES} images of each class. Rows without the name of a variant use the method's default knobs and the
engine's other defaults.

- *training*: the wall time of the engine's training phase. It includes validations and the computation of the stored
  teacher pass, which every run does again.
- *steps*: steps of the optimizers' schedule; methods with a search need further steps for it.
- *extra*: what the method has besides a plain student: adapters, memories, projectors (simkd deploys its projector), a
  teacher that is trained along; a frozen teacher does not count.
- *peak memory*: of the process up to the end of the training, torch and teacher included.
- *teacher*: whether it ran live or was read from a stored pass. A frozen teacher computes in 8-bit integers if the
  processor supports that, unless the row says otherwise.
- *teacher's weights*: the student starts with the first blocks of the teacher and the classes' rows of its head
  (`student.weights: teacher`). All other students start with random weights.

Methods for a second domain (kd_uda) cannot be compared here; their table is below. rco needs checkpoints of its
teacher's training: its teacher is our {OWN_TEACHER}, trained on {OWN_TEACHER_IMAGES} images of each class for
{OWN_TEACHER_STEPS} times as many steps, which are not counted."""
FEW_SHOT_TOLD = "finetune is the teacher's own network with a new head; it has eleven times the student's parameters."
DOMAINS_TOLD = f"""\
The training data are labelled photographs and unlabelled images of the target domain, {domains.SIZE} x {domains.SIZE}
pixels. A share of {domains.TEST_FRACTION} of each domain is its test split, on which accuracy is measured; test images
are not used for training. The teacher is {domains.TEACHER}: CIFAR-100 weights, fine-tuned on the photographs for each
seed. The student is {domains.STUDENT}; it starts with random weights unless the row says *teacher's weights*.

- *source only*: method scratch on the photographs.
- *kd, then adapted*: first kd, then the small network is adapted by the teacher step of kd_uda (maximum mean
  discrepancy).
- *adapted, then kd*: the teacher is adapted first, then kd on the photographs.
- *kd_uda*: both at the same time.

Each training has the same number of steps; the steps of trainings that follow each other add up. No label of a target
image is used for training or for a choice."""


def picture_title(options: argparse.Namespace) -> str:
    """The title of the picture with the curves."""
    return f"Ten classes of CIFAR-100, {IMAGES} images each, {options.steps} steps, {options.seeds} seeds: means"


def section(name: str, rows: str, groups: Sequence[Group], options: argparse.Namespace, picture: str) -> str:
    """The Markdown of one table with its conditions."""
    about = {"methods": CIFAR, "few-shot": CIFAR, "domains": ""}[name]
    told = {"methods": METHODS_TOLD, "few-shot": FEW_SHOT_TOLD, "domains": DOMAINS_TOLD}[name]
    shown = {"methods": f"![accuracy over seconds]({picture})"}.get(name, "")
    teacher = _teacher_accuracy(groups) if about else ""
    parts = [
        f"## {HEADINGS[name]}",
        _conditions(groups, options),
        f"{about} {teacher}".strip(),
        rows,
        told,
        shown,
        f"```\n{_command(name, options)}\n```",
    ]
    return "\n\n".join(part for part in parts if part)


def _conditions(groups: Sequence[Group], options: argparse.Namespace) -> str:
    outcomes = [outcome for group in groups for outcome in group.outcomes]
    torch = ", ".join(sorted({outcome["versions"]["torch"] for outcome in outcomes})) or "unknown"
    precision = ", ".join(sorted({outcome["precision"] for outcome in outcomes})) or "unknown"
    at_a_time = f"{options.parallel} process{'es' * (options.parallel != 1)} of one thread at a time"
    seeds = f"{options.seeds} seed{'s' * (options.seeds != 1)}{' at most' * options.done}"
    return (
        f"{time.strftime('%B %Y')}, {machine()}, torch {torch}, {precision}, {at_a_time}; {options.steps} steps a "
        f"training, {seeds}, intervals by Student's t."
    )


def _teacher_accuracy(groups: Sequence[Group]) -> str:
    """Of the frozen teacher that most rows share."""
    own = [
        outcome["teacher_test_top1"]
        for group in groups
        for outcome in group.outcomes
        if outcome["teacher_test_top1"] is not None
    ]
    if not own:
        return ""
    return f"The teacher's accuracy is {100 * max(set(own), key=own.count):.1f}%."


def _command(name: str, options: argparse.Namespace) -> str:
    mode = "" if name == "methods" else f" --{name}"
    rows = f" --methods {' '.join(repr(row) for row in options.methods)}" if options.methods else ""
    return (
        f"python benchmarks/methods.py --data ../shared/data{mode} --steps {options.steps} --seeds {options.seeds}"
        f" --parallel {options.parallel}{rows}"
    )
