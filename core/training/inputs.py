"""The inputs of a job's trainings: the runs, the teachers, the device, the folders."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from core.data.dataset import Dataset, Source, Split
from core.data.image_file import Images
from core.job import PreparedRun
from core.networks.at_hand import PublishedWeights
from core.system.device import MOST_AT_ONCE, Arithmetic
from core.system.workspace import Workspace
from core.teachers.teacher_set import TeacherSet


@dataclass(frozen=True)
class PreparedJob:
    """A job that is ready to train; complete when it is made."""

    runs: tuple[PreparedRun, ...]
    """The student first, then the baselines; then the same with the next seed."""
    teachers: TeacherSet
    arithmetic: Arithmetic
    workspace: Workspace
    target: Source | None = None
    """Images of the second domain."""
    adaptation: PreparedRun | None = None
    """The training of the first teacher for the job's classes; None where it is not fine-tuned."""
    published: Mapping[str, PublishedWeights] = field(default_factory=dict)
    """What was found of published weights where the job leaves the student's weights open, by architecture."""

    @property
    def student(self) -> PreparedRun:
        """The run that the job is about."""
        return self.runs[0]

    @property
    def trainings(self) -> tuple[PreparedRun, ...]:
        """All runs in the order in which they are trained, that of the teacher first."""
        return self.runs if self.adaptation is None else (self.adaptation, *self.runs)

    def target_dataset(self, run: PreparedRun) -> Dataset | None:
        """The second domain at the image size of `run`; None where the job names none."""
        return self.target.decode(run.training.image_size) if self.target is not None else None

    def teacher_logits(self, run: PreparedRun, split: Split) -> Tensor | None:
        """(N, K) float32 on the CPU: the first teacher's logits for a split of `run` over the customer's classes; None
        where the teacher does not cover them.
        """
        return self.teachers.split_logits(split, run.augmenter)


def on_device_if_it_fits(split: Split, device: torch.device) -> Split:
    """The split with its images on a GPU where they take less than a quarter of its free memory; else as it is."""
    images: Images = split.images
    if device.type != "cuda" or images.nbytes * 4 > torch.cuda.mem_get_info(device)[0]:
        return split
    moved = torch.empty(images.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(images), MOST_AT_ONCE):
        moved[start : start + MOST_AT_ONCE] = images[start : start + MOST_AT_ONCE].to(device)
    return replace(split, images=moved)
