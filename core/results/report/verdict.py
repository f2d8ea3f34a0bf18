"""What the comparison with the scratch baseline says, in one sentence, no more than the numbers allow."""

from dataclasses import dataclass
from typing import Literal

from core.results.report.outcome import Outcome
from core.results.report.rows import Row, rows
from core.results.report.words import interval, percent

Tone = Literal["good", "bad", "open", "plain"]
OPEN = "Inconclusive against training from scratch."


@dataclass(frozen=True)
class Verdict:
    """`tone`: the student is better (good), worse (bad), untold (open), or nothing was compared (plain)."""

    tone: Tone
    headline: str
    detail: str


def verdict(outcome: Outcome) -> Verdict:
    """Does the student beat the same network trained from scratch, on the same test images and steps?

    It does where the two 95% intervals of test top-1 do not overlap and, with several seeds, every training of the one
    beats every training of the other. A strict rule: small gains stay open.
    """
    if outcome.spec.get("method", {}).get("name") == "scratch":
        return Verdict("plain", "Trained from labels alone.", "No teacher took part, so there is no gain to judge.")
    table = {row.key: row for row in rows(outcome)}
    student, scratch = _arm(table["student"]), _arm(table.get("scratch"))
    if scratch is None:
        detail = 'Name "scratch" in evaluation.baselines to have the same network trained without the teacher.'
        return Verdict("open", "No scratch baseline was trained, so the gain is unknown.", detail)
    if student is None:
        return Verdict("open", OPEN, "The student has no test images.")
    return _compare(student, scratch)


@dataclass(frozen=True)
class _Arm:
    """One side of the comparison; `trainings` has the top-1 of every seed, or the one."""

    top1: float
    low: float
    high: float
    num_images: int
    trainings: tuple[float, ...]

    def __str__(self) -> str:
        return f"{percent(self.top1)} ({interval([self.low, self.high])})"


def _arm(row: Row | None) -> _Arm | None:
    if row is None or row.test is None or row.top1 is None:
        return None
    low, high = row.test["top1_interval"]
    trainings = tuple(seed["test_top1"] for seed in row.seeds) or (row.top1,)
    return _Arm(row.top1, low, high, row.test["num_images"], trainings)


def _compare(student: _Arm, scratch: _Arm) -> Verdict:
    detail = _numbers(student, scratch)
    if student.low <= scratch.high and scratch.low <= student.high:
        return Verdict("open", OPEN, f"{detail} The intervals overlap.")
    winner, loser = (student, scratch) if student.top1 > scratch.top1 else (scratch, student)
    if min(winner.trainings) <= max(loser.trainings):
        return Verdict("open", OPEN, f"{detail} The intervals do not overlap, but the trainings from other seeds do.")
    detail = f"{detail} The intervals do not overlap."
    if winner is student:
        return Verdict("good", "The student beats training from scratch.", detail)
    return Verdict("bad", "The student is worse than training from scratch.", detail)


def _numbers(student: _Arm, scratch: _Arm) -> str:
    text = f"{student} against {scratch} on {student.num_images:,} test images."
    num_seeds = min(len(student.trainings), len(scratch.trainings))
    if num_seeds == 1:
        return text
    ours, theirs = (interval([min(arm.trainings), max(arm.trainings)]) for arm in (student, scratch))
    return f"{text} Over {num_seeds} seeds: {ours} against {theirs}."
