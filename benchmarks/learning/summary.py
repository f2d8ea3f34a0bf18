"""What the trainings say: accuracy after equal steps, and the time to what the textbook loop reached."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.learning.runs import Outcome

REFERENCE = "textbook"
# Two-sided 95% quantiles of Student's t, by number of seeds.
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}


@dataclass(frozen=True)
class Group:
    """The outcomes of one variant after one number of steps, over seeds."""

    label: str
    steps: int
    outcomes: tuple[Outcome, ...]

    @property
    def is_textbook(self) -> bool:
        """Whether it is not the engine's."""
        return self.outcomes[0].run.variant == "textbook"

    @property
    def accuracy(self) -> float:
        """Mean test top-1."""
        return statistics.fmean(outcome.accuracy for outcome in self.outcomes)

    @property
    def half_interval(self) -> float | None:
        """Half of the 95% interval of the mean; None where there are too few seeds, or too many for the table."""
        count = len(self.outcomes)
        if count not in T_95:
            return None
        return T_95[count] * statistics.stdev(outcome.accuracy for outcome in self.outcomes) / count**0.5

    @property
    def seconds(self) -> float:
        """Mean seconds of training."""
        return statistics.fmean(outcome.seconds for outcome in self.outcomes)

    @property
    def all_seconds(self) -> float:
        """Mean seconds from the start of the process to the last step."""
        return statistics.fmean(outcome.before_seconds + outcome.seconds for outcome in self.outcomes)

    @property
    def loaded_seconds(self) -> float:
        """The same from when the code was loaded."""
        return self.all_seconds - statistics.fmean(outcome.loading_seconds for outcome in self.outcomes)

    def to_json(self) -> dict[str, Any]:
        """A row."""
        return {
            "variant": self.label,
            "steps": self.steps,
            "accuracies": [outcome.accuracy for outcome in self.outcomes],
            "mean_accuracy": self.accuracy,
            "half_interval": self.half_interval,
            "training_seconds": self.seconds,
            "all_seconds": self.all_seconds,
            "loaded_seconds": self.loaded_seconds,
        }


def interval(values: Sequence[float], sign: str = "") -> str:
    """For people: the mean of one value a seed, with half of its 95% interval where there are seeds enough; `sign` as
    in a format."""
    mean = f"{statistics.fmean(values):{sign}.1f}"
    if len(values) not in T_95:
        return mean
    return f"{mean} ± {T_95[len(values)] * statistics.stdev(values) / len(values) ** 0.5:.1f}"


def groups_of(outcomes: Sequence[Outcome]) -> list[Group]:
    """Outcomes by variant and steps, in the order in which they first come."""
    found: dict[tuple[str, int], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        found[outcome.run.label, outcome.run.steps].append(outcome)
    return [Group(label, steps, tuple(its)) for (label, steps), its in found.items()]


def equal_steps(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """A row for each group that took as many steps as the textbook loop.

    `difference`: of the mean accuracy to the textbook loop's; `within_interval`: whether it lies no further below than
    the textbook loop's own interval over seeds reaches (None without one).
    """
    reference = _reference(groups)
    rows = []
    for group in groups:
        if group.steps == reference.steps:
            difference = group.accuracy - reference.accuracy
            half = reference.half_interval
            within = difference >= -half if half is not None else None
            rows.append({**group.to_json(), "difference": difference, "within_interval": within})
    return rows


def time_to_textbook(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """For each of the engine's variants, the quickest group whose mean accuracy is that of the textbook loop with its
    best recipe, or better.

    `times_faster`: that loop's training alone over the engine's whole process, start and filling included;
    `times_faster_loaded`: over the same without its imports. A variant that never got there has its most accurate
    group, and None.
    """
    reference = best_textbook(groups)
    by_label: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        if not group.is_textbook:
            by_label[group.label].append(group)
    rows = []
    for its_groups in by_label.values():
        there = [group for group in its_groups if group.accuracy >= reference.accuracy]
        best = min(there, key=lambda group: group.all_seconds) if there else max(its_groups, key=lambda g: g.accuracy)
        faster = {
            "times_faster": reference.seconds / best.all_seconds if there else None,
            "times_faster_loaded": reference.seconds / best.loaded_seconds if there else None,
        }
        rows.append({**best.to_json(), **faster})
    return rows


def best_textbook(groups: Sequence[Group]) -> Group:
    """The textbook loop with the recipe that it learns most with."""
    return max((group for group in groups if group.is_textbook), key=lambda group: group.accuracy)


def _reference(groups: Sequence[Group]) -> Group:
    """The textbook loop with the recipe that the equal trainings have."""
    return next(group for group in groups if group.label == REFERENCE)
