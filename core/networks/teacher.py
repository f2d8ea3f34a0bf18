"""The teacher of a job: by library name, by architecture and weights, or an earlier job's student."""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from core.data.uri import fetch
from core.errors import DatasetUnreachable, TeacherLoadFailed
from core.events import JobWarning
from core.networks.libraries import library
from core.networks.network import Network
from core.networks.weights.fit import load_state, num_classes_of
from core.networks.weights.folder import weights_in
from core.networks.weights.misfit import projected_as_plain
from core.networks.weights.reading import read_weights
from core.networks.zoo import build, outline
from core.spec import TeacherSpec
from core.spec.projected import split_projected
from core.spec.teacher import WeightsMap
from core.system.workspace import Workspace

WEIGHTS = "/teacher/weights"
# The bounds of training.image_size.
MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 8, 1024


@dataclass(frozen=True)
class Teacher:
    """A trained network in evaluation mode, and its class names by output (None if they are not known)."""

    network: Network
    classes: tuple[str, ...] | None
    warnings: tuple[JobWarning, ...] = ()
    """What a person should know of its weights file."""


def load_teacher(spec: TeacherSpec, workspace: Workspace, *, strict_head: bool = True) -> Teacher:
    """The network with its weights; raises TeacherLoadFailed, ArchitectureUnknown.

    The number of outputs is read from the weights. Class names come from the spec, else the file, else the library.
    With `strict_head` False a file without classifier loads too, and the classifier is random.
    """
    if spec.weights is None:
        teacher = _published(spec, workspace)
    else:
        teacher = _from_file(spec, spec.weights, workspace, strict_head)
    if spec.classes is not None:
        teacher = replace(teacher, classes=spec.classes)
    if teacher.classes is not None and len(teacher.classes) != teacher.network.num_classes:
        raise TeacherLoadFailed(
            f"{len(teacher.classes)} class names for {teacher.network.num_classes} outputs", pointer="/teacher/classes"
        )
    teacher.network.eval()
    return teacher


def _published(spec: TeacherSpec, workspace: Workspace) -> Teacher:
    if spec.sha256 is not None:
        raise TeacherLoadFailed(
            "sha256 is that of a weights file, and no weights are named",
            hint="name the file in teacher.weights, or leave sha256 out",
            pointer="/teacher/sha256",
        )
    if spec.architecture is None:
        raise TeacherLoadFailed("neither an architecture nor weights are named", pointer="/teacher")
    network = build(spec.architecture, pretrained=True, policy=workspace.policy, cache=workspace.cache)
    return Teacher(network, library_classes(spec.architecture))


def library_classes(architecture: str) -> tuple[str, ...] | None:
    """The class names of the library's published weights in the order of the outputs, or None."""
    prefix, _, name = architecture.partition("/")
    zoo = library(prefix)
    return zoo.classes(name) if zoo is not None else None


def _from_file(spec: TeacherSpec, weights: str, workspace: Workspace, strict_head: bool) -> Teacher:
    path = fetch_weights(weights, workspace, credentials=spec.credentials, sha256=spec.sha256)
    state, metadata = read_weights(path, policy=workspace.policy, pointer=WEIGHTS)
    told = metadata.get("architecture")
    architecture = spec.architecture or told
    if architecture is None:
        raise TeacherLoadFailed(
            f"{path.name} does not say its architecture",
            hint="name it in teacher.architecture; only files that Retort wrote may leave it out",
            pointer="/teacher/architecture",
        )
    if told is not None and told != architecture and split_projected(told)[1]:
        raise projected_as_plain(path.name, architecture, told, WEIGHTS)
    network = _built_for(architecture, state, metadata, spec.weights_map)
    warnings = load_state(
        network, state, source=path.name, pointer=WEIGHTS, weights_map=spec.weights_map, strict_head=strict_head
    )
    return Teacher(network, _classes_of(metadata, path), warnings)


def fetch_weights(
    uri: str,
    workspace: Workspace,
    *,
    credentials: str | None = None,
    sha256: str | None = None,
    pointer: str = WEIGHTS,
) -> Path:
    """A local copy of the weights file at the URI; raises TeacherLoadFailed."""
    try:
        path = fetch(uri, workspace, credentials=credentials, sha256=sha256, pointer=pointer)
    except DatasetUnreachable as error:
        raise TeacherLoadFailed(error.message, hint=error.hint, pointer=pointer) from error
    if path.is_dir():
        path = weights_in(path, uri, pointer)
    if sha256 is not None and (actual := _sha256(path)) != sha256:
        raise TeacherLoadFailed(f"{path.name} has sha256 {actual}, expected {sha256}", pointer="/teacher/sha256")
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _built_for(
    architecture: str, state: dict[str, Tensor], metadata: dict[str, str], weights_map: WeightsMap
) -> Network:
    """The architecture with the weights' number of outputs, at the image size in their metadata."""
    image_size = _image_size(metadata)
    num_classes = num_classes_of(outline(architecture, image_size=image_size), state, weights_map)
    network = build(architecture, num_classes, image_size=image_size)
    return _as_trained(network, metadata)


def _image_size(metadata: dict[str, str]) -> int | None:
    """The image size in the file's metadata, within the limits of a spec: a larger one could exhaust the memory."""
    told = metadata.get("image_size")
    if told is None:
        return None
    if not re.fullmatch(r"[0-9]{1,4}", told) or not MIN_IMAGE_SIZE <= int(told) <= MAX_IMAGE_SIZE:
        allowed = f"{MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE}"
        raise TeacherLoadFailed(
            f"the file's metadata has image_size {told[:20]!r}, allowed: {allowed}", pointer=WEIGHTS
        )
    return int(told)


def _as_trained(network: Network, metadata: dict[str, str]) -> Network:
    """The network with the normalization in the file's metadata, if there is one."""
    mean, std = _three_numbers(metadata, "mean"), _three_numbers(metadata, "std")
    return network.with_input(replace(network.input, mean=mean or network.input.mean, std=std or network.input.std))


def _three_numbers(metadata: dict[str, str], name: str) -> tuple[float, float, float] | None:
    if name not in metadata:
        return None
    try:
        values = tuple(float(x) for x in json.loads(metadata[name]))
    except (ValueError, TypeError) as error:
        raise TeacherLoadFailed("the file's metadata has no usable mean and std", pointer=WEIGHTS) from error
    if len(values) != 3:
        raise TeacherLoadFailed("the file's mean and std must be three numbers each", pointer=WEIGHTS)
    red, green, blue = values
    return red, green, blue


def _classes_of(metadata: dict[str, str], path: Path) -> tuple[str, ...] | None:
    if "classes" not in metadata:
        return None
    try:
        return tuple(str(name) for name in json.loads(metadata["classes"]))
    except (ValueError, TypeError) as error:
        raise TeacherLoadFailed(f"{path.name}: its metadata has no list of classes", pointer=WEIGHTS) from error
