"""What the comparison with the scratch baseline says, in one sentence, no more than the numbers allow."""

from dataclasses import dataclass
from typing import Literal

from core.report.outcome import Outcome
from core.report.rows import Row, rows
from core.report.words import interval, percent

Tone = Literal["good", "bad", "open", "plain"]


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
    student, scratch = table["student"], table.get("scratch")
    if scratch is None or scratch.test is None:
        detail = 'Name "scratch" in evaluation.baselines to have the same network trained without the teacher.'
        return Verdict("open", "No scratch baseline was trained, so the gain is unknown.", detail)
    if student.top1 is None or scratch.top1 is None:
        return Verdict("open", "Inconclusive against training from scratch.", "There are no test images.")
    return _compare(student, scratch)


def _compare(student: Row, scratch: Row) -> Verdict:
    detail = _numbers(student, scratch)
    if student.interval[0] <= scratch.interval[1] and scratch.interval[0] <= student.interval[1]:
        return Verdict("open", "Inconclusive against training from scratch.", f"{detail} The intervals overlap.")
    winner, loser = (student, scratch) if student.top1 > scratch.top1 else (scratch, student)
    if min(_trainings(winner)) <= max(_trainings(loser)):
        detail = f"{detail} The intervals do not overlap, but the trainings from other seeds do."
        return Verdict("open", "Inconclusive against training from scratch.", detail)
    detail = f"{detail} The intervals do not overlap."
    if winner is student:
        return Verdict("good", "The student beats training from scratch.", detail)
    return Verdict("bad", "The student is worse than training from scratch.", detail)


def _trainings(row: Row) -> list[float]:
    return [seed["test_top1"] for seed in row.seeds] or [row.top1]


def _numbers(student: Row, scratch: Row) -> str:
    ours, theirs = (f"{percent(row.top1)} ({interval(row.interval)})" for row in (student, scratch))
    text = f"{ours} against {theirs} on {student.test['num_images']:,} test images."
    if not student.seeds or not scratch.seeds:
        return text
    ours, theirs = (interval([min(_trainings(row)), max(_trainings(row))]) for row in (student, scratch))
    return f"{text} Over {len(student.seeds)} seeds: {ours} against {theirs}."
