"""Rules for published weights: the operator's shelf first, then the library's own address, as the policy allows."""

from dataclasses import dataclass, field
from pathlib import Path

from core.errors import TeacherLoadFailed
from core.networks.weights.shelf import shelf_of
from core.policy import Policy


@dataclass(frozen=True)
class Published:
    """The operator's policy on published weights, and the folder for downloads.

    Without a folder, the library uses its own.
    """

    policy: Policy = field(default_factory=Policy)
    cache: Path | None = None

    def folder(self, library: str) -> str | None:
        """The folder for the downloads of one library."""
        return None if self.cache is None else str(self.cache / "published" / library)

    def shelved(self, architecture: str) -> Path | None:
        """The safetensors file of an architecture on the operator's shelf, checked; None where it has none.

        Raises TeacherLoadFailed for a damaged file or record, or a shelf that cannot be read.
        """
        shelf = shelf_of(self.policy, self.cache)
        entry = shelf.entry(architecture) if shelf is not None else None
        return shelf.file(entry) if shelf is not None and entry is not None else None


def unavailable(architecture: str, source: str, why: str) -> TeacherLoadFailed:
    """The error for published weights that could not be downloaded."""
    return TeacherLoadFailed(
        f"the published weights of {architecture} could not be downloaded from {source}: {why}",
        hint="check the network of the machine that runs the engine, or have the operator add the file: "
        f"retort weights add {architecture} FILE",
        pointer="/teacher/architecture",
    )


def unpublished(architecture: str) -> TeacherLoadFailed:
    """The error for an architecture whose weights no library publishes, where the shelf has none either."""
    return TeacherLoadFailed(
        f"{architecture} has no published weights",
        hint="name a weights file, as in {'architecture': ..., 'weights': 'file:///...'}, or have the operator add "
        f"one: retort weights add {architecture} FILE",
        pointer="/teacher/weights",
    )


def refused_pickle(architecture: str) -> TeacherLoadFailed:
    """The error for published weights that exist as a pickled state dict only, where the operator forbids those."""
    return TeacherLoadFailed(
        f"the published weights of {architecture} are a pickled state dict, and this server reads none",
        hint="give the weights as a safetensors file",
        pointer="/teacher/architecture",
    )
