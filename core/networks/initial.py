"""Builds the network that a run starts with."""

from collections.abc import Callable
from dataclasses import replace

from core.errors import TeacherLoadFailed
from core.events import JobWarning
from core.networks import zoo
from core.networks.network import Network
from core.networks.relatives import build_relative
from core.networks.selection import select_weights
from core.networks.teacher import Teacher, load_teacher
from core.spec import ResolvedJob, ResolvedStudent, TeacherSpec
from core.system.seeds import seeded
from core.system.workspace import Workspace


def build_student(
    spec: ResolvedJob,
    num_classes: int,
    workspace: Workspace,
    *,
    seed: int,
    warn: Callable[[JobWarning], None] = lambda warning: None,
) -> Network:
    """The network of the resolved `spec.student` with `num_classes` outputs; its random values depend on the seed only.

    Weights of the teacher are not copied here: core.training.build, which has both networks, does that.
    Given weights bring their own head, which is kept only where it has `num_classes` outputs and the method's knobs
    do not declare a fresh head. `warn` receives what a person should know about the file of given weights.
    """
    student, size = spec.student, spec.training.image_size
    with seeded(seed, "student"):
        if student.weights in (None, "teacher"):
            return zoo.build(student.architecture, num_classes, image_size=size)
        if student.weights == "relative":
            network = zoo.build(student.architecture, num_classes, image_size=size)
            select_weights(network, build_relative(student.architecture, workspace), None)
            return network
        if student.weights == "published":
            network = _published(student.architecture, size, workspace)
        else:
            given = _given(student, workspace)
            for warning in given.warnings:
                warn(warning)
            network = _at_size(given.network, size)
        if spec.method.fresh_head or network.num_classes != num_classes:
            network = zoo.replace_head(network, num_classes)
    return network


def _published(architecture: str, size: int, workspace: Workspace) -> Network:
    try:
        return zoo.build(architecture, image_size=size, pretrained=True, policy=workspace.policy, cache=workspace.cache)
    except TeacherLoadFailed as error:
        raise TeacherLoadFailed(error.message, hint=error.hint, pointer="/student/weights") from error


def _given(student: ResolvedStudent, workspace: Workspace) -> Teacher:
    spec = TeacherSpec(
        architecture=student.architecture,
        weights=student.weights,
        credentials=student.credentials,
        weights_map=student.weights_map,
    )
    try:
        return load_teacher(spec, workspace, strict_head=False)
    except TeacherLoadFailed as error:
        raise TeacherLoadFailed(error.message, hint=error.hint, pointer="/student/weights") from error


def _at_size(network: Network, size: int) -> Network:
    """The same weights and normalization for images of another size, if the architecture allows it."""
    if network.input.size == size:
        return network
    other = zoo.build(network.architecture, network.num_classes, image_size=size)
    try:
        other.module.load_state_dict(network.module.state_dict())
    except RuntimeError as error:
        message = f"the weights of {network.architecture} are for {network.input.size} pixels, not {size}: {error}"
        raise TeacherLoadFailed(message, pointer="/training/image_size") from error
    return other.with_input(replace(network.input, size=size))
