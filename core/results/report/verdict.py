"""Whether distillation helped: the student against the best baseline of its size, as far as the test can show it."""

from dataclasses import dataclass
from typing import Any, Literal

from core.results.report.outcome import Outcome
from core.results.report.rows import Row, rows
from core.results.report.words import interval, percent, points

Tone = Literal["good", "bad", "open", "plain"]
# How each baseline is called in a sentence.
NAMES = {
    "scratch": "training from scratch",
    "finetune": "fine-tuning the given weights",
    "finetune_student": "fine-tuning the student's initial weights",
}
# These have the student's architecture, whatever a method adds to the student when it is deployed.
SAME_ARCHITECTURE = ("scratch", "finetune_student")


@dataclass(frozen=True)
class Verdict:
    """`tone`: the student is better (good), worse (bad), untold (open), or nothing was compared (plain)."""

    tone: Tone
    headline: str
    detail: str


def verdict(outcome: Outcome) -> Verdict:
    """Is the student better than the same network trained without the teacher, on the same images for the same steps?

    It is compared with the baseline of its architecture that has the best test top-1; a fine-tuned teacher is larger
    and does not count. The student is better if McNemar's test tells the two apart on the test images
    (core.statistics.paired) and, with several seeds, every training of the student beats every training of the
    baseline.
    """
    if outcome.spec.get("method", {}).get("name") == "scratch":
        return Verdict("plain", "Trained from labels alone.", "No teacher took part, so there is no gain to judge.")
    student, *others = (row for row in rows(outcome) if row.role != "teacher")
    rivals = [row for row in others if _is_same_size(row, student) and row.top1 is not None]
    if not rivals:
        detail = 'Name "scratch" in evaluation.baselines to have the same network trained without the teacher.'
        return Verdict("open", "No baseline of the student's size was trained, so the gain is unknown.", detail)
    best = max(rivals, key=lambda row: row.top1 or 0.0)
    return _compare(student, best, NAMES.get(best.key, best.key))


def _is_same_size(row: Row, student: Row) -> bool:
    return row.key in SAME_ARCHITECTURE or row.architecture == student.architecture


def _compare(student: Row, rival: Row, name: str) -> Verdict:
    counts = rival.facts.get("against_student")
    if counts is None:
        return Verdict("open", _inconclusive(name), "The student has no test images.")
    detail = _numbers(student, rival, counts)
    if not counts["is_significant"]:
        return Verdict("open", _inconclusive(name), f"{detail} So small a difference may be chance.")
    better = counts["student_gain"] > 0
    winner, loser = (student, rival) if better else (rival, student)
    if min(_trainings(winner)) <= max(_trainings(loser)):
        detail = f"{detail} The test images tell the two apart, but the trainings from other seeds do not."
        return Verdict("open", _inconclusive(name), detail)
    if better:
        return Verdict("good", f"The student beats {name}.", detail)
    return Verdict("bad", f"The student is worse than {name}.", detail)


def _trainings(row: Row) -> tuple[float, ...]:
    """The test top-1 of every seed, or the one."""
    return tuple(seed["test_top1"] for seed in row.seeds) or (row.top1 or 0.0,)


def _inconclusive(name: str) -> str:
    return f"Inconclusive against {name}."


def _numbers(student: Row, rival: Row, counts: dict[str, Any]) -> str:
    low, high = counts["interval"]
    text = (
        f"{percent(student.top1)} against {percent(rival.top1)} on {(student.test or {})['num_images']:,} test images: "
        f"only the student is right on {counts['student_only']:,}, only the baseline on {counts['baseline_only']:,}. "
        f"Difference {points(counts['student_gain'])} points (95% interval {points(low)} to {points(high)})."
    )
    ours, theirs = _trainings(student), _trainings(rival)
    if min(len(ours), len(theirs)) == 1:
        return text
    spans = (interval([min(top1), max(top1)]) for top1 in (ours, theirs))
    return f"{text} Over {min(len(ours), len(theirs))} seeds: {' against '.join(spans)}."
