"""What stands around the tables in docs/explanation/methods.md: headings, conditions, how to read them, the command."""

import argparse
import time
from collections.abc import Sequence

from benchmarks.comparison import domains
from benchmarks.comparison.rows import IMAGES, OWN_TEACHER, OWN_TEACHER_IMAGES, OWN_TEACHER_STEPS, STUDENT, TEACHER
from benchmarks.comparison.summary import Group
from benchmarks.harness.document import machine

HEAD = "# The methods, compared on real images\n"
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
    f"Ten classes of CIFAR-100: every tenth in the order of the official labels. Teacher cifar/{TEACHER}, trained on "
    f"all 100 classes and on these training images among them, which flatters it; student {STUDENT}. Accuracy is that "
    "on the 1,000 official test images of the ten classes. A tenth of the training images is held out for validation."
)
METHODS_TOLD = f"""\
{IMAGES} images a class. Rows without a variant's name have the method's default knobs, everything else is the engine's
own choice too. *training*: the wall time of the engine's training phase, with surveys, validations and the filling of a
stored teacher pass, which every run does anew. *steps*: of the optimizers' schedule; methods with a search add it.
*extra*: what the method holds or trains besides a plain student: adapters, memories, projectors (which simkd deploys),
a teacher that trains along, but no frozen teacher. *peak memory*: of the process up to the end of training, torch and
teacher included. *teacher*: run live, or read from a stored pass; frozen, it computes in 8-bit integers where the
processor has them, unless the row says otherwise. *teacher's weights*: the student begins with the first blocks of
the teacher and the classes' rows of its head (`student.weights: teacher`); all others begin at random. Methods that
need a second domain (kd_uda) are not comparable here; their table is below. rco needs a teacher's own checkpoints: its
teacher is our {OWN_TEACHER}, trained on {OWN_TEACHER_IMAGES} images a class for {OWN_TEACHER_STEPS} times as many
steps, which are not counted."""
FEW_SHOT_TOLD = "finetune is the teacher's own network with a fresh head, eleven times the student's parameters."
DOMAINS_TOLD = f"""\
Labelled photographs, unlabelled images of the target domain; {domains.SIZE} x {domains.SIZE} pixels; a share of
{domains.TEST_FRACTION} of each domain is its test split, on which the accuracy is taken; the target's test images are
not trained on. Teacher {domains.TEACHER}, from CIFAR-100 weights fine-tuned on the photographs by each seed anew;
student {domains.STUDENT}, from random weights where the row does not say *teacher's weights*. *source only*:
scratch. *kd, then adapted*: compress, then adapt, by kd_uda's teacher step alone (maximum mean discrepancy).
*adapted, then kd*: that on the teacher, then kd on the photographs. *kd_uda*: both at once. Each training takes as many
steps; those that are done one after the other add up.
No label of a target image is used for training or for choosing."""


def picture_title(options: argparse.Namespace) -> str:
    """Of the curves."""
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
    return f"The teacher gets {100 * max(set(own), key=own.count):.1f}% of them right."


def _command(name: str, options: argparse.Namespace) -> str:
    mode = "" if name == "methods" else f" --{name}"
    rows = f" --methods {' '.join(repr(row) for row in options.methods)}" if options.methods else ""
    return (
        f"python benchmarks/methods.py --data ../shared/data{mode} --steps {options.steps} --seeds {options.seeds}"
        f" --parallel {options.parallel}{rows}"
    )
