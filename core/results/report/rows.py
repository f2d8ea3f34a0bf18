"""The networks of a job side by side: teacher, student, baselines."""

from dataclasses import dataclass
from typing import Any, Literal

from core.results.report.outcome import Outcome

TITLES = {"scratch": "Scratch", "finetune": "Fine-tuned", "finetune_student": "Fine-tuned student"}


@dataclass(frozen=True)
class Row:
    """One network of the comparison. `key` is its role, or the name of the baseline."""

    role: Literal["teacher", "student", "baseline"]
    key: str
    title: str
    facts: dict[str, Any]

    @property
    def architecture(self) -> str:
        """Its name in the zoo; "" where nobody wrote it down."""
        return self.facts.get("architecture", "")

    @property
    def test(self) -> dict[str, Any] | None:
        """Its measures on the test split, where its classes allow that."""
        return self.facts.get("test")

    @property
    def target(self) -> dict[str, Any] | None:
        """Its measures on the second domain's test split, where the job named one."""
        return self.facts.get("target")

    @property
    def top1(self) -> float | None:
        """Share of the test images that it classifies correctly."""
        return self.test["top1"] if self.test else None

    @property
    def interval(self) -> list[float] | None:
        """95% interval of `top1`."""
        return self.test["top1_interval"] if self.test else None

    @property
    def latency_ms(self) -> float | None:
        """Median milliseconds of one image on one thread."""
        return (self.facts.get("latency") or {}).get("p50_ms")

    @property
    def speedup(self) -> dict[str, float] | None:
        """How many times as fast as the teacher it is (core.evaluation.latency.speedup), where that can be told."""
        return (self.facts.get("latency") or {}).get("speedup")

    @property
    def seeds(self) -> list[dict[str, Any]]:
        """Test top-1 of every training, where there were several."""
        seeds = self.facts.get("seeds") or []
        return seeds if len(seeds) > 1 else []


def rows(outcome: Outcome) -> list[Row]:
    """Teacher first (where there is one), then the student, then the baselines in the order of the job."""
    student = Row("student", "student", "Student", {**outcome.student.model_dump(), **outcome.metrics})
    teacher = [Row("teacher", "teacher", "Teacher", outcome.teacher)] if outcome.teacher else []
    baselines = [Row("baseline", name, TITLES.get(name, name), facts) for name, facts in outcome.baselines.items()]
    return [*teacher, student, *baselines]
