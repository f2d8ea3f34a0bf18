"""Adds a weights file to the operator's shelf: read as untrusted, fitted to its architecture, kept as safetensors."""

import hashlib
from pathlib import Path

from core.errors import ArchitectureUnknown, TeacherLoadFailed, unknown
from core.events import JobWarning
from core.networks import timm_zoo, zoo
from core.networks.network import Network
from core.networks.serialized import to_safetensors
from core.networks.teacher import library_classes
from core.networks.weights.fit import load_state, num_classes_of
from core.networks.weights.folder import weights_in
from core.networks.weights.reading import read_weights
from core.networks.weights.shelf import Entry, Shelf, now, sha256_of
from core.policy import Policy
from core.spec.teacher import WeightsMap
from core.spec.two_heads import split_two_heads


def shelve(
    shelf: Shelf, architecture: str, path: Path, *, policy: Policy, weights_map: WeightsMap = "by_name"
) -> tuple[Entry, tuple[JobWarning, ...]]:
    """Put the weights in the file (or the folder that holds one) on the shelf, where every job finds them by the
    architecture's name; returns what was added and what a person should know of the file.

    The shelf stays as it was if the file is not a whole network of this architecture with its published number of
    outputs. Raises ArchitectureUnknown, TeacherLoadFailed.
    """
    architecture = canonical(architecture)
    if not path.exists():
        raise TeacherLoadFailed(f"there is no file {path}")
    path = weights_in(path, str(path), "") if path.is_dir() else path
    network = zoo.build(architecture)
    state, _ = read_weights(path, policy=policy, pointer="")
    _check_outputs(network, num_classes_of(network, state, weights_map), path)
    warnings = load_state(network, state, source=path.name, pointer="", weights_map=weights_map)
    content = to_safetensors(network, library_classes(architecture) or ())
    entry = Entry(
        architecture=architecture,
        names=_names(architecture),
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        num_params=sum(parameter.numel() for parameter in network.module.parameters()),
        num_classes=network.num_classes,
        source=path.name,
        source_sha256=sha256_of(path),
        added_at=now(),
    )
    shelf.add(entry, content)
    return entry, warnings


def canonical(architecture: str) -> str:
    """The name by which the shelf knows an architecture; raises ArchitectureUnknown, with similar names."""
    is_derived = split_two_heads(architecture)[1] or "+" in architecture
    if is_derived or not zoo.is_known(architecture):
        raise ArchitectureUnknown(unknown("architecture", architecture, zoo.architectures()))
    return zoo.canonical(architecture)


def _names(architecture: str) -> tuple[str, ...]:
    """The architecture, and its name with the tag of timm's default weights."""
    prefix, _, name = architecture.partition("/")
    tagged = [one for one in timm_zoo.pretrained_names() if timm_zoo.canonical(one) == name] if prefix == "timm" else []
    return tuple(dict.fromkeys([architecture, *(f"timm/{one}" for one in tagged)]))


def _check_outputs(network: Network, num_classes: int | None, path: Path) -> None:
    if num_classes in (None, network.num_classes):
        return
    uri = path.resolve().as_uri()
    raise TeacherLoadFailed(
        f"{path.name} has {num_classes} outputs, and {network.architecture} is published with {network.num_classes}; "
        "the shelf holds published weights only",
        hint=f"a job can name this file itself: {{'architecture': '{network.architecture}', 'weights': '{uri}'}}",
    )
