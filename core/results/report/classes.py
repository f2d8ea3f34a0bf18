"""The student's accuracy for each class beside the teacher's (or the scratch baseline's), largest loss first."""

from dataclasses import dataclass
from typing import Any

from core.results.report.outcome import Outcome


@dataclass(frozen=True)
class ClassRow:
    """Accuracy of one class; `reference` and `delta` (student - reference) are None where nothing can be compared."""

    name: str
    accuracy: float | None
    interval: list[float]
    num_images: int
    reference: float | None
    delta: float | None


@dataclass(frozen=True)
class ClassTable:
    """All classes, and the network that they are compared with ("" for none)."""

    reference: str
    rows: list[ClassRow]


def class_table(outcome: Outcome) -> ClassTable:
    """The classes sorted by what the student loses against its reference; without one by accuracy."""
    title, reference = _reference(outcome)
    ours = (outcome.metrics.get("test") or {}).get("per_class", {})
    table = [_row(name, facts, reference.get(name)) for name, facts in ours.items()]
    return ClassTable(title, sorted(table, key=_badness))


def _badness(row: ClassRow) -> tuple[float, float]:
    accuracy = 2.0 if row.accuracy is None else row.accuracy
    return (2.0 if row.delta is None else row.delta, accuracy)


def _reference(outcome: Outcome) -> tuple[str, dict[str, Any]]:
    for title, network in (("teacher", outcome.teacher), ("scratch", outcome.baselines.get("scratch"))):
        if network and network.get("test"):
            return title, network["test"]["per_class"]
    return "", {}


def _row(name: str, facts: dict[str, Any], other: dict[str, Any] | None) -> ClassRow:
    reference = other["accuracy"] if other else None
    known = facts["accuracy"] is not None and reference is not None
    delta = facts["accuracy"] - reference if known else None
    return ClassRow(name, facts["accuracy"], facts["interval"], facts["num_images"], reference, delta)
