"""All results of a finished job in one frozen value, from which the report's files are made."""

from dataclasses import dataclass, field
from typing import Any

from core.events import DatasetFacts, JobWarning, NetworkFacts, Result

Series = list[list[Any]]
"""Points [step, value]; a value that was not finite is None."""


@dataclass(frozen=True)
class Outcome:
    """A finished job. All values are JSON.

    `metrics`, each of `baselines` and `teacher` hold: `validation`, `test` and, where the job names a second domain,
    `target` (core.evaluation.metrics.measure; None where the network cannot be measured on the customer's classes),
    `architecture`, `num_params`, `macs`, `bytes`, and where they were measured `latency` (core.evaluation.latency),
    `seconds`, `steps`, `images_per_second`, `seeds` [{"seed", "test_top1"}] and `parity` (core.results.parity).
    `metrics` also has `deadline`, None without one: {"seconds", "used_seconds" (when the report was written),
    "planned_steps", "steps"}.
    A baseline has `against_student` {"student_only", "baseline_only", "student_gain", "interval", "is_significant"}:
    on how many test images only one of the two is right, the student's top-1 minus the baseline's with its 95%
    interval, and whether they are told apart (core.statistics.paired). `teacher` has `covers_classes` besides,
    and `adapted` (none, head or full): how the job trained it for its own classes.
    """

    spec: dict[str, Any]
    """The spec as resolved."""
    dataset: DatasetFacts
    student: NetworkFacts
    teacher: dict[str, Any] | None
    metrics: dict[str, Any]
    baselines: dict[str, dict[str, Any]]
    curves: dict[str, Series]
    """Metric name -> points, as the metric events told them."""
    classes: tuple[str, ...]
    preprocessing: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)
    """Library -> version."""
    warnings: tuple[JobWarning, ...] = ()
    """What was reported as WarningIssued while the job ran, in that order."""

    beginning: str = ""
    """The student's initial weights and why these, in words that follow "began with"; empty: the spec says it all."""

    @property
    def has_given_weights(self) -> bool:
        """Whether weights took part that this job did not train: what their training saw is not known here."""
        return self.teacher is not None or self.spec["student"].get("weights") not in (None, "auto")

    def result(self) -> Result:
        """The job's last event, and the content of metrics.json."""
        return Result(student=self.student, metrics=self.metrics, baselines=self.baselines, teacher=self.teacher)
