"""The vocabulary of a job, torch-free. `parse_job` is the door: it names every wrong value and its near misses."""

from core.spec.change import JobChange, parse_change
from core.spec.dataset import FORMATS, SPLIT_TARGETS, DatasetSpec, SplitTarget
from core.spec.fit import methods_of, name_of, needs_of
from core.spec.job import SIZES, Budget, EvaluationSpec, JobSpec, StudentSpec
from core.spec.knobs import Knobs
from core.spec.methods import KNOBS, TEACHERLESS, CombinedKnobs, MethodKnobs
from core.spec.parse import parse_job
from core.spec.resolved import ResolvedJob, ResolvedStudent, ResolvedTraining
from core.spec.teacher import TeacherSpec
from core.spec.training import EarlyStopping, TrainingSpec

__all__ = [
    "FORMATS",
    "KNOBS",
    "SIZES",
    "SPLIT_TARGETS",
    "TEACHERLESS",
    "Budget",
    "CombinedKnobs",
    "DatasetSpec",
    "EarlyStopping",
    "EvaluationSpec",
    "JobChange",
    "JobSpec",
    "Knobs",
    "MethodKnobs",
    "ResolvedJob",
    "ResolvedStudent",
    "ResolvedTraining",
    "SplitTarget",
    "StudentSpec",
    "TeacherSpec",
    "TrainingSpec",
    "methods_of",
    "name_of",
    "needs_of",
    "parse_change",
    "parse_job",
]
