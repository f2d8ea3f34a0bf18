"""The trainings (runs) of a job: as the job asks for them, and resolved, with their data."""

from dataclasses import dataclass

from core.data.augment import Augmenter
from core.data.dataset import Dataset
from core.events import JobWarning
from core.methods.method import Method
from core.spec import JobSpec
from core.spec.resolved import ResolvedJob, ResolvedTraining

TEACHER = "teacher"
"""The name of the run that fine-tunes the first teacher for the job's classes."""


@dataclass(frozen=True)
class Run:
    """One training as the job asks for it: `spec` still may hold `auto`. `seed_offset` counts the repetitions."""

    name: str
    spec: JobSpec
    seed_offset: int = 0

    @property
    def seed(self) -> int:
        """The seed of this training's weights, order of images, and augmentation."""
        return self.spec.training.seed + self.seed_offset

    @property
    def metric_prefix(self) -> str:
        """The prefix of its metrics' names: empty for the student."""
        return "" if self.name == "student" else f"{self.name}/"

    @property
    def repeats(self) -> str:
        """The name of the run that this one repeats with another seed; its own name for the first."""
        return self.name.partition("@")[0]


@dataclass(frozen=True)
class Length:
    """How long a training with a deadline is planned to be."""

    steps: int
    epochs: int
    views: int
    """Of a stored teacher pass; 0: the job decides, or the teacher runs live."""
    step_seconds: float
    most_steps: int | None
    """A limit that the job sets."""
    seconds: float
    """For the training."""
    reserve_seconds: float
    """For all that follows the training."""
    publish_seconds: float
    """Of these, for what follows the evaluation."""
    adapts_teacher: bool
    """Whether the teacher has a classifier for the job's classes."""
    fits_classifier: bool
    """Whether the classifier is fitted before the training, so that even no step at all gives a useful network."""


@dataclass(frozen=True)
class PreparedRun:
    """One training, resolved, with the images at the size that its network takes."""

    run: Run
    spec: ResolvedJob
    dataset: Dataset
    reason: str
    """Why this architecture was chosen."""
    beginning: str
    """The student's initial weights and why these, in words that follow "begins with"."""
    warning: JobWarning | None
    """Published weights that could not be used."""
    steps: int
    """Optimizer steps, unless the training stops early."""
    length: Length | None = None
    """Where the job's deadline decides it."""
    method: Method | None = None
    """The method with the student's initial weights, on the device; None: it is built when its training begins."""

    @property
    def training(self) -> ResolvedTraining:
        """The training settings, without any `auto`."""
        return self.spec.training

    @property
    def augmenter(self) -> Augmenter:
        """The augmentation of this run's images."""
        return Augmenter(self.training.augmentation, self.training.image_size)
