"""Rules for published weights of the libraries: the operator's policy and the download folder."""

from dataclasses import dataclass, field
from pathlib import Path

from core.errors import TeacherLoadFailed
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


def unavailable(architecture: str, source: str, why: str) -> TeacherLoadFailed:
    """The error for published weights that could not be downloaded."""
    return TeacherLoadFailed(
        f"the published weights of {architecture} could not be downloaded from {source}: {why}",
        hint="check the network of the machine that runs the engine, or give the weights as a file",
        pointer="/teacher/architecture",
    )


def refused_pickle(architecture: str) -> TeacherLoadFailed:
    """The error for published weights that exist as a pickled state dict only, where the operator forbids those."""
    return TeacherLoadFailed(
        f"the published weights of {architecture} are a pickled state dict, and this server reads none",
        hint="give the weights as a safetensors file",
        pointer="/teacher/architecture",
    )
