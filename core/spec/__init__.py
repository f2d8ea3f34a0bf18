"""The vocabulary of a job, torch-free. `parse_job` is the door: it names every wrong value and its near misses."""

from core.spec.job import (
    FORMATS,
    SIZES,
    Budget,
    DatasetSpec,
    EvaluationSpec,
    JobSpec,
    StudentSpec,
    TeacherSpec,
)
from core.spec.methods import KNOBS, TEACHERLESS, FinetuneKnobs, KdKnobs, MethodKnobs, ScratchKnobs, SkdKnobs
from core.spec.parse import parse_job
from core.spec.training import EarlyStopping, TrainingSpec

__all__ = [
    "FORMATS",
    "KNOBS",
    "SIZES",
    "TEACHERLESS",
    "Budget",
    "DatasetSpec",
    "EarlyStopping",
    "EvaluationSpec",
    "FinetuneKnobs",
    "JobSpec",
    "KdKnobs",
    "MethodKnobs",
    "ScratchKnobs",
    "SkdKnobs",
    "StudentSpec",
    "TeacherSpec",
    "TrainingSpec",
    "parse_job",
]
