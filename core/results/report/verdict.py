"""Whether distillation helped: the student against the best baseline of its size, as far as the test can show it."""

from dataclasses import dataclass
from typing import Literal

from core.results.report.outcome import Outcome
from core.results.report.rows import Row, rows
from core.results.report.words import interval, percent

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
    and does not count. The student is better if the two 95% intervals of test top-1 do not overlap and, with several
    seeds, every training of the student beats every training of the baseline. The rule is strict: small gains stay
    open.
    """
    if outcome.spec.get("method", {}).get("name") == "scratch":
        return Verdict("plain", "Trained from labels alone.", "No teacher took part, so there is no gain to judge.")
    student, *others = (row for row in rows(outcome) if row.role != "teacher")
    rivals = [(row.key, arm) for row in others if _is_same_size(row, student) and (arm := _arm(row)) is not None]
    if not rivals:
        detail = 'Name "scratch" in evaluation.baselines to have the same network trained without the teacher.'
        return Verdict("open", "No baseline of the student's size was trained, so the gain is unknown.", detail)
    key, best = max(rivals, key=lambda rival: rival[1].top1)
    name = NAMES.get(key, key)
    ours = _arm(student)
    if ours is None:
        return Verdict("open", _inconclusive(name), "The student has no test images.")
    return _compare(ours, best, name)


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


def _is_same_size(row: Row, student: Row) -> bool:
    return row.key in SAME_ARCHITECTURE or row.architecture == student.architecture


def _arm(row: Row) -> _Arm | None:
    if row.test is None or row.top1 is None:
        return None
    low, high = row.test["top1_interval"]
    trainings = tuple(seed["test_top1"] for seed in row.seeds) or (row.top1,)
    return _Arm(row.top1, low, high, row.test["num_images"], trainings)


def _compare(student: _Arm, rival: _Arm, name: str) -> Verdict:
    detail = _numbers(student, rival)
    if student.low <= rival.high and rival.low <= student.high:
        return Verdict("open", _inconclusive(name), f"{detail} The intervals overlap.")
    winner, loser = (student, rival) if student.top1 > rival.top1 else (rival, student)
    if min(winner.trainings) <= max(loser.trainings):
        detail = f"{detail} The intervals do not overlap, but the trainings from other seeds do."
        return Verdict("open", _inconclusive(name), detail)
    detail = f"{detail} The intervals do not overlap."
    if winner is student:
        return Verdict("good", f"The student beats {name}.", detail)
    return Verdict("bad", f"The student is worse than {name}.", detail)


def _inconclusive(name: str) -> str:
    return f"Inconclusive against {name}."


def _numbers(student: _Arm, rival: _Arm) -> str:
    text = f"{student} against {rival} on {student.num_images:,} test images."
    num_seeds = min(len(student.trainings), len(rival.trainings))
    if num_seeds == 1:
        return text
    ours, theirs = (interval([min(arm.trainings), max(arm.trainings)]) for arm in (student, rival))
    return f"{text} Over {num_seeds} seeds: {ours} against {theirs}."
