"""The folders and limits of one engine process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.files.result_cache import ResultCache
from core.policy import Policy
from core.system.distributed import ALONE, Ranks

ADAPTED_TEACHERS = "adapted-teachers"
MAX_ADAPTED_BYTES = 4 << 30


@dataclass(frozen=True)
class Workspace:
    """Where an engine process reads and writes, what its operator allows, and which process of its training it is."""

    out: Path
    """For checkpoints and artifacts."""
    cache: Path
    """For downloads, decoded images, stored teacher passes and kept results; shared by later jobs."""
    inputs: Path | None
    """A folder for each input that a job: or dataset: URI names; None where a job may name none."""
    policy: Policy
    ranks: Ranks = ALONE
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The values of the secrets that the spec names, by name."""

    @property
    def result_cache(self) -> ResultCache:
        """Results that earlier jobs kept in `cache`."""
        return ResultCache(self.cache)

    @property
    def adapted_teachers(self) -> ResultCache:
        """Teachers that earlier jobs fine-tuned; in a folder of their own, because they are large."""
        return ResultCache(self.cache / ADAPTED_TEACHERS, MAX_ADAPTED_BYTES)
