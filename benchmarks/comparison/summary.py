"""What the runs say, over seeds: means with 95% intervals, and the rows of the tables."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.learning.summary import T_95


@dataclass(frozen=True)
class Group:
    """What came of one row of a table, over seeds. `condition`: what else tells it apart, such as images per class."""

    label: str
    condition: str
    outcomes: tuple[dict[str, Any], ...]
    facts: dict[str, Any] = field(default_factory=dict)
    """What is known of the row before it runs."""
    failure: str = ""
    """Why a seed of it is missing."""


def mean_and_half(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean, and half of its 95% interval by Student's t; None where there are too few values or too many for the
    table of quantiles."""
    count = len(values)
    half = T_95[count] * statistics.stdev(values) / count**0.5 if count in T_95 else None
    return statistics.fmean(values), half


def percent(values: Sequence[float]) -> str:
    """Fractions as the text `mean ± half`, in percent; `` where there is no value."""
    if not values:
        return ""
    mean, half = mean_and_half(values)
    return f"{100 * mean:.1f}" + (f" ± {100 * half:.1f}" if half is not None else "")


def values_of(group: Group, key: str) -> list[float]:
    """A figure of all seeds that have it."""
    return [outcome[key] for outcome in group.outcomes if outcome[key] is not None]


def mean_of(group: Group, key: str) -> float | None:
    """The mean of a figure over seeds."""
    values = values_of(group, key)
    return statistics.fmean(values) if values else None


def method_rows(groups: Sequence[Group], reference: str = "scratch") -> list[dict[str, Any]]:
    """The table of methods, best first; what failed comes last. `gain`: points of the mean above the reference's."""
    means = {group.label: mean_of(group, "test_top1") for group in groups}
    base = means.get(reference)
    rows = []
    for group in sorted(groups, key=lambda group: -(means[group.label] or -1.0)):
        row: dict[str, Any] = {"method": group.label, **group.facts}
        if group.outcomes:
            gain = f"{100 * (means[group.label] - base):+.1f}" if base is not None else None
            row.update(
                seeds=len(group.outcomes), accuracy=percent(values_of(group, "test_top1")), gain=gain, **_costs(group)
            )
        if group.failure:
            row["notes"] = "; ".join(filter(None, [row.get("notes"), f"failed: {group.failure}"]))
        rows.append(row)
    return rows


def _costs(group: Group) -> dict[str, Any]:
    first = group.outcomes[0]
    peak = mean_of(group, "peak_memory")
    return {
        "seconds": mean_of(group, "training_seconds"),
        "steps": first["steps"],
        "params": f"{first['num_params']:,}",
        "extra_params": f"{first['extra_params']:,}",
        "extra_buffers": first["extra_buffer_bytes"] / 1e3,
        "peak": peak / 1e6 if peak is not None else None,
        "teacher_pass": first["teacher_pass"] if first["asks"].startswith(("soft", "features")) else None,
    }


def few_shot_rows(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """A row for each method with a column for each number of images per class."""
    rows: dict[str, dict[str, Any]] = {}
    for group in groups:
        row = rows.setdefault(group.label, {"method": group.label})
        row[group.condition] = percent(values_of(group, "test_top1")) or f"failed: {group.failure}"
        row["seeds"] = max(len(group.outcomes), row.get("seeds", 0))
    return list(rows.values())


def domain_rows(groups: Sequence[Group], targets: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each way with a column for each target domain; `mean`: over the targets, seed by seed."""
    by_label: dict[str, list[Group]] = {}
    for group in groups:
        by_label.setdefault(group.label, []).append(group)
    rows = []
    for label, its_groups in by_label.items():
        scores = {target: [] for target in targets}
        for group in its_groups:
            for outcome in group.outcomes:
                for target, top1 in outcome["tests"].items():
                    scores[target].append(top1)
        row: dict[str, Any] = {"way": label, **{target: percent(values) for target, values in scores.items()}}
        failures = [f"failed: {group.failure}" for group in its_groups if group.failure]
        if not failures:
            row["mean"] = percent([statistics.fmean(each) for each in zip(*scores.values(), strict=True)])
        seconds = [mean_of(group, "training_seconds") for group in its_groups if group.outcomes]
        row["seconds"] = statistics.fmean(seconds) if seconds else None
        row["seeds"] = max(len(group.outcomes) for group in its_groups)
        row["notes"] = "; ".join(failures)
        rows.append(row)
    return rows
