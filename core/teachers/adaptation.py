"""Teachers of other classes: whether a job adapts one to its own, and the classifier that is fitted for that."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Literal

from core.data.augment import Augmenter
from core.data.dataset import Dataset
from core.evaluation.linear_probe import fit_classifier
from core.networks.head import replace_head
from core.networks.teacher import Teacher
from core.spec import TeacherSpec
from core.system.device import Arithmetic
from core.system.seeds import seeded
from core.system.workspace import Workspace

Adaptation = Literal["none", "head", "full"]


def choose_adaptation(
    spec: TeacherSpec, teacher: Teacher, classes: Sequence[str], needs: Collection[str]
) -> Adaptation:
    """What `teacher.adapt` means for this teacher and the job's classes, given the needs of the job's method.

    A teacher that knows some of the classes is not adapted unasked: the names of the others are more likely misspelt.
    Nor is one without class names that has as many outputs as the job has classes: these may be the job's own.
    """
    if spec.adapt != "auto":
        return spec.adapt
    if "teacher" not in needs or "trajectory" in needs:
        return "none"
    if teacher.classes is None:
        return "head" if teacher.network.num_classes != len(classes) else "none"
    return "none" if set(classes) & set(teacher.classes) else "head"


def with_classifier_for(teacher: Teacher, classes: Sequence[str], *, seed: int) -> Teacher:
    """The same teacher with a new random classifier for `classes`. Its network is changed in place."""
    with seeded(seed, "teacher"):
        network = replace_head(teacher.network, len(classes))
    return replace(teacher, network=network.eval().requires_grad_(False), classes=tuple(classes))


def fit_to_classes(
    teacher: Teacher,
    dataset: Dataset,
    augmenter: Augmenter,
    arithmetic: Arithmetic,
    workspace: Workspace,
    poll: Callable[[], None] = lambda: None,
) -> None:
    """Fit the teacher's classifier, in place, to the training images as the student's test views show them.

    The result cache keeps the classifier for later jobs with the same teacher, images and classes.
    """
    fit_classifier(
        teacher.network,
        dataset.train,
        fingerprint=dataset.facts.fingerprint,
        views=augmenter.test_views,
        device=arithmetic.device,
        result_cache=workspace.result_cache,
        poll=poll,
    )
