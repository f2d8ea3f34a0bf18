"""Where a library's published weights may come from and go to."""

from dataclasses import dataclass, field
from pathlib import Path

from core.errors import TeacherLoadFailed
from core.policy import Policy


@dataclass(frozen=True)
class Published:
    """What a zoo must know to get published weights: the operator's policy, and the folder for downloads.

    Without a folder the library keeps them in its own.
    """

    policy: Policy = field(default_factory=Policy)
    cache: Path | None = None

    def folder(self, library: str) -> str | None:
        """Where this library's downloads go."""
        return None if self.cache is None else str(self.cache / "published" / library)


def unavailable(architecture: str, source: str, why: str) -> TeacherLoadFailed:
    """The error for published weights that could not be had."""
    return TeacherLoadFailed(
        f"the published weights of {architecture} could not be had from {source}: {why}",
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
