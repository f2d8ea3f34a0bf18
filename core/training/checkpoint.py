"""Checkpoint files: written atomically, under a new name each time, and read back without unpickling anything but
tensors.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core.events import Checkpoint
from core.files.atomic import atomic_path

FOLDER = "checkpoints"
_NAME = re.compile(r"checkpoint-(\d{12})\.pt")


@dataclass(frozen=True)
class CheckpointFolder:
    """The checkpoints of one out folder; only the newest is used."""

    out: Path

    def save(self, state: dict[str, Any], step: int) -> Checkpoint:
        """Write `state` (tensors, numbers, strings, lists, dicts), flush it to disk, then remove the earlier file.

        `step` counts over all runs of the job and must rise from save to save.
        """
        folder = self.out / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / f"checkpoint-{step:012d}.pt"
        with atomic_path(place) as temporary:
            torch.save(state, temporary)
        digest, size = _digest(place)
        for other in folder.iterdir():
            if other != place:
                other.unlink(missing_ok=True)
        return Checkpoint(path=str(place.relative_to(self.out)), step=step, size_bytes=size, sha256=digest)

    def load(self) -> dict[str, Any] | None:
        """The newest complete checkpoint, or None if there is none."""
        files = sorted(file for file in (self.out / FOLDER).glob("*.pt") if _NAME.fullmatch(file.name))
        if not files:
            return None
        state: dict[str, Any] = torch.load(files[-1], map_location="cpu", weights_only=True)
        return state


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return digest, path.stat().st_size
